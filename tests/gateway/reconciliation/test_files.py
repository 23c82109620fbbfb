"""Files of complaints: what they hold, and one sentence for what cannot be used."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.reconciliation.complaint import ComplaintFileError
from gateway.reconciliation.csv_file import parse_csv
from gateway.reconciliation.municipal import parse_open311, parse_signalen

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PLACE = "52.48,4.60"


def csv_of(*rows, header="time,latitude,longitude"):
    return "\n".join([header, *rows]).encode()


def test_a_csv_file_has_times_with_and_without_offset():
    content = csv_of("2026-10-25T02:30+02:00,52.48,4.60,a,p1,geur", "2026-10-01T21:00,52.48,4.60,b,,",
                     header="time,latitude,longitude,id,person,category")  # fmt: skip
    first, second = parse_csv(content, AMSTERDAM, NOW)
    assert first.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert (first.person, first.category) == ("p1", "geur")
    assert second.at == datetime(2026, 10, 1, 19, 0, tzinfo=UTC)
    assert second.person == "b"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_separator_is_read_from_the_header(delimiter):
    content = ("\ufeff" + csv_of(f"2026-10-01T21:00Z,{PLACE}").decode()).replace(",", delimiter).encode()
    assert len(parse_csv(content, None, NOW)) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (csv_of(f"2026-10-01T21:00,{PLACE}"), "line 2: the time '2026-10-01T21:00' has no offset; give --time-zone"),
        (csv_of(f"2027-10-01T21:00Z,{PLACE}"), "line 2: the time 2027-10-01T21:00:00+00:00 is in the future"),
        (csv_of("2026-10-01T21:00Z,4.60,52.48"), "line 2: latitude and longitude are swapped"),
        (csv_of("2026-10-01T21:00Z,0,0"), "line 2: 0, 0 does not lie in the Netherlands"),
        (csv_of("2026-10-01T21:00Z;52,48;4,60", header="time;latitude;longitude"), "write a point and no comma"),
        (csv_of("yesterday,52.48,4.60"), "line 2: 'yesterday' is no time; write it as"),
        (csv_of("2026-10-01T21:00Z,nan,4.60"), "does not lie in the Netherlands"),
        (csv_of("2026-10-01T21:00Z,,4.60"), "line 2: latitude '' is no number"),
        (b"when,where\n", "line 1: column 'time' is missing"),
        (b"", "line 1: column 'time' is missing"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(content, sentence):
    with pytest.raises(ComplaintFileError, match=r"^[^\n]+$") as error:
        parse_csv(content, None, NOW)
    assert sentence in str(error.value)


def test_signals_and_service_requests():
    at = (NOW - timedelta(days=3)).isoformat()
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [4.6, 52.48]},
               "properties": {"category": {"name": "Stank", "slug": "stank"}, "created_at": at}}  # fmt: skip
    (signal,) = parse_signalen(json.dumps({"features": [feature]}).encode(), None, NOW)
    assert (signal.latitude, signal.longitude, signal.category) == (52.48, 4.6, "Stank")
    requests = [
        {"service_request_id": 638344, "requested_datetime": at, "lat": 52.48, "long": 4.6, "service_name": "geur"},
        {"service_request_id": 638345, "requested_datetime": at, "lat": None, "long": None, "address": "Dorpsstraat 1"},
    ]
    (request,) = parse_open311(json.dumps(requests).encode(), None, NOW)
    assert (request.id, request.at, request.category) == ("638344", NOW - timedelta(days=3), "geur")


@pytest.mark.parametrize("parse", [parse_signalen, parse_open311])
@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"null", b'{"features":[{}]}', b'[{"lat":"x"}]', b"\xff"])
def test_other_documents_have_one_sentence(parse, content):
    with pytest.raises(ComplaintFileError, match=r"^[^\n]+$"):
        parse(content, None, NOW)
