"""Posts of foreign devices: each value is judged by itself, and each instrument keeps its own name."""

import contextlib
import json
import logging
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.configuration import ConfigurationError
from edge_agent.sampler import Sampler
from edge_agent.sensor_models import MODELS, Inlet
from edge_agent.sensors import posts
from edge_agent.sensors.esp32 import Esp32Sensor, Esp32Settings
from edge_agent.sensors.instruments import AmbientInstruments, judge_post
from edge_agent.wire import INVALID_FLAGS, Flag
from gateway.model.properties import PROPERTIES
from gateway.system.child_process import find_free_port
from tests.edge_agent.test_sensors import post_body, sensors
from tests.waiting import wait_until

ALL = posts.QUANTITIES


def airrohr(**values) -> bytes:
    items = [{"value_type": name, "value": str(value)} for name, value in values.items()]
    return json.dumps({"esp8266id": "11", "sensordatavalues": items}).encode()


@contextlib.contextmanager
def run_board(**settings):
    """Run a sensor that receives posts; yield it, its port, and the list of its readings."""
    settings = {"sender": "11", "properties": ALL, **settings}
    board = Esp32Sensor(Esp32Settings(port=find_free_port(), **settings))
    stop, readings = threading.Event(), []
    thread = threading.Thread(target=lambda: readings.extend(board.readings(stop)))
    thread.start()
    try:
        wait_until(lambda: board.state == "ok")
        yield board, board._settings.port, readings
    finally:
        stop.set()
        thread.join()


def values_of(body: bytes, **pinned: str) -> dict[str, float | None]:
    return judge_post(AmbientInstruments(pinned).place(posts.decode(body).values)).values


def flags_of(body: bytes) -> dict[str, int]:
    return judge_post(AmbientInstruments({}).place(posts.decode(body).values)).flags


GOOD = '{"n":"pm2_5","v":12.3},{"n":"pm10","u":"ug/m3","v":20.1}'


@pytest.mark.parametrize(
    ("bad", "refusal"),
    [
        ('{"n":"humidity","v":null}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","v":nan}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":NaN}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":-inf}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":"nan"}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity"}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","vs":"wet"}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","vb":true}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","v":true}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":""}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","v":}', posts.Refusal.NO_VALUE),
        ('{"n":"humidity","v":"unavailable"}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":unavailable}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":"6_0"}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":"60,5"}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":[60]}', posts.Refusal.NOT_A_NUMBER),
        ('{"n":"humidity","v":1e400}', posts.Refusal.TOO_LARGE),
        ('{"n":"humidity","v":"1e400"}', posts.Refusal.TOO_LARGE),
        (f'{{"n":"humidity","v":{"9" * 400}}}', posts.Refusal.TOO_LARGE),
        ('{"n":"humidity","u":"g/m3","v":9.5}', posts.Refusal.UNKNOWN_UNIT),
        ('{"n":"moonlight/humidity","v":60}', posts.Refusal.UNKNOWN_INSTRUMENT),
    ],
)
def test_a_bad_value_of_a_post_costs_no_other_value(bad, refusal):
    with run_board() as (board, port, readings):
        status, sentence = post_body(port, f'[{{"bn":"11"}},{GOOD},{bad}]'.encode())
        wait_until(lambda: readings)
    assert status == 200
    assert sentence.startswith("ok; refused: ")
    assert str(refusal) in sentence
    assert sentence.count("\n") == 1
    (reading,) = readings
    assert {name: reading.values[name] for name in ("pm2_5", "pm10")} == {"pm2_5": 12.3, "pm10": 20.1}
    assert not reading.flags.get("pm2_5", 0) & INVALID_FLAGS
    if refusal is not posts.Refusal.UNKNOWN_INSTRUMENT:
        assert reading.values["humidity"] is None
        assert reading.flags["humidity"] & Flag.SENSOR_FAULT
    assert board.refused_counts == {f"humidity: {refusal}": 1}
    assert board.state == "ok"


def test_a_refused_value_is_in_the_health_message_and_in_the_log(caplog):
    with run_board() as (board, port, _), caplog.at_level(logging.WARNING):
        for _ in range(12):
            post_body(port, airrohr(SDS_P1="20.1", BME280_humidity="nan"))
        assert Sampler([board]).refused_counts == {"esp32 11": {"humidity: not a number": 12}}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, "the first and the tenth"
    assert "refused BME280_humidity, not a number (1 since the start)" in lines[0]


