"""Decoders against golden frames, the makers' own packages, and noise."""

import math
import random
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors import (
    bme68x,
    checksums,
    davis,
    float32,
    gps,
    opcn3,
    pid,
    pms,
    posts,
    sds011,
    sen5x,
    sen66,
    sensirion,
    sgp4x,
    sps30,
    wind,
)
from edge_agent.sensors.instruments import AmbientInstruments, judge_post
from edge_agent.sensors.judgement import ReadingJudge
from edge_agent.wire import Flag
from tests.edge_agent import fakes

PID = pid.PidSettings(zero_mv=50.0, sensitivity_mv_per_ppm=25.0)


def list_extrapolated(measured) -> set[str]:
    return {name for name, flags in measured.flags.items() if flags & Flag.SIZE_EXTRAPOLATED}


def test_the_checksum_of_sensirion_is_that_of_the_datasheet():
    assert checksums.crc8(b"\xbe\xef") == 0x92
    assert sensirion.pack_words([0xBEEF]) == b"\xbe\xef\x92"


def test_an_sps30_frame_reads_as_the_maker_reads_it():
    oracle = pytest.importorskip("sensirion_i2c_sps30.commands", reason="the maker's package is not installed")
    content = struct.pack(">10f", 5.5, 12.1, 13.0, 14.25, 30.0, 31.0, 32.0, 33.0, 34.0, 0.5)
    theirs = oracle.ReadMeasurementValuesFloat().rx_data.unpack(content)
    measured = sps30.decode(content)
    assert measured.values == {"pm1": 5.5, "pm2_5": 12.1, "pm4": 13.0, "pm10": 14.25}
    assert list(measured.values.values()) == pytest.approx(theirs[:4])
    assert list_extrapolated(measured) == {"pm4", "pm10"}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_means_the_same_32_bit_float(value):
    assert struct.pack(">f", float32.shortest_decimal(value)) == struct.pack(">f", value)
    assert count_digits(float32.shortest_decimal(value)) <= count_digits(value)


