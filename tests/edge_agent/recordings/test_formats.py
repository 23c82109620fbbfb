"""Each format is recognised, and its values have our properties, units and times."""

import gzip
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.formats import FORMATS
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording
from edge_agent.recordings.times import DayOrder
from edge_agent.wire import Flag


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def read(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_recording(path, RecordingOptions(**options))


def values(recording):
    return [(v.station, v.observed_property, v.at, v.value) for v in recording.values]


SENSOR_COMMUNITY = """sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2
9119;SDS011;4620;52.494;4.594;2026-11-21T16:00:05;14.25;;;8.10;;
9119;SDS011;4620;52.494;4.594;2026-11-21T16:02:32;14.50;;;;;
"""
CLIMATE = """sensor_id;sensor_type;location;lat;lon;timestamp;pressure;altitude;pressure_sealevel;temperature;humidity
9120;BME280;4620;52.494;4.594;2026-11-21T16:00:05;101325.5;;;11.25;81.5
"""
PURPLEAIR_API = """time_stamp,sensor_index,humidity,temperature,pressure,pm2.5_atm_a,pm2.5_atm_b
1795276800,30611,61,50,1013.2,8.1,8.4
"""
PURPLEAIR_CARD = """UTCDateTime,mac_address,current_temp_f,current_humidity,pressure,pm1_0_atm,pm2_5_atm,pm10_0_atm
2026/11/21T16:00:00z,8:3a:8d:b:a4:fd,50,61,1013.2,5.5,8.1,9.2
"""
AIRGRADIENT = (
    "Location ID,Location Name,Local Date/Time,UTC Date/Time,# of aggregated records,PM2.5 (μg/m³) raw,"
    "PM2.5 (μg/m³) corrected,CO2 (ppm) raw,CO2 (ppm) corrected,Temperature (°C) raw,Humidity (%) raw,"
    "TVOC (ppb),PM1 (μg/m³),PM10 (μg/m³)\n"
    "87,Duin,2026-11-21 17:00:00,2026-11-21 16:00:00,1,8.1,6.3,421,430,11.2,81,95,5.5,9.2\n"
)
OPENSENSEMAP = """sensorId,createdAt,value,lat,lon,phenomenon,unit
5a1b,2026-11-21T16:00:00.125Z,8.1,52.494,4.594,PM2.5,µg/m³
5a1c,2026-11-21T16:00:00.125Z,81.5,52.494,4.594,rel. Luftfeuchte,%
"""
LUCHTMEETNET_API = """station_number,formula,value,timestamp_measured
NL49551,PM25,8.1,2026-11-21T16:00:00+00:00
NL49551,PM10,14.25,2026-11-21T17:00:00+01:00
"""
RIVM = """Bestand;PM25;;;;;
Stationnaam;;;;;Wijk aan Zee;Beverwijk
Component;Bep.periode;Eenheid;Begindatumtijd;Einddatumtijd;NL49551;NL49570
PM25;uur;ug/m3;20261121 16:00;20261121 17:00;8.1;
PM25;uur;ug/m3;20261121 17:00;20261121 18:00;8.2;9,5
"""
KNMI = """# SOURCE: ROYAL NETHERLANDS METEOROLOGICAL INSTITUTE (KNMI)
# STN         LON(east)   LAT(north)     ALT(m)  NAME
# 225         4.555       52.463         4.40  IJMUIDEN
# DD        : Mean wind direction; 360=north, 90=east, 0=calm 990=variable
# STN,YYYYMMDD,   HH,   DD,   FH,    T,    P,    U

  225,20261121,    1,  270,   54,  112,10132,   81
  225,20261121,    2,  990,   10,  111,10131,   82
  225,20261121,   24,    0,    0,     ,10130,   83
"""
EXAMPLES = {
    "sensor-community": (
        SENSOR_COMMUNITY,
        [
            ("9119", "pm10", at("2026-11-21T16:00:05"), 14.25),
            ("9119", "pm2_5", at("2026-11-21T16:00:05"), 8.1),
            ("9119", "pm10", at("2026-11-21T16:02:32"), 14.5),
        ],
    ),
    "sensor-community climate": (
        CLIMATE,
        [
            ("9120", "temperature", at("2026-11-21T16:00:05"), 11.25),
            ("9120", "humidity", at("2026-11-21T16:00:05"), 81.5),
            ("9120", "pressure", at("2026-11-21T16:00:05"), 1013.255),
        ],
    ),
    "purpleair": (
        PURPLEAIR_API,
        [
            ("30611", "pm2_5", at("2026-11-21T16:00:00"), 8.1),
            ("30611", "humidity", at("2026-11-21T16:00:00"), 61.0),
            ("30611", "temperature", at("2026-11-21T16:00:00"), 10.0),
            ("30611", "pressure", at("2026-11-21T16:00:00"), 1013.2),
        ],
    ),
    "purpleair card": (
        PURPLEAIR_CARD,
        [
            ("8:3a:8d:b:a4:fd", name, at("2026-11-21T16:00:00"), value)
            for name, value in (("pm2_5", 8.1), ("pm1", 5.5), ("pm10", 9.2), ("humidity", 61.0),
                                ("temperature", 10.0), ("pressure", 1013.2))
        ],
    ),
    "airgradient": (
        AIRGRADIENT,
        [
            ("87", name, at("2026-11-21T16:00:00"), value)
            for name, value in (("pm2_5", 8.1), ("co2", 421.0), ("temperature", 11.2), ("humidity", 81.0),
                                ("voc_ppb", 95.0), ("pm1", 5.5), ("pm10", 9.2))
        ],
    ),
    "opensensemap": (
        OPENSENSEMAP,
        [
            ("5a1b", "pm2_5", at("2026-11-21T16:00:00.125"), 8.1),
            ("5a1c", "humidity", at("2026-11-21T16:00:00.125"), 81.5),
        ],
    ),
    "luchtmeetnet": (
        LUCHTMEETNET_API,
        [
            ("NL49551", "pm2_5", at("2026-11-21T16:00:00"), 8.1),
            ("NL49551", "pm10", at("2026-11-21T16:00:00"), 14.25),
        ],
    ),
    "luchtmeetnet rivm": (
        RIVM,
        [
            ("NL49551", "pm2_5", at("2026-11-21T16:00:00"), 8.1),
            ("NL49551", "pm2_5", at("2026-11-21T17:00:00"), 8.2),
            ("NL49570", "pm2_5", at("2026-11-21T17:00:00"), 9.5),
        ],
    ),
    "knmi": (
        KNMI,
        [
            ("225", "wind_speed", at("2026-11-21T01:00:00"), 5.4),
            ("225", "temperature", at("2026-11-21T01:00:00"), 11.2),
            ("225", "humidity", at("2026-11-21T01:00:00"), 81.0),
            ("225", "pressure", at("2026-11-21T01:00:00"), 1013.2),
            ("225", "wind_direction", at("2026-11-21T01:00:00"), 270.0),
            ("225", "wind_speed", at("2026-11-21T02:00:00"), 1.0),
            ("225", "temperature", at("2026-11-21T02:00:00"), 11.1),
            ("225", "humidity", at("2026-11-21T02:00:00"), 82.0),
            ("225", "pressure", at("2026-11-21T02:00:00"), 1013.1),
            ("225", "wind_speed", at("2026-11-22T00:00:00"), 0.0),
            ("225", "humidity", at("2026-11-22T00:00:00"), 83.0),
            ("225", "pressure", at("2026-11-22T00:00:00"), 1013.0),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_format_is_recognised_and_read_in_our_properties_and_units(tmp_path, name):
    content, expected = EXAMPLES[name]
    recording = read(tmp_path / "file.csv", content)
    assert recording.format == name.split()[0]
    assert sorted(values(recording)) == sorted(expected)
    assert recording.unreadable == []
    assert values(read(tmp_path / "file.csv", content, format=name.split()[0])) == values(recording)


def test_a_file_of_another_format_than_the_one_that_is_named_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="not a file of the format knmi; line 1 has 'sensor_id'"):
        read(tmp_path / "f.csv", SENSOR_COMMUNITY, format="knmi")


ROWS = [("a", "2026-11-21T16:00:00Z", 8.5), ("a", "2026-11-21T16:01:00Z", 1234.5)]
FORMS = {
    "comma": "station,time,pm2_5\na,2026-11-21T16:00:00Z,8.5\na,2026-11-21T16:01:00Z,1234.5\n",
    "semicolon, decimal comma": "station;time;pm2_5\na;2026-11-21T16:00:00Z;8,5\na;2026-11-21T16:01:00Z;1.234,5\n",
    "tab": "station\ttime\tpm2_5\na\t2026-11-21T16:00:00Z\t8,5\na\t2026-11-21T16:01:00Z\t1234,5\n",
    "quotes": '"station","time","pm2_5"\n"a","2026-11-21T16:00:00Z","8,5"\n"a","2026-11-21T16:01:00Z","1,234.5"\n',
    "long": "station,property,time,value\na,PM2.5,2026-11-21T16:00:00Z,8.5\na,pm25,2026-11-21T16:01:00Z,1234.5\n",
    "names": "Meetpunt;DatumTijd;PM2,5 (µg/m³)\na;2026-11-21 16:00+00:00;8,5\na;2026-11-21 17:01 +0100;1234,5\n",
    "mg": "station,time,PM2.5 (mg/m3)\na,2026-11-21T16:00Z,0.0085\na,2026-11-21T16:01Z,1.2345\n",
    "lines of a Mac": "station,time,pm2_5\ra,2026-11-21T16:00:00Z,8.5\ra,2026-11-21T16:01:00Z,1234.5\r",
}


@pytest.mark.parametrize("form", FORMS)
def test_separators_decimal_marks_and_names_of_columns_are_recognised(tmp_path, form):
    expected = [(s, "pm2_5", at(t.removesuffix("Z")), v) for s, t, v in ROWS]
    rows = values(read(tmp_path / "f.csv", FORMS[form]))
    assert [(*row[:3], round(row[3], 9)) for row in rows] == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_encodings_and_gzip_are_recognised(tmp_path, encoding, pack):
    text = "station;tijdstip;PM2,5 (µg/m³)\nCafé;2026-11-21 16:00Z;8,5\n"
    text = text if encoding != "latin-1" else text.replace("³", "3")
    recording = read(tmp_path / "f.csv", pack(text.encode(encoding)))
    assert values(recording) == [("Café", "pm2_5", at("2026-11-21T16:00"), 8.5)]


@pytest.mark.parametrize(
    "number", ["1795276800", "1795276800000", "1795276800000000", "1795276800000000000", "1.7952768e9"]
)
def test_numbers_since_1970_are_seconds_ms_us_or_ns_by_their_size(tmp_path, number):
    assert values(read(tmp_path / "f.csv", f"station,time,pm2_5\na,{number},8\n"))[0][2] == at("2026-11-21T16:00:00")


TIMES = [
    ("21-11-2026 17:00", {}),
    ("21.11.2026 17:00:00", {}),
    ("21/11/2026 17:00", {}),
    ("11/21/2026 5:00 PM", {}),
    ("11/21/26 17:00", {}),
    ("2026-11-21 17:00:00,000", {}),
    ("11-12-2026 17:00", {"day_order": DayOrder.DAY_FIRST}),
    ("12/11/2026 17:00", {"day_order": DayOrder.MONTH_FIRST}),
]


@pytest.mark.parametrize(("text", "options"), TIMES)
def test_dutch_and_american_times_are_read_in_the_zone_of_the_file(tmp_path, text, options):
    content = f"station;time;pm2_5\na;{text};8\n"
    day = "2026-12-11" if options else "2026-11-21"
    recording = read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam", **options)
    assert values(recording)[0][2] == at(f"{day}T16:00:00")


def test_one_date_of_the_file_decides_the_order_of_day_and_month(tmp_path):
    content = "station;time;pm2_5\na;1-11-2026 00:00;8\na;13-11-2026 00:00;9\n"
    recording = read(tmp_path / "f.csv", content, time_zone="UTC")
    assert [v.at for v in recording.values] == [at("2026-11-01"), at("2026-11-13")]


def test_columns_of_date_and_time_together_are_the_time(tmp_path):
    content = "Datum;Tijd;PM25\n21-11-2026;17:00;8,5\n"
    expected = [("f", "pm2_5", at("2026-11-21T16:00"), 8.5)]
    assert values(read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam")) == expected
    mapping = {"date": "Datum", "time": "Tijd", "pm2_5": "PM25"}
    assert values(read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam", columns=mapping)) == expected


def test_a_mapping_names_columns_with_unknown_names(tmp_path):
    content = "wanneer;waar;stof A;stof B\n2026-11-21T16:00Z;a;8,5;9\n"
    mapping = {"time": "wanneer", "station": "waar", "pm10": "Stof B", "value": "stof A"}
    with pytest.raises(ConfigurationError, match="which property the column 'stof A' holds is not said"):
        read(tmp_path / "f.csv", content, columns=mapping)
    mapping = {"time": "wanneer", "station": "waar", "pm10": "Stof B"}
    assert values(read(tmp_path / "f.csv", content, columns=mapping)) == [("a", "pm10", at("2026-11-21T16:00"), 9.0)]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_occurs_twice_is_resolved_by_the_order_of_the_rows_and_reported(tmp_path, newest_first):
    local = ["01:50", "02:30", "02:45", "02:15", "02:30", "03:00"]
    utc = ["2026-10-24T23:50", *(f"2026-10-25T{t}" for t in ("00:30", "00:45", "01:15", "01:30", "02:00"))]
    rows = [f"a;25-10-2026 {text};{i}" for i, text in enumerate(local)]
    content = "\n".join(["station;time;pm2_5", *(rows[::-1] if newest_first else rows)])
    recording = read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam")
    assert [(v.at, v.value) for v in recording.values] == [(at(t), i) for i, t in enumerate(utc)]
    assert "4 times on 2026-10-25 lie in the hour that occurs twice" in " ".join(recording.describe())


def test_the_hour_that_does_not_exist_in_spring_is_counted_as_unreadable(tmp_path):
    content = "station;time;pm2_5\na;29-03-2026 01:30;1\na;29-03-2026 02:30;2\na;29-03-2026 03:30;3\n"
    recording = read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam")
    assert [v.value for v in recording.values] == [1, 3]
    assert recording.unreadable == [3]
    assert "does not exist in Europe/Amsterdam" in recording.reason


def test_flags_of_the_file_are_read_as_names_and_as_bits(tmp_path):
    content = "station,property,time,value,flags\na,pm2_5,1,8,out_of_range stuck\na,pm2_5,2,,512\na,pm2_5,3,8,\n"
    recording = read(tmp_path / "f.csv", content)
    assert [(v.value, v.flags) for v in recording.values] == [
        (8.0, Flag.OUT_OF_RANGE | Flag.STUCK),
        (None, Flag.SENSOR_FAULT),
        (8.0, 0),
    ]


def examples_of_the_operators_page():
    """Format -> the file that docs/operator/recordings.md shows."""
    page = (Path(__file__).parents[3] / "docs" / "operator" / "recordings.md").read_text()
    for section in page.split("\n### ")[1:]:
        block = re.search(r"(?:^    .*\n?)+", section, re.MULTILINE)
        yield section.splitlines()[0], textwrap.dedent(block[0])


def test_the_page_for_operators_shows_a_file_of_each_format_that_is_read(tmp_path):
    examples = dict(examples_of_the_operators_page())
    assert examples.keys() == FORMATS.keys()
    for name, content in examples.items():
        recording = read(tmp_path / "f.csv", content, time_zone="Europe/Amsterdam" if name == "table" else None)
        assert (recording.format, recording.unreadable) == (name, [])
        assert recording.values
