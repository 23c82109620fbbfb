"""Sensors on fake buses and real ptys: each keeps its schedule, flags its own faults, and delays no other sensor."""

import struct
import threading
import time
import urllib.error
import urllib.request

import pytest

from edge_agent import sensor_factory
from edge_agent.configuration import ConfigurationError, convert_table
from edge_agent.errors import Fault, SensorError
from edge_agent.sampler import Sampler
from edge_agent.sensor_state import SensorState
from edge_agent.sensors import polled
from edge_agent.sensors.circumstance_flags import CircumstanceFlagger, Circumstances, add_humidity_flags
from edge_agent.sensors.davis import Davis
from edge_agent.sensors.driver import RawReading
from edge_agent.sensors.esp32 import Esp32Sensor, Esp32Settings
from edge_agent.sensors.gps import Gps
from edge_agent.sensors.opcn3 import Opcn3, Opcn3Settings
from edge_agent.sensors.pid import Pid, PidSettings
from edge_agent.sensors.pms import Pms, PmsSettings
from edge_agent.sensors.polled import PolledSensor, RecoveryStep, SharedConditions, recovery_step
from edge_agent.sensors.sds011 import Sds011, Sds011Settings
from edge_agent.sensors.sen5x import Sen5x, Sen5xSettings
from edge_agent.sensors.sen66 import Sen66
from edge_agent.sensors.sgp4x import Sgp4x, to_ticks
from edge_agent.sensors.sps30 import Sps30, Sps30Settings
from edge_agent.sensors.wind import Gill, ModbusWind, ModbusWindSettings, build_modbus_request
from edge_agent.settings import Settings
from edge_agent.transport.i2c import I2cBus
from edge_agent.transport.uart import Uart
from edge_agent.wire import ClockState, Flag
from gateway.system.child_process import find_free_port
from tests.edge_agent import fakes
from tests.edge_agent.test_decoders import SENML
from tests.waiting import wait_until


@pytest.fixture
def talk():
    talkers = []

    def talk(script, **options):
        talkers.append(fakes.FakeSerialDevice(script, **options))
        return talkers[-1]

    yield talk
    for talker in talkers:
        talker.close()


def polled_sensor(driver, settings, tmp_path, **options) -> PolledSensor:
    conditions = options.pop("conditions", SharedConditions())
    return PolledSensor(
        "it", driver, settings, conditions=conditions, sensor_state=SensorState(tmp_path / "memory"), **options
    )


def take(sensor, count, timeout=20.0):
    stop, readings = threading.Event(), []
    timer = threading.Timer(timeout, stop.set)
    timer.start()
    for reading in sensor.readings(stop):
        readings.append(reading)
        if len(readings) == count:
            stop.set()
    timer.cancel()
    assert len(readings) >= count, "the sensor fell silent"
    return readings


QUICK = Sps30Settings(interval_seconds=0.1, warm_up_seconds=0, cleaning_hours=0)


def test_every_i2c_sensor_starts_reads_and_stops():
    bus = fakes.make_bus(
        {0x69: fakes.sps30(), 0x6A: fakes.sen5x(), 0x6B: fakes.sen66(), 0x48: fakes.FakeAds1115(100.0)}
    )
    devices = [Sps30(bus), Sen5x(bus, 0x6A), Sen66(bus)]
    for device in devices:
        device.start()
        measured = device.read()
        device.check()
        assert measured.fresh
        assert measured.values["pm2_5"] == 12.1
        assert set(measured.values) == set(device.model.measurements)
        device.stop()
        with pytest.raises(SensorError) as raised:
            device.read()
        assert raised.value.reason is Fault.NOT_MEASURING
    pid = Pid(bus, PidSettings(zero_mv=50, sensitivity_mv_per_ppm=25))
    pid.start()
    assert pid.read().values["voc_ppb"] == pytest.approx(2000, rel=0.01)


def test_an_sgp41_is_conditioned_for_ten_readings_and_gets_humidity_and_temperature():
    chip = fakes.sgp41()
    device = Sgp4x(fakes.make_bus({0x59: chip}), read_conditions=lambda: (80.0, 12.0))
    device.start()
    readings = [device.read().values for _ in range(12)]
    assert [values["nox_raw"] for values in readings] == [None] * 10 + [16_480.0] * 2
    assert [values["voc_raw"] for values in readings] == [30_400.0] * 10 + [30_512.0] * 2
    assert to_ticks(80.0, 12.0) == (52_428, 21_346)


