"""The table of sensor models: each row makes sense, each way in uses it, and no sentinel ever becomes a measurement."""

import math
import re
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import sensor_factory
from edge_agent.sampler import Sampler
from edge_agent.sensor_models import (
    AMBIENT_ORDER,
    INSTRUMENT_PROPERTIES,
    MODELS,
    PHYSICAL,
    PHYSICAL_BOUND,
    Inlet,
    Measurement,
    find_model,
)
from edge_agent.sensor_state import SensorState
from edge_agent.sensors import bme68x, davis, opcn3, pid, sds011, sen5x, sen66, sps30, wind
from edge_agent.sensors.judgement import ReadingJudge
from edge_agent.sensors.polled import SharedConditions
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import INVALID_FLAGS, PROPERTY, ClockState, Flag
from gateway.model.properties import PROPERTIES
from tests.edge_agent import fakes
from tests.edge_agent.test_sensors import polled_sensor, sensors, take
from tests.sensor_reference import PAGE, render

ROWS = [(model, name, row) for model in MODELS.values() for name, row in model.measurements.items()]
IDS = [f"{model.name}-{name}" for model, name, _ in ROWS]


def sentinels_of(row: Measurement) -> tuple[float, ...]:
    return (*row.no_value, *row.beyond_range, *row.fault)


@pytest.mark.parametrize(("model", "name", "row"), ROWS, ids=IDS)
def test_a_row_makes_sense(model, name, row):
    assert PROPERTIES[name].unit, "the registry of properties has the unit of the row"
    assert -PHYSICAL_BOUND <= row.range[0] < row.range[1] <= PHYSICAL_BOUND
    assert row.resolution is None or 0 < row.resolution < row.range[1] - row.range[0]
    assert len(set(sentinels_of(row))) == len(sentinels_of(row)), "one number, one meaning"
    assert model.source
    assert math.isfinite(row.settling_seconds)


@pytest.mark.parametrize(("model", "name", "row"), ROWS, ids=IDS)
def test_a_sentinel_in_the_unit_of_its_property_is_no_measurement(model, name, row):
    if row.driver_converts:
        return
    for sentinel in sentinels_of(row):
        judged = row.judge(sentinel / row.counts_per_unit)
        assert judged.value is None or judged.flags & INVALID_FLAGS, (model.name, name, sentinel)


def test_names_are_unique_and_fit_the_wire():
    names = [text for model in MODELS.values() for text in (model.name, *model.aliases)]
    assert len({find_model(name).name for name in names}) == len(MODELS)
    assert all(find_model(name) in MODELS.values() for name in names)
    instruments = [instrument.name for instrument in INSTRUMENT_PROPERTIES]
    assert len(set(instruments)) == len(instruments)
    assert not set(instruments) & {name for _, name, _ in ROWS}
    assert all(re.fullmatch(PROPERTY, name) for name in instruments)
    assert set(instruments) <= set(PROPERTIES), "the gateway places what a node may report"


def test_each_ambient_instrument_of_a_board_has_its_place_in_the_order():
    ambient = {
        model.name
        for model in MODELS.values()
        if model.posted and any(row.inlet is Inlet.AMBIENT for row in model.measurements.values())
    }
    assert ambient == set(AMBIENT_ORDER)


@pytest.mark.parametrize(
    ("text", "name"),
    [("SDS 011", "sds011"), ("PMS7003", "pms"), ("BMP", "bmp180"), ("SHT31", "sht3x"), ("nobody", None)],
)
def test_a_model_has_the_names_that_people_use(text, name):
    model = find_model(text)
    assert (model and model.name) == name


def sen5x_with(name, count):
    measured = {"pm1": 55, "pm2_5": 121, "pm4": 130, "pm10": 142, "humidity": 6543, "temperature": 4210}
    raw = {"voc_raw": 30_512, "nox_raw": 16_480}
    (measured if name in measured else raw)[name] = count
    content = struct.pack(">4H4h", *measured.values(), 1000, 10)
    return sen5x.decode(content, struct.pack(">2h2H", 0, 0, *raw.values()))


