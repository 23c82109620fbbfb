"""Messages of foreign sensors: each format reads its own messages, and any bytes are read or refused."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import INVALID_FLAGS, Flag
from gateway.adapters.foreign import ForeignMessage, RefusedError
from gateway.adapters.formats import FORMATS, JudgedReading, read_message
from tests.gateway.adapters.messages import (
    GENERIC,
    MAPPING,
    SAMPLES,
    SENML_CBOR,
    airrohr,
    as_json,
    chirp,
    pushed,
    uplink,
)

AT = 1_795_946_401_123  # 2026-11-29 10:00:01.123 UTC


def values_of(body: bytes, name: str = "airrohr", **message: object) -> dict[str, float | None]:
    return dict(read_message(ForeignMessage(body=body, **message), name, SAMPLES[name][1])[0].values)


def read_or_refuse(message: ForeignMessage, name: str) -> list[JudgedReading]:
    """The readings; none if the message is refused, which takes one sentence."""
    try:
        return read_message(message, name, SAMPLES[name][1])
    except RefusedError as refusal:
        sentence = str(refusal)
    assert sentence
    assert "\n" not in sentence
    return []


def test_every_format_has_a_sample():
    assert SAMPLES.keys() == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_reads_its_own_message(name):
    message, mapping, sender, values = SAMPLES[name]
    reading = read_message(message, name, mapping)[0]
    assert reading.sender == sender
    assert reading.values == pytest.approx(values)
    assert not any(flags & INVALID_FLAGS for flags in reading.flags.values())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_a_message_of_another_format_is_refused_or_gives_the_same_values(name, other):
    message = SAMPLES[other][0]
    for reading in read_or_refuse(message, name)[:1]:
        expected = SAMPLES[other][3]
        assert reading.values == pytest.approx({key: expected[key] for key in reading.values})


@pytest.mark.parametrize("name", FORMATS)
@given(body=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["sensordatavalues", "value_type", "value", "esp8266id", "n", "v", "bn", "channels", "object",
                         "end_device_ids", "uplink_message", "decoded_payload", "deviceInfo", "pm02", "serial"]),
        inner, max_size=4),
    max_leaves=12,
).map(lambda content: json.dumps(content).encode()))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused_with_a_sentence(name, body):
    readings = read_or_refuse(
        ForeignMessage(body=body, topic=SAMPLES[name][0].topic, headers=SAMPLES[name][0].headers), name
    )
    numbers = [value for reading in readings for value in reading.values.values()]
    assert all(value is None or math.isfinite(value) for value in numbers)


WRONG = ["nan", "NaN", None, "", "unavailable", 1e400, "1e400", True, [1], {"v": 1}, "12,3"]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("airrohr", lambda value: as_json({"esp8266id": "1", "sensordatavalues": [
            {"value_type": "SDS_P2", "value": value}, {"value_type": "SDS_P1", "value": "20.5"}]})),
        ("airgradient", lambda value: as_json({"serialno": "a", "pm02": value, "pm10": 20.5})),
        ("purpleair", lambda value: as_json({"SensorId": "a", "pm2_5_atm": value, "pm10_0_atm": 20.5})),
        ("senml", lambda value: as_json([{"n": "pm2_5", "v": value}, {"n": "pm10", "v": 20.5}])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_invalid_value_costs_no_other_value(name, build, wrong):
    reading = read_message(ForeignMessage(body=build(wrong)), name)[0]
    assert reading.values["pm10"] == 20.5
    assert reading.values["pm2_5"] is None
    assert reading.sources["pm2_5"].refusal is not None
    assert reading.flags["pm2_5"] & Flag.SENSOR_FAULT


def test_the_hpm_names_its_sizes_the_other_way_round():
    assert values_of(airrohr(HPM_P1=5, HPM_P2=9)) == {"pm2_5": 5, "pm10": 9}
    assert values_of(airrohr(SDS_P1=9, SDS_P2=5)) == {"pm2_5": 5, "pm10": 9}


def test_a_code_for_no_value_is_none_and_a_reading_beyond_the_range_is_flagged():
    reading = read_message(ForeignMessage(body=airrohr(SDS_P1=1999.9, SDS_P2=999.9)), "airrohr")[0]
    assert all(flags & Flag.OUT_OF_RANGE for flags in reading.flags.values())
    assert values_of(as_json({"serialno": "a", "pm02": -1, "rco2": 400}), "airgradient") == {"pm2_5": None, "co2": 400}


def test_the_header_and_the_message_name_one_device():
    with pytest.raises(RefusedError, match="both must name one device"):
        read_message(ForeignMessage(body=airrohr(SDS_P1=1), headers={"x-sensor": "esp8266-9"}), "airrohr")


def test_the_pin_of_a_message_decides_which_sensor_is_read():
    climate = pushed(temperature=21.5, pressure=101325, P1=3)
    pinned = {"x-sensor": "esp8266-1", "x-pin": "11"}
    assert values_of(climate, "sensor-community", headers=pinned) == {"temperature": 21.5, "pressure": 1013.25}
    with pytest.raises(RefusedError, match="X-Pin"):
        values_of(climate, "sensor-community", headers={**pinned, "x-pin": "99"})


def test_a_station_with_two_counters_sends_their_mean_or_the_first_is_read():
    channels = {"1": {"pm02": 4, "atmp": 7.0}, "2": {"pm02": 6, "atmp": 8.0}}
    assert values_of(as_json({"serialno": "a", "channels": channels, "pm02": 5}), "airgradient")["pm2_5"] == 5
    assert values_of(as_json({"serialno": "a", "channels": channels}), "airgradient")["pm2_5"] == 4


@pytest.mark.parametrize(("second", "expected"), [(10, 10), (15, 10), (60, None), (12.9, 10), ("nan", 10)])
def test_two_counters_that_contradict_each_other_give_no_value(second, expected):
    body = as_json({"SensorId": "a", "pm2_5_atm": 10, "pm2_5_atm_b": second})
    assert values_of(body, "purpleair")["pm2_5"] == expected


def test_the_network_names_the_time_and_the_message():
    things = read_message(ForeignMessage(body=uplink({"pm25": 1})), "things-stack", MAPPING)[0]
    assert (things.at, things.message_id) == (AT, "70B3D57ED0001234/AYxx/17")
    chirped = read_message(ForeignMessage(body=chirp({"pm25": 1})), "chirpstack", MAPPING)[0]
    assert (chirped.at, chirped.message_id) == (1_795_946_401_000, "3ac7e3c4-4401-4b8d-9386-a5c902f9202d")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("things-stack", {"end_device_ids": {"device_id": "a"}, "join_accept": {}}),
        ("chirpstack", {"deviceInfo": {"devEui": "a"}, "batteryLevel": 80}),
    ],
)
def test_events_without_a_reading_are_no_mistake(name, content):
    assert read_message(ForeignMessage(body=as_json(content)), name, MAPPING) == []


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("things-stack", uplink(None), "payload formatter"),
        ("chirpstack", chirp(None), "codec"),
        ("chirpstack", chirp({"other": 1}), "none of the paths"),
        ("airgradient", as_json({"serialno": "a"}), "pm02"),
        ("tasmota", as_json({"SDS0X1": {"PM10": 1}}), "tele/"),
    ],
)
def test_a_refusal_names_the_remedy(name, body, sentence):
    with pytest.raises(RefusedError, match=sentence):
        read_message(ForeignMessage(body=body), name, SAMPLES[name][1])


def test_a_format_without_its_mapping_file_is_refused():
    with pytest.raises(RefusedError, match="mapping file"):
        read_message(ForeignMessage(body=uplink({"pm25": 1})), "things-stack")


def test_senml_has_a_reading_for_each_time_in_json_and_cbor():
    as_text = read_message(SAMPLES["senml"][0], "senml")
    assert [reading.at for reading in as_text] == [1_795_946_400_000, 1_795_946_460_000]
    assert read_message(ForeignMessage(body=SENML_CBOR), "senml") == as_text


def test_a_relative_time_is_left_to_the_time_of_receipt():
    body = as_json([{"bn": "a:", "n": "pm2_5", "v": 1, "t": -30}])
    assert read_message(ForeignMessage(body=body), "senml")[0].at is None


def test_an_instrument_in_the_name_has_its_own_row():
    body = as_json([{"bn": "board/", "n": "heca/humidity", "v": 31}, {"n": "bme280/humidity", "v": 92}])
    reading = read_message(ForeignMessage(body=body), "senml")[0]
    assert (reading.sender, reading.values) == ("board", {"humidity": 92, "humidity_heca": 31})


def test_a_local_time_that_occurs_twice_is_left_to_the_time_of_receipt():
    body = json.loads(SAMPLES["json"][0].body)
    twice = as_json({**body, "measured": "2026-10-25 02:30:00"})
    assert read_message(ForeignMessage(body=twice), "json", GENERIC)[0].at is None
    with pytest.raises(RefusedError, match=r"\$\.measured"):
        read_message(ForeignMessage(body=as_json({**body, "measured": "yesterday"})), "json", GENERIC)