def test_a_busy_opc_is_read_again_and_one_that_stays_busy_is_reported():
    device = Opcn3(fakes.FakeOpcn3(busy=5))
    device.start()
    assert device.read().values["pm10"] == 20.25
    with pytest.raises(SensorError) as raised:
        Opcn3(fakes.FakeOpcn3(busy=1000)).start()
    assert raised.value.reason is Fault.NO_ANSWER


@pytest.mark.parametrize(
    ("make", "frame", "pm10"),
    [(Pms, fakes.pms_frame(), 20.0), (Sds011, fakes.SDS011_FRAME, 261.8)],
)
def test_a_serial_sensor_is_read_through_junk_and_split_frames(talk, make, frame, pm10):
    talker = talk([b"\x42\xaa junk", frame[:7], frame[7:], frame[:-1] + b"\x00", frame])
    device = make(Uart(talker.port))
    device.start()
    assert talker.read_received() != b""
    talker.start()
    assert device.read().values["pm10"] == pm10
    time.sleep(0.2)
    after_a_bad_one = device.read()
    assert after_a_bad_one.values["pm10"] == pm10
    assert after_a_bad_one.flags["pm10"] & Flag.CHECKSUM_RETRY


def test_the_highest_numbers_of_an_sds011_are_flagged_on_its_serial_port(talk, tmp_path):
    body = struct.pack("<2H", 9999, 19_999) + b"\xa1\x60"
    frame = b"\xaa\xc0" + body + bytes([sum(body) & 0xFF, 0xAB])
    talker = talk([frame] * 100)
    settings = Sds011Settings(port=talker.port, interval_seconds=0.1, warm_up_seconds=0)
    talker.start()
    readings = take(polled_sensor(Sds011(Uart(talker.port)), settings, tmp_path), 3)
    assert all(reading.values == {"pm2_5": 999.9, "pm10": 1999.9} for reading in readings)
    assert all(flag & Flag.OUT_OF_RANGE for reading in readings for flag in reading.flags.values())
    assert all(set(reading.flags) == {"pm2_5", "pm10"} for reading in readings)


def sds011_frame(number: bytes, fine: int) -> bytes:
    body = struct.pack("<2H", fine, fine + 10) + number
    return b"\xaa\xc0" + body + bytes([sum(body) & 0xFF, 0xAB])


def test_two_sds011_on_one_line_are_a_fault_and_no_series_of_both(talk):
    talker = talk([sds011_frame(b"\xa1\x60", 80), sds011_frame(b"\xa1\x60", 81), sds011_frame(b"\xb2\x70", 900)] * 50)
    device = Sds011(Uart(talker.port))
    talker.start()
    values, sentences = set(), set()
    for _ in range(30):
        try:
            values.add(device.read().values["pm2_5"])
        except SensorError as error:
            sentences.add((error.reason, str(error)))
        time.sleep(0.03)
    ((reason, sentence),) = sentences
    assert reason is Fault.WRONG_SENSOR
    assert sentence.startswith("two SDS011 on one line, ")
    assert "a160" in sentence
    assert "b270" in sentence
    assert values <= {8.0, 8.1} or values <= {90.0}, "of one of the two, whichever spoke first"


def test_a_silent_line_is_an_error_after_a_bounded_wait(talk):
    uart = Uart(talk([]).port)
    with pytest.raises(SensorError, match="check plug") as raised:
        uart.read_all(Pms(uart)._scanner, timeout=0.3)
    assert raised.value.reason is Fault.NO_ANSWER


def test_wind_is_averaged_over_all_lines_since_the_last_read(talk):
    lines = [b"\x02Q,350,004.00,M,00,\x03", b"\x02Q,010,004.00,M,00,\x03"]
    lines = [line + b"%02X\r\n" % _xor(line[1:-1]) for line in lines]
    talker = talk(lines)
    device = Gill(Uart(talker.port), north=0.0)
    device.start()
    talker.start()
    time.sleep(0.4)
    assert device.read().values == {"wind_speed": 4.0, "wind_direction": pytest.approx(0.0, abs=0.1)}


def _xor(data: bytes) -> int:
    result = 0
    for byte in data:
        result ^= byte
    return result


