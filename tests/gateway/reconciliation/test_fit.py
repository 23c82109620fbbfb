"""Complaints and events: fits by time, place and wind, persons, notices, four counts and chance."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.geodesy import METRES_PER_DEGREE, bearing_and_distance
from gateway.reconciliation.complaint import Complaint
from gateway.reconciliation.fit import FitRules, MeasuredEvent, reconcile

START = datetime(2026, 9, 1, tzinfo=UTC)
STATION = (52.48, 4.60)
RULES = FitRules()


def make_event(minute, *, length=20, wind=270.0, station="works", notified=None, id_=None):
    onset = START + timedelta(minutes=minute)
    return MeasuredEvent(
        id=id_ or f"{station}-{minute}",
        station=station,
        latitude=STATION[0],
        longitude=STATION[1],
        onset=onset,
        end=onset + timedelta(minutes=length),
        wind=wind,
        notified_at=None if notified is None else START + timedelta(minutes=notified),
    )


def make_complaint(minute, *, east=2_000.0, north=0.0, person=None):
    return Complaint(
        id=f"c{minute}",
        person=person or f"c{minute}-{east}-{north}",
        at=START + timedelta(minutes=minute),
        latitude=STATION[0] + north / METRES_PER_DEGREE,
        longitude=STATION[1] + east / (METRES_PER_DEGREE * 0.609),
    )


def compare(complaints, events, days=2):
    return reconcile(complaints, events, (START, START + timedelta(days=days)))


@pytest.mark.parametrize(
    ("complaint", "fits"),
    [
        (make_complaint(100), True),
        (make_complaint(71), True),
        (make_complaint(149), True),
        (make_complaint(69), False),
        (make_complaint(151), False),
        (make_complaint(100, east=6_000), False),
        (make_complaint(100, east=-2_000), False),
        (make_complaint(100, east=-800), True),
        (make_complaint(100, east=2_000, north=900), True),
        (make_complaint(100, east=2_000, north=1_400), False),
    ],
)
def test_a_complaint_fits_in_time_distance_and_downwind(complaint, fits):
    result = compare([complaint], [make_event(100)])
    assert result.fitting == int(fits)
    assert [list(ids) for ids in result.events_by_complaint] == [["works-100"] if fits else []]


def test_without_a_wind_every_direction_fits():
    assert compare([make_complaint(100, east=-2_000)], [make_event(100, wind=None)]).fitting == 1


def test_persons_count_once_in_half_an_hour_and_again_in_the_next():
    complaints = [make_complaint(minute, person="p") for minute in (91, 95, 99, 121)]
    assert compare(complaints, [make_event(100, length=40)]).persons == 2


def test_a_complaint_after_the_notice_is_counted_apart():
    event = make_event(100, notified=105)
    result = compare([make_complaint(104), make_complaint(106)], [event])
    assert (result.fitting, result.after_notice) == (1, 1)
    both = compare([make_complaint(106)], [event, make_event(110, station="other")])
    assert (both.fitting, both.after_notice) == (1, 0), "of the other event nobody was notified"


def test_the_four_counts_are_all_slots():
    complaints = [make_complaint(10), make_complaint(1_000)]
    counts = compare(complaints, [make_event(10), make_event(500)]).counts
    assert (counts.both, counts.complaint_only) == (1, 1)
    assert counts.event_only >= 1
    assert counts.both + counts.event_only + counts.complaint_only + counts.neither == 96


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_fits_are_those_of_the_rules_written_out(seed):
    pick = random.Random(seed)
    events = [
        make_event(pick.randrange(2_800), length=pick.randrange(60), wind=10.0 * pick.randrange(36), id_=str(number))
        for number in range(20)
    ]
    complaints = [
        make_complaint(pick.randrange(2_870), east=pick.uniform(-6e3, 6e3), north=pick.uniform(-6e3, 6e3))
        for _ in range(20)
    ]
    result = compare(complaints, events)
    for complaint, ids in zip(complaints, result.events_by_complaint, strict=True):
        expected = set()
        for event in events:
            bearing, distance = bearing_and_distance(*STATION, complaint.latitude, complaint.longitude)
            turn = abs((bearing - event.wind) % 360 - 180)
            near_limit = min(abs(distance - 5_000), abs(distance - 1_000), abs(turn - 30) * 50) < 60
            if near_limit:  # the plane of the method and the sphere differ by some metres
                expected = None
                break
            limit = timedelta(minutes=RULES.minutes)
            in_time = event.onset - limit <= complaint.at <= event.end + limit
            if in_time and distance <= 5_000 and (distance <= 1_000 or turn <= 30):
                expected.add(event.id)
        assert expected is None or set(ids) == expected


def test_complaints_that_follow_events_are_not_chance_and_others_are():
    pick = random.Random(3)
    minutes = [pick.randrange(60 * 24 * 60) for _ in range(80)]
    events = [make_event(minute) for minute in sorted(minutes)]
    following = [make_complaint(minute + pick.randrange(20)) for minute in minutes[:40]]
    anywhere = [make_complaint(pick.randrange(60 * 24 * 60)) for _ in range(40)]
    real, chance = (compare(complaints, events, days=60) for complaints in (following, anywhere))
    assert real.chance < 0.05
    assert real.fitting > 3 * real.expected
    assert chance.chance > 0.05
    assert compare(following, events, days=60) == real, "the same input gives the same numbers"


def test_a_short_period_and_no_complaints_have_no_chance():
    assert compare([make_complaint(100)], [make_event(100)]).chance is None
    nothing = compare([], [make_event(100)], days=60)
    assert (nothing.persons, nothing.chance, nothing.expected) == (0, None, None)
    assert compare([make_complaint(10)], [], days=60).fitting == 0