def count_digits(value):
    """Significant digits: 1 of 100000000000.0."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


def test_a_sen5x_frame_reads_as_the_maker_reads_it():
    oracle = pytest.importorskip("sensirion_i2c_sen5x.commands", reason="the maker's package is not installed")
    content = struct.pack(">4H4h", 55, 121, 130, 142, 6543, -4210, 1000, 10)
    theirs = oracle.Sen5xI2cCmdReadMeasuredValues().interpret_response(fakes.pack_words(content))
    values = sen5x.decode(content, struct.pack(">2h2H", 0, 0, 30_512, 0xFFFF)).values
    assert values["pm2_5"] == theirs.mass_concentration_2p5.physical == 12.1
    assert values["humidity"] == theirs.ambient_humidity.percent_rh == 65.43
    assert values["temperature"] == theirs.ambient_temperature.degrees_celsius == -21.05
    assert values["voc_raw"] == 30_512.0
    assert values["nox_raw"] is None


def test_a_sen66_frame_reads_as_the_maker_reads_it():
    oracle = pytest.importorskip("sensirion_i2c_sen66.commands", reason="the maker's package is not installed")
    content = struct.pack(">4H4hH", 55, 121, 130, 142, 6543, -4210, 1000, 10, 431)
    theirs = oracle.ReadMeasuredValuesAsIntegers().rx_data.unpack(content)
    values = sen66.decode(content, struct.pack(">2h3H", 0, 0, 30_512, 16_480, 433)).values
    assert values["pm2_5"] == theirs[1] / 10 == 12.1
    assert values["temperature"] == theirs[5] / 200 == -21.05
    assert values["co2"] == theirs[8] == 431
    assert values["voc_raw"] == 30_512.0


def test_commands_and_answers_of_an_sgp41_follow_the_datasheet():
    oracle = pytest.importorskip("sensirion_i2c_sgp4x.sgp41.commands", reason="the maker's package is not installed")
    rh, celsius = sgp4x.to_ticks(65.43, -21.05)
    command = oracle.Sgp41I2cCmdMeasureRawSignals(rh, celsius)
    assert bytes(command.tx_data) == struct.pack(">H", 0x2619) + sensirion.pack_words([rh, celsius])
    frame = fakes.pack_words(struct.pack(">2H", 30_512, 16_480))
    voc, nox = command.interpret_response(frame)
    assert sgp4x.decode(sensirion.unpack_words(frame, 4)).values == {"voc_raw": voc.ticks, "nox_raw": nox.ticks}


def test_an_unknown_climate_gives_the_makers_default_ticks():
    assert sgp4x.to_ticks(None, None) == (0x8000, 0x6666)


NO_PM, NO_CLIMATE = struct.pack(">4H", *[0xFFFF] * 4), struct.pack(">2h", 0x7FFF, 0x7FFF)


@pytest.mark.parametrize(
    ("decode", "contents"),
    [
        (sps30.decode, [struct.pack(">10f", *[math.nan] * 10)]),
        (sen5x.decode, [NO_PM + 2 * NO_CLIMATE, NO_CLIMATE + b"\xff" * 4]),
        (sen66.decode, [NO_PM + 2 * NO_CLIMATE + b"\xff" * 2, NO_CLIMATE + b"\xff" * 6]),
    ],
)
def test_a_brown_out_of_a_sensor_is_detected(decode, contents):
    with pytest.raises(SensorError) as raised:
        decode(*contents)
    assert raised.value.reason is Fault.NOT_MEASURING


def test_a_pms_frame_gives_the_atmospheric_concentrations():
    (frame,) = pms.create_scanner().feed(fakes.pms_frame(5, 12, 20))
    measured = pms.decode(frame)
    assert measured.values == {"pm1": 5.0, "pm2_5": 12.0, "pm10": 20.0}
    assert list_extrapolated(measured) == {"pm10"}


def test_the_sds011_example_of_the_maker_reads_as_printed_there():
    (frame,) = sds011.create_scanner().feed(fakes.SDS011_FRAME)
    assert sds011.decode(frame).values == {"pm2_5": 123.6, "pm10": 261.8}


def test_a_command_to_an_sds011_is_that_of_its_datasheet():
    wake = bytes.fromhex("aa b4 06 01 01 00 00 00 00 00 00 00 00 00 00 ff ff 06 ab")
    assert sds011.build_command(6, 1, 1) == wake


def test_the_checksum_of_opc_and_modbus_is_the_known_one():
    assert checksums.crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS, catalogue of parametrised CRC algorithms
    assert wind.build_modbus_request(0x11, 3, 0x6B, 3) == bytes.fromhex("11 03 00 6b 00 03 76 87")


def test_an_opc_histogram_gives_mass_and_climate():
    opc = fakes.FakeOpcn3()
    opc.powered = {3, 7}
    values = opcn3.decode(opc.frame()).values
    assert values == {"pm1": 5.5, "pm2_5": 12.1, "pm10": 20.25, "temperature": 19.09, "humidity": 64.09}


def test_a_pid_gives_isobutylene_equivalents():
    assert pid.decode(struct.pack(">h", round(0.100 / 4.096 * 32_768)), PID).values == {
        "voc_ppb": pytest.approx(2000, 1e-3)
    }


def test_a_pid_whose_lamp_is_out_gives_no_clean_air():
    with pytest.raises(SensorError, match="lamp") as raised:
        pid.decode(struct.pack(">h", 40), PID)
    assert raised.value.reason is Fault.BROKEN


def test_a_gill_line_reads_as_printed_in_its_manual():
    (line,) = wind.create_gill_scanner().feed(b"\x02Q,229,002.74,M,00,\x0316\r\n")
    assert wind.decode_gill(line) == wind.WindVector(229.0, 2.74)


def test_a_gill_in_knots_is_metres_a_second_and_a_blocked_one_is_broken():
    def line(text: bytes) -> bytes:
        return b"\x02" + text + b"\x03" + b"%02X" % checksums.xor_checksum(text) + b"\r\n"

    assert wind.decode_gill(line(b"Q,229,010.00,N,00,")).speed == pytest.approx(5.14444)
    assert wind.decode_gill(line(b"Q,,000.01,M,00,")).direction is None
    with pytest.raises(SensorError) as raised:
        wind.decode_gill(line(b"Q,229,010.00,M,04,"))
    assert raised.value.reason is Fault.BROKEN


def test_wind_around_north_is_north_and_not_south():
    measured = mean_of_gill(wind.WindVector(350, 4.0), wind.WindVector(10, 4.0))
    assert measured == {"wind_speed": 4.0, "wind_direction": pytest.approx(0.0, abs=0.1)}
    assert mean_of_gill(wind.WindVector(0, 3), wind.WindVector(180, 3)) == {"wind_speed": 3, "wind_direction": None}
    assert mean_of_gill(wind.WindVector(350, 4.0), north=20)["wind_direction"] == 10.0


def mean_of_gill(*winds, north=0.0):
    return wind.combine_winds(MODELS["gill"], winds, north=north).values


def test_a_number_that_is_no_wind_is_in_no_mean_and_is_not_turned_to_the_north():
    good, absurd = wind.WindVector(90.0, 4.0), wind.WindVector(720.0, 999.99)
    assert mean_of_gill(good, absurd) == {"wind_speed": 4.0, "wind_direction": 90.0}
    assert mean_of_gill(absurd, north=20) == {"wind_speed": 999.99, "wind_direction": 720.0}
    assert mean_of_gill(wind.WindVector(90.0, 999.99)) == {"wind_speed": 999.99, "wind_direction": 90.0}
    assert mean_of_gill(wind.WindVector(720.0, 4.0)) == {"wind_speed": 4.0, "wind_direction": 720.0}


def test_a_gga_sentence_gives_its_position():
    (sentence,) = gps.create_scanner().feed(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n")
    assert gps.decode(sentence).position == (48.1173, 11.5166667, 545.4)
    south_west = sentence.replace(b",N,", b",S,").replace(b",E,", b",W,")
    assert gps.decode(south_west).position == (-48.1173, -11.5166667, 545.4)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"545.4", b"nan"), (b"545.4", b"1e400"), (b"545.4", b"-9999"), (b"545.4", b""), (b"4807.038", b"4867.038"),
        (b"4807.038", b"9107.038"), (b"4807.038", b""), (b",N,", b",X,"), (b",N,", b",,"),
        (b"E,1,", b"E,0,"), (b"E,1,", b"E,,"), (b"E,1,", b"E,6,"), (b"E,1,", b"E,7,"), (b"E,1,", b"E,8,"),
        (b"4807.038,N,01131.000", b"0000.000,N,00000.000"), (b"4807.038", b"4_07.038"), (b"4807.038", b"-807.038"),
        (b",N,", b",NS,"), (b"4807.038", b"07.038"),
    ],
)  # fmt: skip
def test_a_sentence_with_a_field_that_makes_no_sense_has_no_place(before, after):
    assert gps.decode(GGA).position is not None
    assert gps.decode(GGA.replace(before, after)).position is None


def test_without_a_fix_there_is_no_place():
    assert gps.decode(b"GPGGA,123519,,,,,0,00,,,M,,M,,").position is None


def test_a_davis_packet_reads_by_the_makers_table():
    (frame,) = davis.create_scanner().feed(
        b"\x06" + fakes.davis_frame(mph=10, direction=360, fahrenheit=68.0, humidity=65)
    )
    assert davis.decode(frame).values == {
        "wind_speed": 4.47,
        "wind_direction": 0.0,
        "temperature": 20.0,
        "humidity": 65.0,
    }
    assert davis.decode(frame, north=90.0).values["wind_direction"] == 90.0


def test_a_davis_value_without_a_measurement_is_none():
    values = davis.decode(fakes.davis_frame(mph=255, direction=0, fahrenheit=3276.7, humidity=255)).values
    assert set(values.values()) == {None}
    assert davis.decode(fakes.davis_frame(mph=0, direction=0)).values["wind_direction"] is None


AIRROHR = (
    b'{"esp8266id":"11223344","software_version":"NRZ-2024-135","sensordatavalues":['
    b'{"value_type":"SDS_P1","value":"1999.90"},{"value_type":"SDS_P2","value":"12.30"},'
    b'{"value_type":"BME280_temperature","value":"11.25"},{"value_type":"BME280_pressure","value":"101325.00"},'
    b'{"value_type":"BME280_humidity","value":"88.50"},{"value_type":"samples","value":"907634"},'
    b'{"value_type":"signal","value":"-71"}]}'
)
SENML = b'[{"bn":"esp-01:","bver":10},{"n":"pm2_5","u":"ug/m3","v":12.3},{"n":"humidity","u":"%RH","v":60.5}]'
POSTS = (AIRROHR, SENML)


def test_posts_of_other_firmwares_are_decoded():
    post = posts.decode(AIRROHR)
    assert post.sender == "11223344"
    assert [(value.quantity, value.model.name, value.value) for value in post.values] == [
        ("pm10", "sds011", 1999.9),
        ("pm2_5", "sds011", 12.3),
        ("temperature", "bme280", 11.25),
        ("pressure", "bme280", 1013.25),
        ("humidity", "bme280", 88.5),
    ]
    assert posts.decode(SENML).sender == "esp-01"
    assert [(value.quantity, value.value) for value in posts.decode(SENML).values] == [
        ("pm2_5", 12.3),
        ("humidity", 60.5),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"sensordatavalues":[{}]}', b"[" * 5000, b'[{"bn":"a"},{"bn":"b"}]', b"\xff"]
)
def test_a_post_in_an_unknown_form_is_an_error_of_one_line(body):
    with pytest.raises(posts.UnreadablePostError) as raised:
        posts.decode(body)
    assert "\n" not in str(raised.value)


GGA = b"GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
MODBUS_WIND = wind.ModbusWindSettings(north_degrees=20.0)


def _opc_frame(body: bytes) -> bytes:
    return body + struct.pack("<H", checksums.crc16(body))


def _damage(noise: random.Random, body: bytes, letters: bytes = b'{}[]",:0e9-NaIx\xff') -> bytes:
    damaged = bytearray(body)
    for _ in range(noise.randrange(6)):
        damaged[noise.randrange(len(damaged))] = noise.choice(letters)
    return bytes(damaged[: noise.randrange(len(damaged) + 1)])


def attempt(decode, *contents):
    try:
        return decode(*contents)
    except (SensorError, posts.UnreadablePostError) as error:
        sentence = str(error)
    assert "\n" not in sentence
    return None


def attempt_reading(model, decode, *contents) -> None:
    """Decode, judge and check that the result can be sent: numbers or None, and a place on earth."""
    raw = attempt(decode, *contents)
    if raw is None:
        return
    judged = ReadingJudge(MODELS[model], {}).judge(raw)
    for name, value in judged.values.items():
        assert value is None or math.isfinite(value)
        row = MODELS[model].measurement(name.removesuffix(f"_{model}"))
        is_inside = value is None or row.range[0] <= value <= row.range[1]
        assert is_inside or judged.flags[name] & Flag.OUT_OF_RANGE
    assert raw.position is None or all(map(math.isfinite, raw.position))


def attempt_post(body: bytes) -> None:
    post = attempt(posts.decode, body)
    if post is not None:
        judged = judge_post(AmbientInstruments({}).place(post.values))
        assert all(value is None or math.isfinite(value) for value in judged.values.values())
        assert all((value.value is None) == (value.refusal is not None) for value in post.values)


def noise_to_a_bme680(noise: random.Random, rounds: int) -> None:
    """Registers of noise behind the identity of a BME680; slow, as the maker's package waits for the chip."""
    for _ in range(rounds):
        chip = fakes.FakeBme680()
        chip.registers[:0xD0], chip.registers[0xD1:] = noise.randbytes(0xD0), noise.randbytes(0x2F)
        chip.measurement = bytes([0x80]) + (noise.randbytes(16) if noise.random() < 0.8 else b"\xff" * 16)
        driver = bme68x.Bme68x(fakes.make_bus({0x76: chip}), bme68x.Bme68xSettings(heater_ms=1))
        attempt(driver.start)
        attempt_reading("bme68x", driver.read)