def test_a_modbus_anemometer_is_read_register_by_register():
    class Anemometer:
        def __init__(self):
            self.asked = []

        def discard_input(self): ...

        def write(self, request):
            self.asked.append(request)

        def read_newest(self, splitter, timeout):
            value = {0: 1234, 1: 270}[int.from_bytes(self.asked[-1][2:4], "big")]
            body = bytes([1, 3, 2]) + struct.pack(">H", value)
            (answer,) = splitter.feed(b"\xff" + body + struct.pack("<H", fakes.crc16(body)))
            return answer

    line = Anemometer()
    device = ModbusWind(line, ModbusWindSettings())
    assert device.read().values == {"wind_speed": 12.34, "wind_direction": 270.0}
    assert line.asked == [build_modbus_request(1, 3, 0, 1), build_modbus_request(1, 3, 1, 1)]


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1, Fault.WRONG_SENSOR, "does not know function 3: try the other one"),
        (2, Fault.WRONG_SENSOR, "has no register 0: see its manual"),
        (4, Fault.BROKEN, "reports a failure of its own: check or replace it"),
        (6, Fault.NO_ANSWER, "is busy: read it less often"),
        (11, Fault.NO_ANSWER, "does not answer the gateway before it"),
        (99, Fault.WRONG_SENSOR, "refuses the question with code 99"),
    ],
)
def test_a_refusal_of_a_modbus_unit_is_named_with_its_remedy(talk, code, reason, words):
    body = bytes([1, 0x83, code])
    talker = talk([b"", body + struct.pack("<H", fakes.crc16(body))] * 40)
    talker.start()
    with pytest.raises(SensorError) as raised:
        ModbusWind(Uart(talker.port), ModbusWindSettings()).read()
    assert raised.value.reason is reason
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        bytes([1, 3, 2, 0x12]),  # cut off
        bytes([2, 3, 2, 0x12, 0x34]) + struct.pack("<H", fakes.crc16(bytes([2, 3, 2, 0x12, 0x34]))),  # of another unit
        bytes([1, 4, 2, 0x12, 0x34]) + struct.pack("<H", fakes.crc16(bytes([1, 4, 2, 0x12, 0x34]))),  # another function
        bytes([1, 3, 4, 0, 0, 0x12, 0x34]) + struct.pack("<H", fakes.crc16(bytes([1, 3, 4, 0, 0, 0x12, 0x34]))),
        bytes([1, 3, 2, 0x12, 0x34, 0, 0]),  # a wrong checksum
        build_modbus_request(1, 3, 0, 1),  # the echo of the question
    ],
)
def test_an_answer_to_another_request_is_no_wind(talk, answer):
    talker = talk([answer] * 40)
    talker.start()
    with pytest.raises(SensorError) as raised:
        ModbusWind(Uart(talker.port), ModbusWindSettings()).read()
    assert raised.value.reason in {Fault.NO_ANSWER, Fault.BAD_CHECKSUM}


def test_a_moving_node_gives_each_reading_its_position(talk, tmp_path):
    place = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
    surroundings = SharedConditions()
    talker = talk([place, place])
    gps = Gps(Uart(talker.port))
    gps.start()
    talker.start()
    surroundings.update(gps.read(), time.monotonic())
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: fakes.sps30()})), QUICK, tmp_path, conditions=surroundings)
    assert take(sensor, 1)[0].position == (48.1173, 11.5166667, 545.4)


def test_readings_come_on_their_grid(tmp_path):
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: fakes.sps30()})), QUICK, tmp_path)
    times = [reading.mono for reading in take(sensor, 11)]
    assert times[-1] - times[0] == pytest.approx(1000, abs=150)


@pytest.mark.parametrize(
    ("script", "recovers_within"),
    [
        (["nack"] * 1, 2),
        (["nack"] * 6, 8),
        (["crc"] * 3, 5),
        (["short"] * 3, 5),
        (["brown_out"], 3),
        (["crc", "nack", "brown_out", "crc", "short", "nack"], 8),
    ],
)
def test_a_failing_sensor_is_flagged_and_recovers(tmp_path, script, recovers_within):
    chip = fakes.sps30()
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: chip})), QUICK, tmp_path)
    assert not take(sensor, 1)[0].flags["pm10"] & Flag.SENSOR_FAULT
    chip.script.extend(script)
    readings = take(sensor, recovers_within + 2)
    for reading in readings:
        for name, value in reading.values.items():
            assert (value is None) == bool(reading.flags.get(name, 0) & Flag.SENSOR_FAULT)
            assert value in {None, 5.5, 12.1, 13.0, 14.25}, "never a wrong value"
    assert readings[-1].values["pm2_5"] == 12.1
    assert sensor.state == "ok"