def test_a_post_without_any_usable_value_is_a_fault_and_no_silence():
    with run_board() as (board, port, readings):
        assert post_body(port, airrohr(SDS_P1="nan"))[0] == 422
        assert board.state == "no value of its post can be used: SDS_P1 (not a number)"
        wait_until(lambda: readings)
    assert readings[0].values == {"pm10": None}
    assert readings[0].flags["pm10"] & Flag.SENSOR_FAULT


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (
            airrohr(BME280_humidity="92.68", HECA_humidity="31.63"),
            {"humidity": 92.68, "humidity_heca": 31.63},
        ),
        (
            airrohr(HECA_humidity="31.63", BME280_humidity="92.68"),
            {"humidity": 92.68, "humidity_heca": 31.63},
        ),
        (airrohr(HECA_humidity="31.63"), {"humidity_heca": 31.63}),
        (airrohr(humidity="90.8", BME280_humidity="56.89"), {"humidity": 56.89, "humidity_dht22": 90.8}),
        (
            airrohr(BMP280_temperature="11.2", BMP280_pressure="101325", humidity="90.8"),
            {"temperature": 11.2, "pressure": 1013.25, "humidity": 90.8},
        ),
        (
            airrohr(SDS_P1="20.1", SDS_P2="9.1", PMS_P0="4", PMS_P1="15", PMS_P2="7"),
            {"pm1": 4.0, "pm10": 15.0, "pm2_5": 7.0, "pm10_sds011": 20.1, "pm2_5_sds011": 9.1},
        ),
        (airrohr(SCD30_co2_ppm="431", SCD30_humidity="40"), {"co2": 431.0, "humidity_scd30": 40.0}),
        (airrohr(BME280_humidity="60", BME280_Humidity="61", samples="9"), {"humidity": 60.0}),
        (airrohr(BME280_humidity="nan", humidity="90.8"), {"humidity": None, "humidity_dht22": 90.8}),
        (airrohr(P1="900", durP1="3"), {}),
        (
            b'[{"bn":"11"},{"n":"humidity","v":60},{"n":"heca/humidity","v":31}]',
            {"humidity": 60.0, "humidity_heca": 31.0},
        ),
    ],
)
def test_two_instruments_of_one_quantity_are_two_sensors(body, values):
    assert values_of(body) == values


def test_the_operator_can_name_the_ambient_instrument():
    body = airrohr(humidity="90.8", BME280_humidity="56.89")
    assert values_of(body, humidity="dht22") == {"humidity": 90.8, "humidity_bme280": 56.89}
    with run_board(instruments={"humidity": "DHT22"}) as (_, port, readings):
        post_body(port, body)
        wait_until(lambda: readings)
    assert readings[0].values == {"humidity": 90.8, "humidity_bme280": 56.89}


@pytest.mark.parametrize(
    ("instruments", "sentence"),
    [
        ({"humidity": "heca"}, "heca does not measure humidity of the ambient air"),
        ({"humidity": "moonlight"}, "no 'moonlight' that measures humidity"),
        ({"humidity": "sds011"}, "no 'sds011' that measures humidity"),
        ({"moonlight": "bme280"}, "not moonlight"),
    ],
)
def test_an_instrument_that_cannot_be_the_ambient_one_is_refused(instruments, sentence):
    table = {"driver": "esp32", "sender": "11", "properties": ["humidity"], "instruments": instruments}
    with pytest.raises(ConfigurationError) as raised:
        sensors(table)
    assert sentence in str(raised.value)


def test_a_worse_instrument_never_replaces_a_better_one():
    instruments = AmbientInstruments({})
    bodies = [airrohr(humidity="90"), airrohr(humidity="90", BME280_humidity="57"), airrohr(humidity="90")]
    names = [sorted(instruments.place(posts.decode(body).values)) for body in bodies]
    assert names == [["humidity"], ["humidity", "humidity_dht22"], ["humidity_dht22"]]