def sen66_with(name, count):
    measured = {"pm1": 55, "pm2_5": 121, "pm4": 130, "pm10": 142, "humidity": 6543, "temperature": 4210}
    raw, co2 = {"voc_raw": 30_512, "nox_raw": 16_480}, count if name == "co2" else 431
    if name != "co2":
        (measured if name in measured else raw)[name] = count
    content = struct.pack(">4H4hH", *measured.values(), 1000, 10, co2)
    return sen66.decode(content, struct.pack(">2h3H", 0, 0, *raw.values(), 433))


def sds011_with(name, count):
    fine, coarse = (count, 200) if name == "pm2_5" else (123, count)
    return sds011.decode(b"\xaa\xc0" + struct.pack("<2H", fine, coarse) + bytes(4))


def opcn3_with(name, count):
    temperature, humidity = (count, 42_000) if name == "temperature" else (24_000, count)
    fields = [*range(24), 1, 2, 3, 4, 1000, 280, temperature, humidity, 5.5, 12.1, 20.25, *[0] * 6]
    body = struct.pack("<24H4B4H3f6H", *fields)
    return opcn3.decode(body + struct.pack("<H", fakes.crc16(body)))


def davis_with(name, count):
    frame = bytearray(fakes.davis_frame())
    form, offset = {"temperature": ("<h", 12), "wind_speed": ("<B", 14), "wind_direction": ("<H", 16)}.get(
        name, ("<B", 33)
    )
    struct.pack_into(form, frame, offset, count)
    return davis.decode(bytes(frame), north=90.0)


def modbus_with(name, count, **settings):
    counts = {"wind_speed": 500, "wind_direction": 270, name: count}
    settings = wind.ModbusWindSettings(north_degrees=90.0, **settings)
    return wind.decode_registers(counts["wind_speed"], counts["wind_direction"], settings)


def bme68x_with(name, count):
    chip = fakes.FakeBme680(**{name: count})
    driver = bme68x.Bme68x(fakes.make_bus({0x76: chip}), bme68x.Bme68xSettings(heater_ms=1))
    driver.start()
    return driver.read()


def pid_with(name, count):
    return pid.decode(struct.pack(">h", count), pid.PidSettings(zero_mv=50.0, sensitivity_mv_per_ppm=200.0))


DRIVERS = {
    "sen5x": sen5x_with,
    "sen66": sen66_with,
    "sds011": sds011_with,
    "opcn3": opcn3_with,
    "davis": davis_with,
    "modbus_wind": modbus_with,
    "bme68x": bme68x_with,
    "pid": pid_with,
}
WITH_A_DRIVER = {
    "sps30", "sen5x", "sen66", "sgp40", "sgp41", "pms", "sds011", "opcn3", "bme68x", "pid",
    "gill", "davis", "modbus_wind", "gps",
}  # fmt: skip
DRIVER_SENTINELS = [
    (model.name, name, int(sentinel))
    for model, name, row in ROWS
    if model.name in WITH_A_DRIVER
    for sentinel in sentinels_of(row)
]


def test_every_driver_has_its_rows_in_the_table(tmp_path):
    tags = {settings.__struct_config__.tag for settings in sensor_factory.WiredSettings.__args__} | {"sgp40", "sgp41"}
    assert tags == WITH_A_DRIVER


@pytest.mark.parametrize(("model", "name", "sentinel"), DRIVER_SENTINELS)
def test_no_driver_makes_a_measurement_of_a_sentinel(model, name, sentinel):
    judged = ReadingJudge(MODELS[model], {}).judge(DRIVERS[model](name, sentinel))
    reported = MODELS[model].reported_names[name]
    assert judged.values[reported] is None or judged.flags[reported] & INVALID_FLAGS
    other_names = [other for other in judged.values if other != reported and model not in {"bme68x", "davis"}]
    assert not any(judged.flags[other] & INVALID_FLAGS or judged.values[other] is None for other in other_names)