def test_a_good_reading_after_a_bad_checksum_is_flagged(tmp_path):
    chip = fakes.sps30()
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: chip})), QUICK, tmp_path)
    take(sensor, 1)
    chip.script.extend(["crc"])
    flags = [reading.flags.get("pm1", 0) & ~Flag.CLOCK_UNSYNCED for reading in take(sensor, 3)]
    assert Flag.CHECKSUM_RETRY in flags or chip.script == fakes.deque()


def test_an_unplugged_sensor_is_flagged_named_and_read_again_when_connected(tmp_path):
    chip = fakes.sps30()
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: chip})), QUICK, tmp_path)
    chip.plugged = False
    assert set(take(sensor, 2)[-1].values.values()) == {None}
    assert sensor.state == "no device answers at address 0x69 of /dev/i2c-1: check plug, power and address"
    chip.plugged = True
    assert take(sensor, 2)[-1].values["pm2_5"] == 12.1


def test_values_that_a_sensor_repeats_are_stale(tmp_path):
    chip = fakes.sps30()
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: chip})), QUICK, tmp_path)
    chip.fresh = False
    (reading,) = take(sensor, 1)
    assert all(reading.flags[name] & Flag.STALE for name in reading.values)
    assert reading.values["pm2_5"] == 12.1


def test_an_sps30_at_the_address_of_a_sen5x_is_the_wrong_sensor():
    chip = fakes.sps30()
    chip.answers[0xD014] = bytes(32)
    device = Sen5x(fakes.make_bus({0x69: chip}))
    with pytest.raises(SensorError, match="an SPS30 has the same address") as raised:
        device.start()
    assert raised.value.reason is Fault.WRONG_SENSOR


def test_a_failing_fan_keeps_its_values_and_flags_them(tmp_path):
    chip = fakes.sen5x()
    chip.answers[0xD206] = struct.pack(">I", 1 << 4)
    settings = Sen5xSettings(interval_seconds=0.1, warm_up_seconds=0, cleaning_hours=0)
    sensor = polled_sensor(Sen5x(fakes.make_bus({0x69: chip})), settings, tmp_path)
    (reading,) = take(sensor, 1)
    assert reading.values["pm2_5"] == 12.1
    assert reading.flags["pm2_5"] & Flag.SENSOR_FAULT
    assert sensor.state == "the SEN5x reports a failing fan: clean or replace it"


def test_warming_up_is_flagged_and_ends(tmp_path):
    settings = Sps30Settings(interval_seconds=0.1, warm_up_seconds=0.35, cleaning_hours=0)
    sensor = polled_sensor(Sps30(fakes.make_bus({0x69: fakes.sps30()})), settings, tmp_path)
    warm = [bool(reading.flags["pm10"] & Flag.WARM_UP) for reading in take(sensor, 7)]
    assert warm[0]
    assert not warm[-1]
    assert warm == sorted(warm, reverse=True)


def test_the_agent_starts_the_cleaning_and_flags_its_readings(tmp_path):
    chip = fakes.sps30()
    settings = Sps30Settings(interval_seconds=0.1, warm_up_seconds=0, cleaning_hours=1)
    device = Sps30(fakes.make_bus({0x69: chip}))
    (first,) = take(polled_sensor(device, settings, tmp_path), 1)
    assert 0x5607 not in chip.commands, "after a power loss nobody knows: the count begins now"
    assert not first.flags["pm10"] & Flag.CLEANING
    SensorState(tmp_path / "memory").put("it", "cleaned_at", time.time() - 3601)
    readings = take(polled_sensor(device, settings, tmp_path), 3)
    assert chip.commands.count(0x5607) == 1
    assert all(reading.flags["pm10"] & Flag.CLEANING for reading in readings)


def make_circumstances(now=0.0, **changes) -> Circumstances:
    defaults = {"started_at": -1e9, "cleaning_until": 0.0, "clock": ClockState.SYNCED}
    return Circumstances(now=now, **{**defaults, "retried": False, "broken": False, **changes})