def noise_to_every_decoder(noise: random.Random, rounds: int) -> None:
    """For any bytes a decoder raises nothing but SensorError."""
    for _ in range(rounds):
        attempt(sensirion.unpack_words, noise.randbytes(noise.randrange(80)), 2 * noise.randrange(20))
        attempt_reading("sps30", sps30.decode, noise.randbytes(40))
        attempt_reading("sen5x", sen5x.decode, noise.randbytes(16), noise.randbytes(8))
        attempt_reading("sen66", sen66.decode, noise.randbytes(18), noise.randbytes(10))
        attempt_reading("sgp41", sgp4x.decode, noise.randbytes(4))
        attempt_reading("opcn3", opcn3.decode, noise.randbytes(noise.choice([0, 85, 86, 87])))
        attempt_reading("opcn3", opcn3.decode, _opc_frame(noise.randbytes(84)))
        attempt_reading("pid", pid.decode, noise.randbytes(2), PID)
        attempt_reading("pms", pms.decode, noise.randbytes(32))
        attempt_reading("sds011", sds011.decode, noise.randbytes(10))
        attempt_reading("gps", gps.decode, noise.randbytes(noise.randrange(90)))
        attempt_reading("gps", gps.decode, _damage(noise, GGA, b"0123456789.,-NSEWnaif"))
        attempt_reading("davis", davis.decode, noise.randbytes(99))
        attempt_reading(
            "modbus_wind", wind.decode_registers, noise.randrange(65_536), noise.randrange(65_536), MODBUS_WIND
        )
        attempt_post(_damage(noise, noise.choice(POSTS)))
        body = bytearray(fakes.FakeOpcn3().frame())
        body[noise.randrange(86)] ^= 1 << noise.randrange(8)
        with pytest.raises(SensorError):
            opcn3.decode(bytes(body))


