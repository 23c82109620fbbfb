"""Place, time and duty roster of a route: each condition against a slow or obvious twin."""

import itertools
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decide import polygon, time_intervals
from alerting.decide.on_call import Roster, Rosters, Shift
from alerting.decide.policy import NotificationPolicy
from alerting.decide.reason_detail import describe_detail
from alerting.decide.routing import DecisionReason, Route
from alerting.errors import SettingsError
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

SQUARE = "POLYGON((4 52, 5 52, 5 53, 4 53, 4 52), (4.4 52.4, 4.6 52.4, 4.6 52.6, 4.4 52.6, 4.4 52.4))"
GEOJSON = {
    "type": "Feature",
    "properties": {},
    "geometry": {
        "type": "MultiPolygon",
        "coordinates": [
            [
                [[4, 52], [5, 52], [5, 53], [4, 53], [4, 52]],
                [[4.4, 52.4], [4.6, 52.4], [4.6, 52.6], [4.4, 52.6], [4.4, 52.4]],
            ],
            [[[6, 50], [7, 50], [7, 51], [6, 50]]],
        ],
    },
}  # fmt: skip

MOMENTS = st.integers(-1_000_000_000, 1_000_000_000).map(
    lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n)
)


@given(st.floats(3.5, 5.5), st.floats(51.5, 53.5))
def test_a_square_with_a_hole_contains_the_points_between(x, y):
    if min(abs(v - edge) for v, edges in ((x, (4, 5, 4.4, 4.6)), (y, (52, 53, 52.4, 52.6))) for edge in edges) < 1e-9:
        return
    expected = 4 < x < 5 and 52 < y < 53 and not (4.4 < x < 4.6 and 52.4 < y < 52.6)
    assert polygon.parse(SQUARE).contains(y, x) is expected
    assert polygon.parse(GEOJSON).contains(y, x) is expected


def test_a_second_polygon_counts_too():
    assert polygon.parse(GEOJSON).contains(50.2, 6.8)
    assert not polygon.parse(GEOJSON).contains(50.8, 6.2)


@given(st.text(max_size=60) | st.from_regex(r"(MULTI)?POLYGON ?\(\(([0-9. ,-]{0,20})\)?\)?", fullmatch=True))
def test_reading_a_polygon_raises_nothing_but_settings_errors(text):
    with suppress(SettingsError):
        polygon.parse(text)


@pytest.mark.parametrize(
    "document",
    ["", "POINT(4 52)", "POLYGON((4 52, 5 52, 4 52))", "POLYGON((4 5, 5 5, 9 95, 4 5))", '{"type": "Point"}', "{", {}],
)  # fmt: skip
def test_a_document_that_is_no_polygon_is_refused(document):
    with pytest.raises(SettingsError):
        polygon.parse(document)


def test_a_route_takes_only_alerts_inside_its_jurisdiction():
    inside, outside = "POLYGON((4 52, 5 52, 5 53, 4 53, 4 52))", "POLYGON((6 50, 7 50, 7 51, 6 51, 6 50))"
    routes = [Route(receiver="limburg", inside=outside), Route(receiver="noord-holland", inside=inside)]
    assert [v.receiver for v in NotificationPolicy(routes).decide(make_alert(), {}, ONSET)] == ["noord-holland"]
    assert NotificationPolicy(routes[:1]).decide(make_alert(), {}, ONSET)[0].reason is DecisionReason.NO_ROUTE


@pytest.mark.parametrize(
    ("text", "when", "expected"),
    [
        ("mon-fri 08:00-18:00", "2026-11-20T07:00:00+00:00", True),  # Friday 08:00 in Amsterdam
        ("mon-fri 08:00-18:00", "2026-11-20T06:59:59+00:00", False),
        ("mon-fri 08:00-18:00", "2026-11-20T17:00:00+00:00", False),
        ("mon-fri 08:00-18:00", "2026-11-21T10:00:00+00:00", False),
        ("mon-fri 18:00-08:00", "2026-11-21T06:00:00+00:00", True),  # Saturday morning belongs to Friday's night
        ("mon-fri 18:00-08:00", "2026-11-22T22:00:00+00:00", False),  # Sunday evening
        ("sat-sun", "2026-11-22T22:59:00+00:00", True),
        ("sat-sun", "2026-11-22T23:00:00+00:00", False),  # Monday in Amsterdam
        ("22:00-06:00", "2026-07-01T20:00:00+00:00", True),  # summer time
        ("fri-mon 12:00-13:00", "2026-11-23T11:30:00+00:00", True),
        ("fri-mon 12:00-13:00", "2026-11-24T11:30:00+00:00", False),
    ],
)
def test_hours_are_those_of_the_dutch_clock(text, when, expected):
    assert time_intervals.parse(text).covers(datetime.fromisoformat(when)) is expected


@given(MOMENTS)
def test_a_day_and_its_complement_cover_every_moment_once(now):
    day, night = time_intervals.parse("08:00-18:30"), time_intervals.parse("18:30-08:00")
    assert day.covers(now) is not night.covers(now)


@pytest.mark.parametrize("text", ["", "all day", "08:00", "25:00-26:00", "mon-xyz", "08:00-08:00", "mon_fri"])
def test_hours_that_cannot_be_read_are_refused(text):
    with pytest.raises(SettingsError, match="hours"):
        time_intervals.parse(text)