def test_flags_follow_from_circumstance_and_never_touch_a_value():
    flagger = CircumstanceFlagger(settling={"pm10": 30}, stuck_after=60)
    good = RawReading(values={"pm10": 20.0, "temperature": 11.0})
    unsynced = dict.fromkeys(good.values, Flag.CLOCK_UNSYNCED)
    assert flagger.compute_flags(good, make_circumstances()) == {}
    assert flagger.compute_flags(good, make_circumstances(clock=ClockState.UNSYNCED)) == unsynced
    assert flagger.compute_flags(good, make_circumstances(started_at=-29.0)) == {"pm10": Flag.WARM_UP}
    assert flagger.compute_flags(RawReading(values={"pm10": None}), make_circumstances()) == {}


def test_humid_air_flags_every_optical_property_and_no_other():
    names = ("pm10", "pm2_5_sds011", "temperature", "humidity")
    flags = {"pm10": int(Flag.JUMP)}
    assert add_humidity_flags(names, flags, 86.0) == {"pm10": Flag.JUMP | Flag.HUMIDITY, "pm2_5_sds011": Flag.HUMIDITY}
    assert add_humidity_flags(names, flags, 84.0) == add_humidity_flags(names, flags, None) == flags


def test_a_value_that_does_not_move_is_stuck_until_it_moves():
    judge = CircumstanceFlagger(settling={}, stuck_after=60)
    same = RawReading(values={"pm10": 20.0})
    assert [judge.compute_flags(same, make_circumstances(now)) for now in (0, 30, 59)] == [{}, {}, {}]
    assert judge.compute_flags(same, make_circumstances(60)) == {"pm10": Flag.STUCK}
    assert judge.compute_flags(RawReading(values={"pm10": 20.1}), make_circumstances(61)) == {}
    assert judge.compute_flags(RawReading(values={"pm10": 20.1}), make_circumstances(62)) == {}


def test_recovery_steps_escalate_and_a_brown_out_restarts_at_once():
    assert [recovery_step(n, Fault.NO_ANSWER) for n in (1, 2, 3, 4)] == [
        RecoveryStep.READ_AGAIN,
        RecoveryStep.RESTART,
        RecoveryStep.RESET,
        RecoveryStep.RESET,
    ]
    assert recovery_step(1, Fault.NOT_MEASURING) is RecoveryStep.RESTART
    assert all(polled.retry_pause(n, 1.0) <= 30 for n in range(1, 1000))


def take_readings(sampler, count):
    """So many readings, or those of ten seconds."""
    readings, deadline = [], time.monotonic() + 10
    while len(readings) < count and time.monotonic() < deadline:
        readings += sampler.take_readings(2.0)
    return readings[:count]


def test_a_hung_sensor_disturbs_no_other_and_is_flagged(tmp_path):
    class Hanging:
        name, properties, hang_timeout, state = "hanging", ("co2",), 0.3, "ok"

        def readings(self, stop):
            release.wait(20)
            yield from ()

    class Raising(Hanging):
        name, properties, hang_timeout = "raising", ("voc_ppb",), 600.0

        def readings(self, stop):
            raise ZeroDivisionError("nobody thought of this")

    release = threading.Event()
    well = polled_sensor(Sps30(fakes.make_bus({0x69: fakes.sps30()})), QUICK, tmp_path)
    well.hang_timeout = 600.0
    sampler = Sampler([Hanging(), Raising(), well])
    sampler.start()
    readings = take_readings(sampler, 8)
    assert [sample.sensor for sample in readings] == ["it"] * 8
    (sample,) = sampler.fault_readings(time.monotonic() + 100)
    assert sample.sensor == "hanging"
    assert sample.reading.flags == {"co2": Flag.SENSOR_FAULT}
    assert "hangs" in sampler.states["hanging"]
    assert sampler.states["raising"] == "ZeroDivisionError: nobody thought of this"
    assert sampler.states["it"] == "ok"
    sampler.stop()
    release.set()
    sampler.drain()


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (FileNotFoundError(2, "x"), Fault.BUS_MISSING, "dtparam=i2c_arm=on"),
        (PermissionError(13, "x"), Fault.FORBIDDEN, "group i2c"),
        (OSError(121, "x"), Fault.NO_ANSWER, "0x69"),
    ],
)
def test_a_fault_of_a_bus_is_named_with_the_remedy(error, reason, remedy):
    def refuse(_number):
        raise error

    with pytest.raises(SensorError, match=remedy) as raised:
        I2cBus(1, refuse, time.sleep).write(0x69, b"\0")
    assert raised.value.reason is reason


