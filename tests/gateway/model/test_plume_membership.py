"""Which plume a new event joins: by its station, by the neighbours that the detector named, and never for too long."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from gateway.model.event import Event, EventChange, EventKind, Neighbours
from gateway.model.plume_membership import CALM, LONGEST, StoredPlumeEvent, choose_plumes

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def make_event(id_, minutes=0.0, *, lasts=None, station="wijk", name="pm2_5", risen=(), window=300, **changes):
    onset = changes.pop("onset", AT + timedelta(minutes=minutes))
    end = None if lasts is None else onset + timedelta(minutes=lasts)
    facts = {
        "id": id_, "revision": 1, "change": EventChange.OPENED if end is None else EventChange.ENDED, "datastream": 0,
        "station": station, "observed_property": name, "onset": onset, "peak_at": onset, "detected_at": onset,
        "end": end, "peak": 80.0, "background": 8.0, "excess": 72.0, "noise": 1.0, "confidence": 0.9,
        "detector": "peak@2#0",
        "neighbours": Neighbours(fresh=3, risen=len(risen), window=window, stations=tuple(risen)) if risen else None,
    }  # fmt: skip
    return Event(**{**facts, **changes})


def choose(*events, stored=(), area="ijmond"):
    return choose_plumes([(area, event) for event in events], stored)


def store(event, plume=None, *, area="ijmond", **changes):
    facts = {
        "plume": plume or event.id, "plume_onset": event.onset, "id": event.id, "area": area, "kind": event.kind.value,
        "change": event.change.value, "station": event.station, "observed_property": event.observed_property,
        "onset": event.onset, "end": event.end,
        "risen_stations": event.neighbours.stations if event.neighbours else (),
        "window": event.neighbours.window if event.neighbours else 0,
    }  # fmt: skip
    return StoredPlumeEvent(**{**facts, **changes})


def test_properties_of_one_station_are_one_plume_with_the_id_of_its_first_event():
    assert choose(make_event("b", 0.1, name="pm10"), make_event("a", 0)) == {"a": "a", "b": "a"}


@pytest.mark.parametrize(("pause", "is_one"), [(CALM, True), (CALM + timedelta(seconds=1), False)])
def test_a_property_that_flickers_is_one_plume_for_five_minutes(pause, is_one):
    first = make_event("a", 0, lasts=2)
    again = make_event("b", 2 + pause.total_seconds() / 60)
    assert choose(again, stored=[store(first)]) == {"b": "a" if is_one else "b"}


def test_a_station_that_the_detector_named_is_in_the_plume_and_another_one_is_not():
    first = store(make_event("a", 0))
    assert choose(make_event("b", 4, station="bever", risen=["wijk"]), stored=[first]) == {"b": "a"}
    assert choose(make_event("b", 4, station="bever"), stored=[first]) == {"b": "b"}
    assert choose(make_event("b", 4, station="bever", risen=["wijk"], name="pm10"), stored=[first]) == {"b": "b"}
    late = make_event("b", 14, station="bever", risen=["wijk"])  # the detector meant an earlier rise
    assert choose(late, stored=[first]) == {"b": "b"}


def test_the_earlier_event_may_be_the_one_that_names_the_other():
    first = store(make_event("a", 0, risen=["bever"]))
    assert choose(make_event("b", 2, station="bever"), stored=[first]) == {"b": "a"}


def test_other_properties_follow_their_station_into_the_plume_of_another_one():
    first = store(make_event("a", 0))
    chosen = choose(
        make_event("b", 3, station="bever", risen=["wijk"]),
        make_event("c", 3.1, station="bever", name="voc_raw"),
        stored=[first],
    )
    assert chosen == {"b": "a", "c": "a"}


def test_a_plume_takes_in_nothing_after_six_hours():
    endless = store(make_event("a", 0))
    at_the_limit = LONGEST.total_seconds() / 60
    assert choose(make_event("b", at_the_limit, name="pm10"), stored=[endless]) == {"b": "a"}
    assert choose(make_event("b", at_the_limit + 1, name="pm10"), stored=[endless]) == {"b": "b"}


def test_areas_kinds_and_voided_events_are_apart():
    peak = make_event("a", 0)
    assert choose(make_event("b", 1), stored=[store(peak, area="dordrecht")]) == {"b": "b"}
    assert choose(make_event("b", 1, kind=EventKind.REGIONAL), stored=[store(peak)]) == {"b": "b"}
    assert choose(make_event("b", 1), stored=[store(peak, change="voided")]) == {"b": "b"}
    regional = store(make_event("r", 0, kind=EventKind.REGIONAL))
    other = make_event("s", 1, kind=EventKind.REGIONAL, station="bever", name="pm10")
    assert choose(other, stored=[regional]) == {"s": "r"}


def test_an_event_joins_the_plume_of_its_own_station_and_then_the_nearest_onset():
    elsewhere = store(make_event("x", 4.9, station="bever"))
    own = store(make_event("y", 0, lasts=1))
    new = make_event("n", 5, risen=["bever"])
    assert choose(new, stored=[elsewhere, own]) == {"n": "y"}
    second = structs.replace(own, id="z", plume="z", onset=own.onset + timedelta(minutes=2), end=None)
    assert choose(new, stored=[own, second]) == {"n": "z"}


def test_an_event_of_late_data_joins_a_plume_that_began_after_it():
    stored = store(make_event("a", 10, lasts=5))
    assert choose(make_event("b", 7, lasts=2, name="pm10"), stored=[stored]) == {"b": "a"}
    assert choose(make_event("b", 1, lasts=2, name="pm10"), stored=[stored]) == {"b": "b"}