MODBUS = bytes.fromhex("01 03 02 00 fa")
FRAMERS = {
    "pms": (pms.create_scanner, fakes.pms_frame(), pms.decode),
    "sds011": (sds011.create_scanner, fakes.SDS011_FRAME, sds011.decode),
    "gill": (wind.create_gill_scanner, b"\x02Q,229,002.74,M,00,\x0316\r\n", wind.decode_gill),
    "davis": (davis.create_scanner, fakes.davis_frame(), davis.decode),
    "gps": (gps.create_scanner, b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", gps.decode),
    "modbus": (lambda: wind.ModbusFrameScanner(1, 3, 1), MODBUS + struct.pack("<H", checksums.crc16(MODBUS)), bytes),
}


@pytest.mark.parametrize("kind", FRAMERS)
@given(data=st.data())
def test_good_frames_are_decoded_however_the_stream_is_cut(kind, data):
    make, good, decode = FRAMERS[kind]
    stream = good * 3
    frames, decoded = make(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        decoded += [decode(frame) for frame in frames.feed(stream[:cut])]
        stream = stream[cut:]
    assert frames.bad_count == 0
    assert len(decoded) == 3 or (kind == "modbus" and decoded)
    assert len(set(map(repr, decoded))) == 1


@pytest.mark.parametrize("kind", [k for k in FRAMERS if k != "modbus"])
@given(junk=st.binary(max_size=200))
def test_after_any_junk_the_second_good_frame_is_decoded_at_the_latest(kind, junk):
    make, good, decode = FRAMERS[kind]
    frames = make()
    received = [*frames.feed(junk), *frames.feed(good), *frames.feed(good), *frames.feed(good)]
    assert repr(decode(good if kind != "gps" else good[1:-5])) in {repr(decode(frame)) for frame in received}


def noise_to_every_framer(noise: random.Random, rounds: int) -> dict[str, int]:
    """Framers never raise, never grow, and accept noise no more often than their checksum does by chance."""
    accepted = dict.fromkeys(FRAMERS, 0)
    for kind, (make, good, decode) in FRAMERS.items():
        frames = make()
        for _ in range(rounds):
            chunk = bytearray(noise.randbytes(noise.randrange(60)))
            if noise.random() < 0.5:
                chunk += good[: noise.randrange(len(good))]
            for frame in frames.feed(bytes(chunk)):
                accepted[kind] += 1
                attempt(decode, frame)
            assert len(frames._buffer) <= 256
    return accepted


def test_noise_raises_no_exception_in_decoders_and_framers():
    noise = random.Random(1)
    noise_to_every_decoder(noise, 300)
    noise_to_every_framer(noise, 3000)
    noise_to_a_bme680(noise, 20)


@pytest.mark.slow
def test_much_noise_raises_no_exception_and_gives_no_readings():
    noise = random.Random(2)
    noise_to_every_decoder(noise, 20_000)
    accepted = noise_to_every_framer(noise, 100_000)
    # a good frame cut before its last byte is completed by chance once in 256: 6, 20 and 28 of these cuts
    assert accepted["pms"] <= 25
    assert accepted["sds011"] <= 50
    assert accepted["modbus"] <= 70