TURNS = Roster(
    name="piket",
    otherwise="wacht",
    turn=["jansen", "bakker", "visser"],
    begins=datetime.fromisoformat("2026-10-19T09:00:00+02:00"),
    shift=[
        Shift(
            receiver="mulder",
            begins=datetime.fromisoformat("2026-11-20T09:00:00+01:00"),
            ends=datetime.fromisoformat("2026-11-21T09:00:00+01:00"),
        )
    ],
)


@pytest.mark.parametrize(
    ("when", "receiver"),
    [
        ("2026-10-19T08:59:59+02:00", "wacht"),
        ("2026-10-19T09:00:00+02:00", "jansen"),
        ("2026-10-26T08:59:59+01:00", "jansen"),  # winter time began the day before: nine is still nine
        ("2026-10-26T09:00:00+01:00", "bakker"),
        ("2026-11-09T09:00:00+01:00", "jansen"),
        ("2026-11-20T12:00:00+01:00", "mulder"),
        ("2026-11-21T09:00:00+01:00", "bakker"),
    ],
)
def test_turns_change_at_the_same_hour_summer_and_winter(when, receiver):
    assert TURNS.find_on_duty(datetime.fromisoformat(when)) == receiver


@given(MOMENTS)
def test_a_receiver_is_always_on_duty(now):
    assert TURNS.find_on_duty(now) in TURNS.members


def test_a_route_to_a_roster_notifies_and_reminds_the_receiver_on_duty():
    policy = NotificationPolicy([Route(receiver="piket")], rosters=[TURNS])
    (decision,) = policy.decide(make_alert(), {}, datetime.fromisoformat("2026-11-20T12:00:00+01:00"))
    assert (decision.receiver, describe_detail(decision.detail, "en")) == ("mulder", "on duty for piket")
    assert Rosters([TURNS]).can_lead_to("piket", "mulder")
    assert not Rosters([TURNS]).can_lead_to("piket", "de-wit")


@pytest.mark.parametrize(
    "fields",
    [{"turn": ["a"]}, {"shift": [{"receiver": "a", "begins": ONSET, "ends": ONSET - timedelta(1)}]}],
)
def test_a_roster_that_cannot_work_is_refused(fields):
    shifts = fields.pop("shift", [])
    with pytest.raises(SettingsError):
        Roster(name="piket", otherwise="wacht", shift=[Shift(**shift) for shift in shifts], **fields)


def test_routes_apply_only_at_their_hours():
    routes = [Route(receiver="dag", hours=["mon-fri 08:00-18:00"]), Route(receiver="nacht")]
    for when, receiver in (("2026-11-20T10:00:00+00:00", "dag"), ("2026-11-21T02:00:00+00:00", "nacht")):
        assert [
            v.receiver for v in NotificationPolicy(routes).decide(make_alert(), {}, datetime.fromisoformat(when))
        ] == [receiver]


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=3, max_size=12), st.data())
def test_a_polygon_agrees_with_a_test_of_every_edge(corners, data):
    x, y = data.draw(st.tuples(*[st.integers(-41, 41).map(lambda n: n + 0.5)] * 2))
    ring = [*corners, corners[0]]
    slow = sum(
        (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )
    text = f"POLYGON(({', '.join(f'{a} {b}' for a, b in ring)}))"
    on_an_edge = any(
        (y1 > y) != (y2 > y) and abs(x - (x1 + (y - y1) / (y2 - y1) * (x2 - x1))) < 1e-9
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )
    assert on_an_edge or polygon.parse(text).contains(y, x) is (slow % 2 == 1)


@given(
    st.sets(st.sampled_from(["mon-fri 18:00-08:00", "sat-sun", "22:00-06:30", "fri", "sun-tue 03:00-04:00"])).map(
        sorted
    ),
    MOMENTS,
)
def test_a_week_mask_agrees_with_its_intervals(texts, now):
    week = time_intervals.build_week_mask(texts)
    covered = not texts or any(time_intervals.parse(text).covers(now) for text in texts)
    assert (week is None or bool(week[time_intervals.minute_of_week(now)])) is covered


LEVEL = "eu-information-pm10-day"


@pytest.mark.parametrize(("levels", "receivers"), [
    ({LEVEL}, ["ggd"]), ({LEVEL, "who-2021-pm10-day"}, ["ggd"]), ({"who-2021-pm10-day"}, ["od"]), (set(), ["od"]),
])  # fmt: skip
def test_a_route_with_levels_takes_an_alert_only_if_one_of_them_is_reached(levels, receivers):
    routes = [Route(receiver="ggd", at_or_above=[LEVEL, "eu-alert-pm10-day"]), Route(receiver="od")]
    policy = NotificationPolicy(routes)
    assert policy.uses_levels
    assert [d.receiver for d in policy.decide(make_alert(), {}, ONSET, levels=levels)] == receivers


def test_a_policy_without_levels_asks_for_none():
    assert not NotificationPolicy([Route(receiver="od")]).uses_levels


def test_the_end_of_an_event_passes_a_route_with_levels_as_any_threshold():
    """A notified receiver gets the end although the mean has fallen below the level since."""
    (decision,) = NotificationPolicy([Route(receiver="ggd", at_or_above=[LEVEL])]).decide(
        make_ended_alert(2), {}, ONSET
    )
    assert decision.receiver == "ggd"