def test_humid_air_is_flagged_by_the_ambient_humidity_alone():
    with run_board(properties=("pm2_5", "pm10")) as (_, port, readings):
        post_body(port, airrohr(BME280_humidity="92.68", HECA_humidity="31.63", SDS_P1="20", PMS_P1="15"))
        post_body(port, airrohr(BME280_humidity="61", HECA_humidity="99", SDS_P1="20"))
        post_body(port, airrohr(BME280_humidity="163", SDS_P1="20"))
        wait_until(lambda: len(readings) == 3)
    assert [set(reading.values) for reading in readings] == [{"pm10", "pm10_sds011"}, {"pm10_sds011"}, {"pm10_sds011"}]
    assert all(flag & Flag.HUMIDITY for flag in readings[0].flags.values())
    assert not any(flag & Flag.HUMIDITY for reading in readings[1:] for flag in reading.flags.values())


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.posted], ids=lambda model: model.name)
def test_a_posted_sentinel_is_no_measurement(model):
    for quantity, row in model.measurements.items():
        if quantity not in ALL or row.driver_converts:
            continue
        for sentinel in (*row.no_value, *row.beyond_range, *row.fault):
            record = {"n": f"{model.name}/{quantity}", "v": sentinel / row.counts_per_unit}
            body = json.dumps([{"bn": "11"}, record]).encode()
            (name,) = values_of(body)
            assert name in PROPERTIES
            assert values_of(body)[name] is None or flags_of(body)[name] & INVALID_FLAGS


@pytest.mark.parametrize(("name", "value"), [("SDS_P1", 1999.9), ("SDS_P2", 999.9)])
def test_the_highest_number_of_an_sds011_is_flagged_as_on_its_serial_port(name, value):
    (flag,) = flags_of(airrohr(**{name: f"{value:.2f}"})).values()
    assert flag & Flag.OUT_OF_RANGE


POSTED_MODELS = [(m, q) for m in MODELS.values() if m.posted for q in m.measurements if q in ALL]


@given(st.lists(st.sampled_from(POSTED_MODELS), min_size=1, max_size=8, unique_by=lambda pair: (pair[0].name, pair[1])))
def test_each_instrument_has_one_name_whatever_else_is_on_the_board(pairs):
    records = [{"n": f"{model.name}/{quantity}", "v": 20 + i} for i, (model, quantity) in enumerate(pairs)]
    forwards = values_of(json.dumps([{"bn": "11"}, *records]).encode())
    backwards = values_of(json.dumps([{"bn": "11"}, *records[::-1]]).encode())
    assert forwards == backwards, "the order of a post decides nothing"
    assert sorted(forwards.values()) == [20 + i for i in range(len(pairs))], "no value is lost"
    assert set(forwards) <= set(PROPERTIES)
    for i, (model, quantity) in enumerate(pairs):
        if model.measurement(quantity).inlet is not Inlet.AMBIENT:
            assert forwards.get(quantity) != 20 + i, "never a heated inlet"


@given(st.text(max_size=20) | st.floats() | st.integers() | st.none() | st.booleans() | st.lists(st.integers()))
def test_a_value_of_any_kind_is_a_finite_number_or_has_a_reason(value):
    number = posts.parse_number(value)
    assert isinstance(number, posts.Refusal) or -1.8e308 < number < 1.8e308
    assert posts.decode(json.dumps([{"bn": "a"}, {"n": "pm1", "v": value}]).encode()).values[0].quantity == "pm1"


@pytest.mark.parametrize(
    ("unit", "value", "pressure"), [("Pa", 101_325, 1013.25), ("hPa", 1013.25, 1013.25), ("mbar", 1013.25, 1013.25)]
)
def test_a_unit_of_a_post_is_converted(unit, value, pressure):
    assert values_of(f'[{{"bn":"a","bu":"{unit}"}},{{"n":"pressure","v":{value}}}]'.encode()) == {"pressure": pressure}


def test_a_base_value_is_added():
    assert values_of(b'[{"bn":"a","bv":1000},{"n":"pressure","v":13.25}]') == {"pressure": 1013.25}


