"""Statements of operators: read strictly, matched with events by time, place and wind, and summarised from five on."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.csv_table import TableFileError
from gateway.reconciliation.complaint import Complaint
from gateway.reconciliation.event_counts import count_by_event, public_count
from gateway.reconciliation.fit import FitRules, MeasuredEvent, reconcile
from gateway.reconciliation.site_reports import PlacedReport, is_fitting, match_reports, summarise_report_times
from gateway.reconciliation.site_statements import STATUSES, parse_reports, parse_values

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
VALUES = "time;stack;substance;value;unit;status;averaging\n"
REPORTS = "id,reported_at,began_at,ended_at,text,source\n"
METRES_PER_DEGREE = 111_195


def values_of(rows, zone=AMSTERDAM, **options):
    return parse_values((VALUES + rows).encode(), zone, NOW, **options)


def reports_of(rows, zone=UTC):
    return parse_reports((REPORTS + rows).encode(), zone, NOW)


def test_a_half_hour_keeps_its_unit_and_its_status():
    first, missing = values_of(
        "2026-11-20T21:00;KGF2;NOx;412.5;mg/Nm3;start_up;30min\n2026-11-20T21:30;KGF2;NOx;;mg/Nm3;missing;30min\n"
    )
    assert (first.value, first.unit, first.status, first.seconds) == (412.5, "mg/Nm3", "start_up", 1_800)
    assert first.start == datetime(2026, 11, 20, 20, tzinfo=UTC)
    assert missing.value is None


def test_decimal_commas_are_read_only_if_they_are_declared():
    row = "2026-11-20T21:00;KGF2;NOx;412,5;mg/Nm3;valid;30min\n"
    assert values_of(row, decimal_comma=True)[0].value == 412.5
    with pytest.raises(
        TableFileError, match="line 2: value '412,5' has a comma; if it is a decimal comma, give --decimal-comma"
    ):
        values_of(row)
    with pytest.raises(TableFileError, match="has a point, but --decimal-comma says"):
        values_of(row.replace("412,5", "1.412,5"), decimal_comma=True)


@pytest.mark.parametrize(("row", "sentence"), [
    ("2026-11-20T21:00;KGF2;NOx;1;mg/Nm3;good;30min",
     f"line 2: the status 'good' is unknown; there are {', '.join(STATUSES)}"),
    ("2026-11-20T21:00;KGF2;NOx;1;mg/Nm3;valid;15min", "line 2: the averaging '15min' is unknown"),
    ("2026-12-20T21:00;KGF2;NOx;1;mg/Nm3;valid;30min", "line 2: the time 2026-12-20T21:00:00+01:00 is in the future"),
    ("2026-11-20T21:00;KGF2;NOx;;mg/Nm3;valid;30min", "line 2: value is empty"),
    ("2026-11-20T21:00;;NOx;1;mg/Nm3;valid;30min", "line 2: stack is empty"),
    ("2026-11-20T21:00;KGF2;NOx;1;mg/Nm3;valid;30min\n2026-11-20T20:00Z;KGF2;NOx;2;mg/Nm3;valid;30min",
     "line 3: the same stack, substance and time stand in line 2"),
    ("2026-10-25T02:30;KGF2;NOx;1;mg/Nm3;valid;30min", "line 2: the time 2026-10-25T02:30:00 is ambiguous"),
    ("2026-03-29T02:30;KGF2;NOx;1;mg/Nm3;valid;30min", "line 2: the time 2026-03-29T02:30:00 is ambiguous"),
    ("2016-12-31T23:59:60Z;KGF2;NOx;1;mg/Nm3;valid;30min", "line 2: '2016-12-31T23:59:60Z' is a leap second"),
    ("20 november;KGF2;NOx;1;mg/Nm3;valid;30min", "line 2: '20 november' is no time"),
    ("2026-11-20T21:00;KGF2;NOx;1;2;mg/Nm3;valid;30min", "line 2: more cells than columns"),
])  # fmt: skip
def test_a_wrong_value_is_one_sentence(row, sentence):
    with pytest.raises(TableFileError) as raised:
        values_of(row + "\n")
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("content", "sentence"), [
    (b"time;stack\n", "line 1: column 'substance' is missing"),
    (b"", "line 1: column 'time' is missing"),
    ("t\xebst".encode("latin-1"), "the file is not UTF-8"),
])  # fmt: skip
def test_a_wrong_file_is_one_sentence(content, sentence):
    with pytest.raises(TableFileError, match=sentence):
        parse_values(content, UTC, NOW)


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_sentence(content):
    for parse in (parse_values, parse_reports):
        with suppress(TableFileError):
            parse(content, UTC, NOW)


@pytest.mark.parametrize(("row", "sentence"), [
    ("a,2026-11-20T10:00,2026-11-20T11:00,,x,url", "line 2: began_at is after reported_at"),
    ("a,2026-11-20T10:00,2026-11-20T09:00,2026-11-20T08:00,x,url", "line 2: ended_at is before began_at"),
    ("a,2026-11-29T10:00,2026-11-20T09:00,,x,url", "line 2: reported_at is in the future"),
    ("a,2026-11-20T10:00,2026-11-20T09:00,,x,", "line 2: source is empty"),
    ("a,2026-11-20T10:00,2026-11-20T09:00,,x,u\na,2026-11-20T10:00,2026-11-20T09:00,,x,u",
     "line 3: the id 'a' stands in"),
])  # fmt: skip
def test_a_wrong_report_is_one_sentence(row, sentence):
    with pytest.raises(TableFileError) as raised:
        reports_of(row + "\n")
    assert str(raised.value).startswith(sentence)


ONSET = datetime(2026, 11, 20, 9, tzinfo=UTC)
STATION = (52.49, 4.60)


def make_event(id_="e", minutes=0.0, *, wind=270.0, length=20.0):
    onset = ONSET + timedelta(minutes=minutes)
    return MeasuredEvent(
        id=id_, station="s", latitude=STATION[0], longitude=STATION[1], onset=onset,
        end=onset + timedelta(minutes=length), wind=wind,
    )  # fmt: skip


def make_report(id_="r", *, east=-2_000.0, north=0.0, start=0.0, end=10.0, reported=90.0, site="steel"):
    return PlacedReport(
        site=site,
        id=id_,
        latitude=STATION[0] + north / METRES_PER_DEGREE,
        longitude=STATION[1] + east / (METRES_PER_DEGREE * 0.609),
        start=ONSET + timedelta(minutes=start),
        end=None if end is None else ONSET + timedelta(minutes=end),
        reported_at=ONSET + timedelta(minutes=reported),
    )


@pytest.mark.parametrize(("report", "fits"), [
    (make_report(), True),
    (make_report(start=-100, end=-31), False),
    (make_report(start=-100, end=-29), True),
    (make_report(start=49, end=None), True),
    (make_report(start=51, end=60), False),
    (make_report(east=2_000), False),  # downwind
    (make_report(east=800), True),  # so near that every direction fits
    (make_report(east=-5_500), False),
    (make_report(east=-2_000, north=1_100), True),  # 29 degrees beside the wind
    (make_report(east=-2_000, north=1_250), False),  # 32 degrees
])  # fmt: skip
def test_a_report_fits_in_time_distance_and_wind(report, fits):
    assert is_fitting(report, make_event(), FitRules()) == fits


def test_without_a_wind_every_direction_fits():
    assert is_fitting(make_report(east=2_000), make_event(wind=None), FitRules())


def test_the_time_counts_from_the_first_event_that_fits():
    events = [make_event("late", 40), make_event("first", 5), make_event("early", -300)]
    (match,) = match_reports([make_report(end=60, reported=95)], events)
    assert (match.event.id, match.seconds) == ("first", 90 * 60)
    (match,) = match_reports([make_report(reported=0.0, start=-10)], [make_event()])
    assert match.seconds == 0.0
    (match,) = match_reports([make_report(east=2_000)], events)
    assert (match.event, match.seconds) == (None, None)


@pytest.mark.parametrize(("count", "median"), [(4, None), (5, 90 * 60.0), (6, 90 * 60.0)])
def test_fewer_than_five_reports_have_no_median(count, median):
    matches = match_reports(
        [make_report(f"r{n}") for n in range(count)] + [make_report("x", east=2_000)], [make_event()]
    )
    (times,) = summarise_report_times(matches)
    assert (times.reports, times.matched) == (count + 1, count)
    assert (None if times.delays is None else times.delays.median) == median


def complain(person, minute, id_=None):
    at = ONSET + timedelta(minutes=minute)
    return Complaint(id=id_ or f"{person}{minute}", person=person, at=at, latitude=52.49, longitude=4.63)


def test_persons_are_counted_per_event_and_those_after_our_notice_apart():
    event = MeasuredEvent(
        id="e", station="s", latitude=52.49, longitude=4.60, onset=ONSET, end=ONSET + timedelta(minutes=20), wind=270.0,
        notified_at=ONSET + timedelta(minutes=10),
    )  # fmt: skip
    complaints = [complain("a", 1), complain("a", 12), complain("b", 5), complain("c", 15), complain("d", 400)]
    result = reconcile(complaints, [event], (ONSET - timedelta(hours=1), ONSET + timedelta(days=1)))
    (count,) = count_by_event(complaints, [event], result.events_by_complaint)
    assert (count.event, count.persons, count.after_notice) == ("e", 2, 1)


@pytest.mark.parametrize(("count", "public"), [(0, None), (4, None), (5, 5), (40, 40)])
def test_numbers_under_five_are_not_published(count, public):
    assert public_count(count) == public