def test_a_missing_serial_port_is_named():
    with pytest.raises(SensorError, match="not there") as raised:
        Uart("/dev/serial-of-nobody").write(b"x")
    assert raised.value.reason is Fault.BUS_MISSING


def sensors(*tables):
    node = {"id": "n", "area": "a", "key_file": "k"}
    table = {"node": node, "gateway": {"keys": []}, "spool": {"path": "s"}, "sensor": list(tables)}
    return convert_table(table, Settings, source="agent.toml").sensor


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (({"driver": "sps30"}, {"driver": "sen5x"}), "both claim I2C bus 1, address 0x69"),
        (({"driver": "pms"}, {"driver": "sds011"}), "both claim /dev/serial0"),
        (({"driver": "sps30"}, {"driver": "pms"}), "pm1 comes from sps30 at I2C bus 1, address 0x69 and from pms"),
        (({"driver": "sps30", "name": "x"}, {"driver": "sgp4x", "name": "x"}), "two sensors are called 'x'"),
        (({"driver": "opcn3", "properties": ["pm1", "humidity"]},), "has no humidity: it gives pm1, pm2_5, pm10"),
        (({"driver": "sps30", "ranges": {"pm25": [0, 900]}},), "has no pm25: it gives pm1, pm2_5, pm4, pm10"),
    ],
)
def test_sensors_that_cannot_go_together_are_refused(tmp_path, tables, sentence):
    with pytest.raises(ConfigurationError) as raised:
        sensor_factory.create_sensors(sensors(*tables), SensorState(tmp_path / "m"))
    assert sentence in str(raised.value)


def test_two_sensors_of_one_property_are_accepted_if_one_omits_it(tmp_path):
    tables = ({"driver": "sen66"}, {"driver": "sps30", "properties": []}, {"driver": "opcn3", "properties": []})
    assert [
        len(s.properties) for s in sensor_factory.create_sensors(sensors(*tables), SensorState(tmp_path / "m"))
    ] == [9, 0, 0]


def test_a_damaged_state_file_of_a_sensor_raises_nothing(tmp_path):
    path = tmp_path / "memory"
    SensorState(path).put("a", "b", 1.5)
    assert SensorState(path).get("a", "b") == 1.5
    path.write_text('{"a": {"b": 1')
    assert SensorState(path).get("a", "b") is None
    path.write_text("[]")
    assert SensorState(path).get("a", "b") is None


def test_settings_of_drivers_have_the_makers_defaults():
    assert PmsSettings().interval_seconds == 1.0
    assert Opcn3Settings().endpoint == "/dev/spidev0.0"


def post_body(port: int, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_board_that_posts_becomes_readings_and_a_strange_post_becomes_a_sentence():
    settings = Esp32Settings(port=find_free_port(), sender="esp-01", properties=("pm2_5", "humidity"))
    board, stop, readings = Esp32Sensor(settings), threading.Event(), []
    thread = threading.Thread(target=lambda: readings.extend(board.readings(stop)))
    thread.start()
    wait_until(lambda: board.state == "ok")
    assert post_body(settings.port, SENML)[0] == 200
    assert post_body(settings.port, SENML.replace(b"esp-01", b"esp-02")) == (
        403,
        "this agent listens for esp-01, not for esp-02\n",
    )
    assert post_body(settings.port, b"<xml/>")[0] == 400
    assert "a post cannot be read: not JSON" in board.state
    assert post_body(settings.port, b'[{"bn":"esp-01","n":"co","v":1}]')[0] == 422
    assert post_body(settings.port, b"x" * 20_000)[0] == 413
    wet = SENML.replace(b"12.3", b"999.9").replace(b"60.5", b"91.0")
    assert post_body(settings.port, wet)[0] == 200
    stop.set()
    thread.join()
    assert [reading.values for reading in readings] == [
        {"pm2_5": 12.3, "humidity": 60.5},
        {"pm2_5": 999.9, "humidity": 91.0},
    ]
    assert readings[1].flags["pm2_5"] & Flag.OUT_OF_RANGE
    assert readings[1].flags["pm2_5"] & Flag.HUMIDITY


def test_a_davis_console_is_woken_and_read(talk):
    talker = talk([b"\x06" + fakes.davis_frame(mph=10, direction=270)])
    device = Davis(Uart(talker.port), north=0.0)
    device.start()
    talker.start()
    assert device.read().values["wind_direction"] == 270.0