@given(
    count=st.sampled_from([0x7FFF, 0x8000, 0xFFFF]),
    speed_scale=st.floats(1e-4, 10.0),
    direction_scale=st.floats(1e-4, 10.0),
)
def test_no_scale_of_modbus_makes_a_wind_of_a_fault(count, speed_scale, direction_scale):
    for name in ("wind_speed", "wind_direction"):
        raw = modbus_with(name, count, speed_scale=speed_scale, direction_scale=direction_scale)
        judged = ReadingJudge(MODELS["modbus_wind"], {}).judge(raw)
        assert judged.flags[name] & Flag.SENSOR_FAULT
        scale = speed_scale if name == "wind_speed" else direction_scale
        assert judged.values[name] == count * scale, "the raw number stays"


@given(direction=st.integers(0, 0xFFFF))
def test_a_direction_is_judged_before_it_is_turned(direction):
    raw = modbus_with("wind_direction", direction)
    judged = ReadingJudge(MODELS["modbus_wind"], {}).judge(raw)
    value, is_flagged = judged.values["wind_direction"], bool(judged.flags["wind_direction"] & INVALID_FLAGS)
    assert is_flagged == (direction > 360)
    assert value == (direction if is_flagged else (direction + 90) % 360)


@pytest.mark.parametrize("fine", [9999, 20_000, 65_535])
def test_an_sds011_that_sees_nothing_but_fog_is_out_of_range_on_both(fine):
    frame = b"\xaa\xc0" + struct.pack("<2H", fine, 19_999) + bytes(4)
    judged = ReadingJudge(MODELS["sds011"], {}).judge(sds011.decode(frame))
    assert judged.values == {"pm2_5": fine / 10, "pm10": 1999.9}
    assert all(flag & Flag.OUT_OF_RANGE for flag in judged.flags.values())


def test_a_float_that_is_not_finite_costs_no_other_value():
    content = struct.pack(">10f", 5.5, math.nan, math.inf, 14.25, *[30.0] * 6)
    judged = ReadingJudge(MODELS["sps30"], {}).judge(sps30.decode(content))
    assert judged.values == {"pm1": 5.5, "pm2_5": None, "pm4": None, "pm10": 14.25}
    assert [bool(judged.flags[name] & INVALID_FLAGS) for name in judged.values] == [False, True, True, False]


def test_the_climate_inside_an_instrument_is_not_that_of_the_air():
    raw = opcn3_with("humidity", 42_000)
    assert ReadingJudge(MODELS["opcn3"], {}).judge(raw).values["humidity_opcn3"] == 64.09
    assert "humidity" not in ReadingJudge(MODELS["opcn3"], {}).judge(raw).values


def test_a_range_of_an_operator_is_never_wider_than_the_model():
    judge = ReadingJudge(MODELS["sps30"], {"pm2_5": (0.0, 900.0), "pm10": (-5.0, 5000.0)})
    judged = judge.judge(sps30.decode(struct.pack(">10f", 5.5, 950.0, 950.0, 1001.0, *[30.0] * 6)))
    flagged = {name for name, flag in judged.flags.items() if flag & Flag.OUT_OF_RANGE}
    assert flagged == {"pm2_5", "pm10"}


def test_humidity_that_is_no_measurement_is_not_shared_with_other_sensors(tmp_path):
    chip = fakes.sen5x()
    chip.answers[0x03C4] = struct.pack(">4H4h", 55, 121, 130, 142, 0x7FFE, 4210, 1000, 10)
    conditions = SharedConditions()
    settings = sen5x.Sen5xSettings(interval_seconds=0.1, warm_up_seconds=0, cleaning_hours=0)
    sensor = polled_sensor(sen5x.Sen5x(fakes.make_bus({0x69: chip})), settings, tmp_path, conditions=conditions)
    (reading,) = take(sensor, 1)
    assert reading.values["humidity"] == 327.66
    assert reading.flags["humidity"] & Flag.OUT_OF_RANGE
    assert not reading.flags["pm2_5"] & Flag.HUMIDITY
    assert conditions.humidity_and_temperature() == (None, 21.05)