ENCODINGS = {
    "utf-8-sig": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "latin-1": lambda text: text.encode("latin-1"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_character_encoding_of_a_post_costs_a_value(encoding):
    text = '[{"bn":"a","bu":"\u00b5g/m3"},{"n":"pm2_5","v":8.5},{"n":"temperature","u":"\u00b0C","v":11.2}]'
    assert values_of(ENCODINGS[encoding](text)) == {"pm2_5": 8.5, "temperature": 11.2}


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b'[{"bn":"a"},{"n":"pm2_5","v":8,"v":9},{"n":"pm10","v":20}]', {"pm2_5": None, "pm10": 20.0}),
        (b'[{"bn":"a"},{"n":"pm2_5","v":8},{"n":"pm2_5","v":9}]', {"pm2_5": 8.0}),
        (b'[{"bn":"a"},5,null,[],"x",{"n":7,"v":1},{"n":"pm2_5","v":8}]', {"pm2_5": 8.0}),
        (b'[{"bn":"a","bv":"x"},{"n":"pm2_5","v":8}]', {"pm2_5": None}),
        (b'[{"bn":"a","bv":NaN},{"n":"pm2_5","v":8}]', {"pm2_5": None}),
        (b'[{"bn":"a"},{"n":"pressure","u":"Pa","v":65535},{"n":"pm2_5","v":8}]', {"pressure": None, "pm2_5": 8.0}),
        (b'[{"bn":"a"},{"n":"temperature","u":"K","v":288.15}]', {"temperature": 15.0}),
        (b'[{"bn":"a"},{"n":"temperature","u":"\xc2\xb0F","v":50}]', {"temperature": 10.0}),
        (b'[{"bn":"a"},{"n":"humidity","u":"/","v":0.81}]', {"humidity": 81.0}),
        (b'[{"bn":"a"},{"n":"co2","u":"ppb","v":420000}]', {"co2": 420.0}),
        (b'[{"bn":"a"},{"n":"pm2_5","u":"ppm","v":8}]', {"pm2_5": None}),
        (
            b'{"esp8266id":11,"sensordatavalues":[5,null,{"value":"8"},{"value_type":"SDS_P2","value":"8"}]}',
            {"pm2_5": 8.0},
        ),
        (b'{"esp8266id":11,"sensordatavalues":[{"value_type":"SDS_P2","value":"8","value":"9"}]}', {"pm2_5": None}),
    ],
)  # fmt: skip
def test_a_wrong_part_of_a_post_costs_no_other_value(body, values):
    assert values_of(body) == values


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"esp8266id":"11","esp8266id":"12","sensordatavalues":[]}', "esp8266id is no name of a board"),
        (b'{"sensordatavalues":[]}', "esp8266id is no name of a board"),
        (b'{"esp8266id":"11"}', "sensordatavalues is no list"),
        (b'{"esp8266id":"11","sensordatavalues":{}}', "sensordatavalues is no list"),
        (b'{"esp8266id":"11","sensordatavalues":[],"sensordatavalues":[]}', "sensordatavalues is no list"),
        (b'{"esp8266id":true,"sensordatavalues":[]}', "esp8266id is no name of a board"),
        (b'[{"bn":null,"n":"pm2_5","v":1}]', "bn is no name of a board"),
        (b'[{"bn":["a"],"n":"pm2_5","v":1}]', "bn is no name of a board"),
        (b"5", "a post is a list of records"),
        (b"null", "a post is a list of records"),
        (b"", "not JSON"),
        (b"pm2_5=8", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (bytes(16_000), "not JSON"),
    ],
)
def test_a_post_of_another_form_is_refused_with_a_sentence(body, words):
    with pytest.raises(posts.UnreadablePostError) as raised:
        posts.decode(body)
    assert words in str(raised.value)
    assert "Error" not in str(raised.value)


KEYS = ("bn", "n", "v", "u", "bu", "bv", "esp8266id", "sensordatavalues", "value_type", "value")
ATOMS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6) | st.sampled_from(["pm2_5", "11"])
CONTENTS = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner)
)


@given(CONTENTS)
def test_no_json_of_anyone_raises_anything_but_one_sentence(content):
    try:
        post = posts.decode(json.dumps(content).encode())
    except posts.UnreadablePostError as error:
        sentence = str(error)
    else:
        assert all((value.value is None) == (value.refusal is not None) for value in post.values)
        return
    assert "Error" not in sentence


def test_a_packed_post_and_a_long_post_are_answered_with_a_sentence():
    with run_board() as (board, port, _):
        for header, body, status, words in (
            ("Content-Encoding: gzip", b"\x1f\x8b" + bytes(60), b" 415 ", b"packed with gzip is not read"),
            ("X-Long: yes", b"[" + b"5," * 300_000 + b"5]", b" 413 ", b"at most 16384 are read"),
            ("Content-Encoding: identity", b"[", b" 400 ", b"not JSON"),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                head = f"POST / HTTP/1.1\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                answer = b"".join(iter(lambda connection=connection: connection.recv(4096), b""))
            assert status in answer
            assert words in answer
        assert post_body(port, b'[{"bn":"11"},5,{"n":"pm2_5","v":8}]') == (
            200,
            "ok; refused: 1 items that name no value\n",
        )
        assert board.refused_counts == {"items that name no value": 1}


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n",
    ],
)
def test_a_request_of_any_shape_is_answered_without_a_traceback(request_, capfd):
    with run_board() as (board, port, readings):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request_)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert b" 200 " not in answer
        assert post_body(port, airrohr(SDS_P1="20"))[0] == 200, "the next board is served"
        wait_until(lambda: readings)
    assert "Traceback" not in capfd.readouterr().err
    assert board.state == "ok"
