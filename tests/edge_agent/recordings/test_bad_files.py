"""A file that cannot be read ends in one sentence; a line that cannot be read is counted, and nothing else is lost."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording
from edge_agent.recordings.recording import format_spans

_SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refuse(path, content=None, **options):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as error:
        read_recording(path, RecordingOptions(**options))
    sentence = str(error.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence


REFUSED = [
    ("", {}, "the file is empty"),
    ("station,property,time,value\n", {}, "line 1, and no rows"),
    ("station,time,value,value,property\na,1,2,3,pm10\n", {}, "line 1: the column 'value' stands there twice"),
    ("station,time,value\na,1,2\n", {}, "which property the column 'value' holds is not said; say it with --columns"),
    ("a,b\n1,2\n", {}, "line 1 has 'a', 'b': name its columns with --columns"),
    ("station,date,pm2_5\na,2026-11-21,8\n", {}, "line 2, column 'date': '2026-11-21' is a date without a time"),
    ("station,time,pm2_5\na,17:00,8\n", {}, "line 2, column 'time': '17:00' is a time of day without a date"),
    ("station,time,pm2_5\na,2026-11-21 17:00,8\n", {}, "line 2: time '2026-11-21 17:00' has no offset from UTC: give"),
    ("station,time,pm2_5\na,3-4-2026 17:00,8\n", {}, "line 2: '3-4-2026 17:00' may begin with the day or the month"),
    ("station,time,pm2_5\na,1,x\na,2,y\na,3,8\n", {}, "line 2: 2 of 3 lines cannot be read; the first: column 'pm2_5'"),
    ("station,time,pm2_5\na,1,8\n", {"time_zone": "Europe/Wijk"}, "time zone 'Europe/Wijk': there is none"),
    ("station,time,pm2_5\na,1,8\n", {"format": "exel"}, "format 'exel': there are piekwacht, sensor-community"),
    ("station,time,pm2_5\na,1,8\n", {"columns": {"time": "Datum"}}, "no line has the columns 'Datum'; line 1 has"),
    ("station,time,pm2_5\na,1,8\n", {"columns": {"PM": "pm2_5"}}, "columns: 'PM' is neither time, date"),
    ("# STN,YYYYMMDD,DDVEC\n260,20240101,230\n", {}, "daily values of KNMI"),
    (b"station,time,pm2_5\na,1,8\0\n", {}, "line 2: not text"),
    (b"PK\x03\x04rest", {}, "a ZIP file; unpack it"),
    (b"\x1f\x8b\x08\x00broken gzip", {}, "the recording cannot be read"),
    ("station,time,pm2_5\n" + "a" * 10_000_000, {}, "line 2: longer than 1000000 characters"),
    ('station,time,pm2_5\na,1,"' + "8\n" * 200_000, {}, "not a row of a table"),
]


@pytest.mark.parametrize(("content", "options", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence_with_the_remedy(tmp_path, content, options, words):
    assert words in refuse(tmp_path / "f.csv", content, **options)


def test_a_folder_a_missing_file_and_one_without_permission_are_named(tmp_path):
    assert "it is a folder" in refuse(tmp_path)
    assert "No such file" in refuse(tmp_path / "none.csv")
    assert "cannot be read" in refuse(tmp_path / ("x" * 300))


def test_lines_that_cannot_be_read_are_counted_and_the_others_are_kept(tmp_path):
    rows = ["station,time,pm2_5,pm10", *(f"a,{i},8,{i}" for i in range(2, 12))]
    rows[3], rows[4], rows[8] = "a,yesterday,8,9", "a,5,8", "a,9,eight,9"
    (tmp_path / "f.csv").write_text("\n".join(rows))
    recording = read_recording(tmp_path / "f.csv", RecordingOptions())
    assert recording.unreadable == [4, 5, 9]
    assert "3 lines could not be read completely (line 4-5, 9); the first: 'yesterday'" in recording.describe()[1]
    assert sorted({v.at for v in recording.values}) == [1000 * i for i in (2, 3, 6, 7, 8, 9, 10, 11)]
    assert [(v.observed_property, v.value) for v in recording.values if v.at == 9000] == [("pm10", 9.0)]


def test_spans_of_lines_are_short():
    assert format_spans([3, 7, 8, 9]) == "3, 7-9"
    assert format_spans(list(range(0, 100, 2))).endswith("18 and more")


def check_total(path):
    try:
        read_recording(path, RecordingOptions())
    except ConfigurationError as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith(str(path))
    assert "\n" not in sentence


@_SETTINGS
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_one_sentence(tmp_path, content):
    (tmp_path / "f.csv").write_bytes(content)
    check_total(tmp_path / "f.csv")


_CELLS = st.one_of(
    st.sampled_from([
        "time", "value", "station", "property", "pm2_5", "flags", "date", "stn", "yyyymmdd", "hh", "dd", "createdAt",
        "2026-11-21T16:00Z", "21-11-2026 16:00", "1e99", "-1", "9" * 30, "inf", "1_0", "²", "٣", "99-99-9999 99:99",
    ]),
    st.text(max_size=8),
)  # fmt: skip
_HEADERS = st.sampled_from([
    ["station", "property", "time", "value", "flags"], ["time", "pm2_5"], ["stn", "yyyymmdd", "hh", "dd", "t"],
    ["component", "begindatumtijd", "einddatumtijd", "NL10131"], ["datum", "tijd", "PM10"],
])  # fmt: skip


@_SETTINGS
@given(_HEADERS | st.lists(_CELLS, max_size=6), st.lists(st.lists(_CELLS, max_size=6), max_size=6),
       st.sampled_from(",;\t"), st.sampled_from(["utf-8", "utf-16", "utf-16-be"]))  # fmt: skip
def test_no_table_raises_anything_but_one_sentence(tmp_path, header, rows, separator, encoding):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([header, *rows])
    (tmp_path / "f.csv").write_bytes(text.getvalue().encode(encoding, "replace"))
    check_total(tmp_path / "f.csv")


@_SETTINGS
@given(st.lists(st.tuples(st.integers(10**8, 7 * 10**9), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_every_number_comes_back_bit_for_bit(tmp_path, rows):
    text = "".join(f"a,{at},{value!r}\n" for at, value in rows)
    (tmp_path / "f.csv").write_text("station,time,pm2_5\n" + text)
    recording = read_recording(tmp_path / "f.csv", RecordingOptions())
    assert sorted(v.value for v in recording.values) == sorted(value for _, value in rows)