def test_only_the_gas_plate_of_a_bme680_has_to_settle(tmp_path):
    driver = bme68x.Bme68x(fakes.make_bus({0x76: fakes.FakeBme680()}), bme68x.Bme68xSettings(heater_ms=1))
    settings = bme68x.Bme68xSettings(interval_seconds=0.1, heater_ms=1)
    (reading,) = take(polled_sensor(driver, settings, tmp_path), 1)
    warm = {name for name, flag in reading.flags.items() if flag & Flag.WARM_UP}
    assert warm == {"voc_ohm"}


@pytest.mark.parametrize("name", ["pm2_5", "h2s", "voc_ohm", "of_tomorrow"])
@pytest.mark.parametrize("value", [1.1e9, -2e9, 2e200, math.inf, math.nan])
def test_a_value_beyond_its_physical_bound_is_flagged_for_every_sensor(name, value):
    class Strange:
        properties, hang_timeout, state = ("it",), 600.0, "ok"

        def __init__(self):
            self.name = "strange"

        def readings(self, stop):
            values = {name: value, "humidity": 60.0}
            yield Reading(observed_at=1, mono=1, clock=ClockState.SYNCED, values=values, flags={"humidity": 128})

    sampler = Sampler([Strange()])
    sampler.start()
    reading = sampler.take_readings(5.0)[0].reading
    assert reading.values == {name: value if math.isfinite(value) else None, "humidity": 60.0}
    assert reading.flags[name] & INVALID_FLAGS
    assert reading.flags["humidity"] == 128
    sampler.stop()


@given(st.floats())
def test_a_finite_value_is_stored_unchanged_and_any_other_is_none(value):
    judged = PHYSICAL.judge(value)
    assert judged.value == value if math.isfinite(value) else judged.value is None
    assert bool(judged.flags) == (not abs(value) <= PHYSICAL_BOUND)


@pytest.mark.parametrize(
    ("model", "directions"),
    [
        (None, [(0.0, 0), (270.0, 0), (990.0, Flag.OUT_OF_RANGE)]),
        ("knmi", [(None, 0), (270.0, 0), (None, 0)]),
    ],
)
def test_a_recording_is_judged_by_the_model_it_comes_from(tmp_path, model, directions):
    rows = "".join(
        f"s,wind_direction,{1_700_000_000 + i},{value}\ns,pm2_5,{1_700_000_000 + i},2e200\n"
        for i, value in enumerate((0, 270, 990))
    )
    (tmp_path / "r.csv").write_text("station,property,time,value\n" + rows)
    table = {"driver": "replay", "file": str(tmp_path / "r.csv"), "station": "s", "speed": 0}
    table |= {"model": model} if model else {}
    (sensor,) = sensor_factory.create_sensors(sensors(table), SensorState(tmp_path / "m"))
    sampler = Sampler([sensor])
    sampler.start()
    readings, deadline = [], time.monotonic() + 10
    while len(readings) < 3 and time.monotonic() < deadline:
        readings += [item.reading for item in sampler.take_readings(5.0)]
    assert [(r.values["wind_direction"], r.flags.get("wind_direction", 0)) for r in readings] == directions
    assert all(r.values["pm2_5"] == 2e200 and r.flags["pm2_5"] & Flag.OUT_OF_RANGE for r in readings)


def test_the_page_for_operators_has_the_table_as_it_is():
    assert PAGE.read_text() == render(PAGE.read_text()), "run `make sensors`"
