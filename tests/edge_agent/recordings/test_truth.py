"""Every cell gives its true number: units, decimal marks, times, sentinels and columns are read correctly."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from datetime import datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.numbers import NumberReader, UnreadableCellError
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording
from edge_agent.recordings.recording import group_readings
from edge_agent.recordings.units import UNITS
from edge_agent.sensor_models import CODES_OF_NO_VALUE, MODELS
from edge_agent.sensors.recorded_flags import judge_reading
from edge_agent.wire import INVALID_FLAGS
from tests.edge_agent.recordings.test_bad_files import refuse
from tests.edge_agent.recordings.test_formats import at, read, values

_SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = {"pm2_5": "PM2.5", "sound_laeq": "laeq", "voc_raw": "voc_raw", "nox_raw": "nox_raw", "voc_ohm": "voc_ohm"}
ALL_UNITS = [(name, unit) for name, units in UNITS.items() for unit in units]
MOMENT = "2026-11-21T16:00:00Z"


def in_four_places(observed_property, unit, number):
    """The same number in its unit: in brackets, as suffix, in a row of units, in a column of units."""
    name = NAMES.get(observed_property, observed_property)
    yield f"time;{name} [{unit}]\n{MOMENT};{number}\n"
    yield f"time;{name}\n;{unit}\n{MOMENT};{number}\n"
    yield f"time;property;value;unit\n{MOMENT};{observed_property};{number};{unit}\n"
    if not set(unit) & set(" {}/.-"):
        yield f"time;{name}_{unit}\n{MOMENT};{number}\n"


@pytest.mark.parametrize(("observed_property", "unit"), ALL_UNITS)
def test_a_unit_means_the_same_wherever_the_file_names_it(tmp_path, observed_property, unit):
    expected = UNITS[observed_property][unit](40.0)
    for content in in_four_places(observed_property, unit, "40"):
        recording = read(tmp_path / "f.csv", content)
        assert values(recording) == [("f", observed_property, at("2026-11-21T16:00"), expected)], content


@pytest.mark.parametrize(
    ("observed_property", "unit"),
    [("pm2_5", "ppm"), ("pm2_5", "#/cm3"), ("pm10", "index"), ("wind_speed", "Bft"), ("voc_ppb", "mg/m3"),
     ("temperature", "%"), ("humidity", "g/m3"), ("pressure", "ppm"), ("co2", "mg/m3")],
)  # fmt: skip
def test_a_number_in_a_unit_that_is_not_read_is_no_value_and_is_reported(tmp_path, observed_property, unit):
    for content in in_four_places(observed_property, unit, "40"):
        (tmp_path / "f.csv").write_text(content)
        try:
            recording = read_recording(tmp_path / "f.csv", RecordingOptions())
        except ConfigurationError as error:
            sentences = str(error)
        else:
            assert not recording.values, content
            sentences = " ".join(recording.describe())
        assert "unit" in sentences or "no property" in sentences or "not recognised" in sentences


def test_a_unit_that_is_not_read_costs_its_column_alone(tmp_path):
    recording = read(tmp_path / "f.csv", f"time,PM2.5 (ug/m3),TVOC (index)\n{MOMENT},8.5,95\n")
    assert [(v.observed_property, v.value) for v in recording.values] == [("pm2_5", 8.5)]
    assert "the column 'TVOC (index)' is not read" in " ".join(recording.describe())


@pytest.mark.parametrize("name", ["PM2.5 (atm)", "PM2.5 (BME280, outdoor)", "PM2.5 raw (ug/m3)", "pm25"])
def test_a_description_in_brackets_is_no_unit(tmp_path, name):
    content = f'time,"{name}"\n{MOMENT},8.5\n'
    assert [v.value for v in read(tmp_path / "f.csv", content).values] == [8.5]


@pytest.mark.parametrize("code", sorted(CODES_OF_NO_VALUE))
@pytest.mark.parametrize(
    "name",
    ["pressure (Pa)", "pressure (bar)", "temp (F)", "temp (K)", "wind speed (km/h)", "CH4 (ppb)", "PM2.5 (ng/m3)",
     "PM10 (mg/m3)", "CO2 (ppb)", "wind speed (kn)"],
)  # fmt: skip
def test_no_conversion_makes_a_measurement_of_a_code(tmp_path, name, code):
    recording = read(tmp_path / "f.csv", f"time,{name}\n{MOMENT},{code!r}\n")
    (reading,) = map(judge_reading, group_readings(recording.values))
    assert all(flags & INVALID_FLAGS for flags in reading.flags.values())
    assert reading.flags.keys() == reading.values.keys()


def in_style(number, style):
    """1234.5 as people of two countries write it, with and without marks between thousands."""
    text = f"{number:,.{3 if number != round(number, 1) else 1}f}" if "grouped" in style else repr(number)
    return text.translate(str.maketrans(",.", ".,")) if "comma" in style else text


@_SETTINGS
@given(st.lists(st.integers(-9_999_999, 9_999_999), min_size=1, max_size=6),
       st.sampled_from(["point", "comma", "point grouped", "comma grouped"]), st.booleans())  # fmt: skip
@example([8_500, 1_234_000], "comma grouped", True)
@example([1_234], "comma", True)
def test_a_number_is_read_as_its_file_writes_numbers_or_not_at_all(thousandths, style, has_proof):
    numbers = [thousandth / 1000 for thousandth in thousandths]
    texts = [in_style(number, style) for number in [*numbers, *([8.5] if has_proof else [])]]
    for is_comma_file in (True, False):
        reader = NumberReader(comma_is_separator=is_comma_file, texts=lambda: texts)
        for number, text in zip(numbers, texts, strict=False):
            try:
                value = reader.read(text)
            except UnreadableCellError:
                assert not has_proof
            else:
                assert value == pytest.approx(number, abs=1e-9) or not has_proof


def test_a_thousand_with_a_mark_is_decided_by_the_other_numbers_of_the_file(tmp_path):
    for rows, expected in (
        (["8,5", "1.234"], 1234.0),
        (["8.5", "1,234"], 1234.0),
        (["8.5", "1.234"], 1.234),
        (["8,5", "1,234"], 1.234),
        (["8,5", "0.125"], None),
        (["8,5", "9.5", "1.234"], None),
    ):
        cells = "".join(f"{MOMENT};{cell}\n" for cell in rows)
        recording = read(tmp_path / "f.csv", f"time;pm2_5\n{cells}")
        if expected is not None:
            assert recording.values[-1].value == expected
        elif rows[-1] == "1.234":
            assert "may be a decimal point or thousands" in recording.reason


WRITTEN = [
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%Y/%m/%d %H:%M:%S+00:00", "%Y-%m-%d %I:%M:%S %p Z",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S GMT", "%d/%m/%Y %I:%M:%S %p", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ", "%Y%m%d %H:%M:%S",
    "%Y-%m-%dT%H%M%S+00", "%Y-%m-%d %H:%M:%S UTC+0", "%Y-%m-%dT%H:%M:%S+00:00[UTC]", "%d-%m-%Y %I:%M:%S p.m.",
]  # fmt: skip


@_SETTINGS
@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), st.sampled_from(WRITTEN))  # noqa: DTZ001 - UTC
def test_every_notation_of_a_moment_gives_the_same_moment(tmp_path, moment, form):
    if "p.m." in form and moment.hour < 12:
        return
    moment = moment.replace(microsecond=0)
    content = f"time;pm2_5\n{moment.strftime(form)};8\n13-12-2026 00:00;8\n"
    recording = read(tmp_path / "f.csv", content, time_zone="UTC")
    assert at(moment.isoformat()) in {value.at for value in recording.values}, content


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-21 24:00", "2026-11-22T00:00"),
        ("21-11-2026 24:00:00", "2026-11-22T00:00"),
        ("202611212400", "2026-11-22T00:00"),
        ("2026-11-21 17:00 CET", "2026-11-21T16:00"),
        ("21-07-2026 18:00 CEST", "2026-07-21T16:00"),
        ("2026-11-21 17:00 UTC+1", "2026-11-21T16:00"),
        ("2026-11-21 17:30 GMT+01:30", "2026-11-21T16:00"),
        ("2026-11-21T11:00-05", "2026-11-21T16:00"),
        ("2026-11-21T17:00:00+01:00[Europe/Amsterdam]", "2026-11-21T16:00"),
        ("21-11-2026 17:00+01:00", "2026-11-21T16:00"),
        ("12:30 AM", None),
        ("2026-11-21 24:30", None),
        ("2026-11-21 17:00 EST", None),
        ("2026-02-30 17:00", None),
        ("2026-11-21 13:00 PM", None),
        ("2026-W47-6T16:00Z", None),
        ("20261121", None),
        ("202613211600", None),
        ("46347.708333", None),
        ("46347,708333", None),
        ("740307.7", None),
        ("2461366.208", None),
    ],
)
def test_a_written_time_is_parsed_correctly_or_is_an_error(tmp_path, text, utc):
    content = f"time;pm2_5\n{text};8\n"
    if utc is not None:
        assert [v.at for v in read(tmp_path / "f.csv", content, time_zone="UTC").values] == [at(utc)]
    else:
        assert "line 2" in refuse(tmp_path / "f.csv", content, time_zone="UTC")


def test_the_period_that_was_read_is_reported(tmp_path):
    recording = read(tmp_path / "f.csv", f"time,pm2_5\n{MOMENT},8\n2026-11-22T00:00Z,9\n")
    assert "from 2026-11-21 16:00 to 2026-11-22 00:00 UTC" in recording.describe()[0]


def packed(member, content=b"x"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, content)
    return file.getvalue()


def build_tar(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("f.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


TABLE = f"time;pm2_5\n{MOMENT};8\n".encode()
OTHER_FILES = [
    (packed("[Content_Types].xml"), "spreadsheet"),
    (packed("xl/workbook.xml"), "spreadsheet"),
    (packed("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), "spreadsheet"),
    (packed("day.csv", TABLE), "ZIP file; unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "Excel (.xls); save it"),
    (b"%PDF-1.7\n", "PDF"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"PAR1rest", "Parquet"),
    (b"ARROW1\0\0", "Arrow"),
    (b"SQLite format 3\0", "SQLite"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"CDF\x01\0", "NetCDF"),
    (bz2.compress(TABLE), "bzip2"),
    (lzma.compress(TABLE), "xz"),
    (gzip.compress(gzip.compress(TABLE)), "gzip twice"),
    (gzip.compress(build_tar(TABLE)), "tar archive"),
    (build_tar(TABLE), "tar archive"),
    (b'{"time":1}', "JSON; convert it"),
    (b'\xef\xbb\xbf [{"time":1}]', "JSON; convert it"),
    (b"<!DOCTYPE html><html>", "web page"),
    (TABLE.decode().encode("utf-32"), "UTF-32; save it as UTF-8"),
]


@pytest.mark.parametrize(("content", "words"), OTHER_FILES, ids=range(len(OTHER_FILES)))
def test_a_file_of_another_kind_is_named_with_its_remedy(tmp_path, content, words):
    assert words in refuse(tmp_path / "f.csv", content)


@pytest.mark.parametrize(
    "content",
    [
        f"time|pm2_5\n{MOMENT}|8\n",
        f"time ; pm2_5 ;\n {MOMENT} ; 8 ;\n",
        f"time;pm2_5\n{MOMENT};8;;\n",
        f"time;pm2_5;\n{MOMENT};8\n",
        f"\ufefftime;pm2_5\n{MOMENT};8\n\ufefftime;pm2_5\n\x1a",
        f"sep=;\ntime;pm2_5\n\n{MOMENT};8\n\n",
        f"# made by a logger\ntime;pm2_5\n# pause\n{MOMENT};8\ntime;pm2_5\n",
        f"time;pm2_5\n-;ug/m3\n{MOMENT};8\n",
    ],
)
def test_separators_comments_and_repeated_headers_change_no_value(tmp_path, content):
    recording = read(tmp_path / "f.csv", content)
    assert values(recording) == [("f", "pm2_5", at("2026-11-21T16:00"), 8.0)]
    assert recording.unreadable == []


def test_two_columns_of_one_property_are_never_merged_by_accident(tmp_path):
    for header in ("time,pm2_5,pm2_5", "time,PM2.5,pm25", "time,rh,humidity"):
        assert "are both" in refuse(tmp_path / "f.csv", f"{header}\n{MOMENT},8,9\n")
    columns = {"time": "time", "pm2_5": "pm25"}
    recording = read(tmp_path / "f.csv", f"time,PM2.5,pm25\n{MOMENT},8,9\n", columns=columns)
    assert [v.value for v in recording.values] == [9.0]
    columns = {"time": "time", "pm2_5": "x", "pm10": "x"}
    assert "cannot be both pm2_5 and pm10" in refuse(tmp_path / "f.csv", f"time,x\n{MOMENT},8\n", columns=columns)


def test_columns_that_are_not_read_are_named(tmp_path):
    recording = read(tmp_path / "f.csv", f"time,pm2_5,ozone,NO2\n{MOMENT},8,9,1\n")
    assert "columns that are not read: 'ozone', 'NO2'" in recording.describe()[1]


def test_a_humidity_that_never_exceeds_1_is_no_percentage(tmp_path):
    rows = [(0.81, 81), (0.79, 79), (1.0, 1), (0.9, 0)]
    lines = [f"a,{i},{a}\nb,{i},{b}\n" for i, (a, b) in enumerate(rows)]
    recording = read(tmp_path / "f.csv", "station,time,humidity\n" + "".join(lines))
    flagged = {value.station: bool(value.flags & INVALID_FLAGS) for value in recording.values}
    assert flagged == {"a": True, "b": False}
    assert "the humidity of a never exceeds 1" in " ".join(recording.describe())


SENSOR_COMMUNITY = "sensor_id;sensor_type;location;lat;lon;timestamp;{}\n1;{};2;52;4;2026-11-21T16:00:05;{}\n"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (SENSOR_COMMUNITY.format("P1;P2", "SDS011", "1999.90;999.90"), {}),
        (SENSOR_COMMUNITY.format("temperature", "DS18B20", "85"), {}),
        (SENSOR_COMMUNITY.format("temperature", "DS18B20", "-127"), {}),
        ("Location ID,UTC Date/Time,PM2.5 (ug/m3) raw,Humidity (%) raw\n1,2026-11-21 16:00:00,-1,-1\n", {}),
        ("# STN,YYYYMMDD,   HH,   DD\n  225,20261121,    1,  990\n", {}),
        ("sensorId,createdAt,value,phenomenon,sensorType\n1,2026-11-21T16:00Z,999.9,PM2.5,SDS 011\n", {}),
        ("time,pm2_5\n1795276800,999.9\n", {"model": "SDS011"}),
        ("time,co2\n1795276800,65535\n", {"model": "scd41"}),
        ("time,temperature\n1795276800,-45.0\n", {"model": "sht31"}),
    ],
)
def test_a_recording_is_judged_by_the_sensor_that_its_format_or_the_operator_names(tmp_path, content, options):
    (tmp_path / "f.csv").write_text(content)
    recording = read_recording(tmp_path / "f.csv", RecordingOptions(**options))
    for reading in map(judge_reading, group_readings(recording.values)):
        for name, value in reading.values.items():
            assert value is None or reading.flags.get(name, 0) & INVALID_FLAGS


def test_columns_that_depend_on_their_sensor_are_not_read_without_a_known_sensor(tmp_path):
    content = SENSOR_COMMUNITY.format("P1;P2", "PPD42NS", "2000;999")
    assert "has no 'PPD42NS'; name its model with --model" in refuse(tmp_path / "f.csv", content)
    assert len(read(tmp_path / "f.csv", content, model="SDS011").values) == 2


@pytest.mark.parametrize("name", ["time_utc", "Timestamp (UTC)", "UTC", "DateTime UTC", "time [GMT]"])
def test_a_column_named_utc_needs_no_time_zone(tmp_path, name):
    recording = read(tmp_path / "f.csv", f"{name},pm2_5\n2026-11-21 16:00,8\n")
    assert [v.at for v in recording.values] == [at("2026-11-21T16:00")]


def test_a_model_that_the_table_lacks_is_named(tmp_path):
    assert "has no 'moonlight': sps30" in refuse(tmp_path / "f.csv", TABLE, model="moonlight")


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.measurements], ids=lambda m: m.name)
def test_every_sentinel_of_every_model_is_no_measurement_in_a_recording(tmp_path, model):
    for name, row in model.measurements.items():
        for sentinel in () if row.driver_converts else (*row.no_value, *row.beyond_range, *row.fault):
            content = f"time,property,value\n1795276800,{name},{sentinel / row.counts_per_unit!r}\n"
            recording = read(tmp_path / "f.csv", content, model=model.name)
            (reading,) = map(judge_reading, group_readings(recording.values))
            assert reading.values[name] is None or reading.flags[name] & INVALID_FLAGS
