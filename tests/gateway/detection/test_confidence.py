"""How sure one is of an event: what raises it, what lowers it, and where it stops."""

import pytest

from gateway.detection.confidence import assess_confidence
from gateway.model.event import EventChange, EventKind, Neighbours

EVENT = {
    "change": EventChange.ENDED,
    "kind": EventKind.PEAK,
    "excess": 8.0,
    "background": 8.0,
    "noise": 1.0,
    "flags": 0,
    "neighbours": Neighbours(fresh=0, risen=0),
    "agrees": 0,
    "disagrees": 0,
    "minutes": 5.0,
    "waited": None,
}


def sure(**changes):
    return assess_confidence(**{**EVENT, **changes}).value


@pytest.mark.parametrize("change", list(EventChange))
def test_the_larger_the_surer_up_to_what_was_seen_to_matter(change):
    said = [sure(change=change, excess=excess) for excess in (1e-12, 1, 3, 10, 30, 40, 1e6)]
    assert said == sorted(said)
    assert said[-1] == said[-2] <= 0.99
    assert said[0] >= 0.01


@pytest.mark.parametrize("change", [EventChange.OPENED, EventChange.UPDATED, EventChange.ENDED])
def test_what_takes_long_is_doubted_and_a_release_of_an_hour_no_more_than_that(change):
    said = [sure(change=change, minutes=minutes) for minutes in (0, 5, 10, 60, 180)]
    assert said == sorted(said, reverse=True)
    assert said[-1] == said[-2]
    assert sure(change=change, minutes=60, excess=40.0) > 0.85


def test_one_reading_and_its_tail_are_believed_by_how_soon_the_tail_was_known():
    said = [sure(change=EventChange.OPENED, excess=500.0, waited=minutes) for minutes in (0.5, 1, 2, 2.5, 5)]
    assert said == sorted(said, reverse=True)
    assert said[0] == said[1]
    assert said[1] > 0.6 > said[2] > said[3] > 0.3 > said[4]
    assert assess_confidence(**{**EVENT, "waited": 1.0}).reasons[-1] == "single_reading"
    assert sure(excess=1.0, waited=1.0) == sure(excess=1.0)


@pytest.mark.parametrize("kind", [EventKind.GLITCH, EventKind.SENSOR, EventKind.HUMIDITY])
def test_what_is_no_peak_is_not_believed_however_high(kind):
    assert sure(kind=kind, excess=1e4) < 0.15


def test_the_judge_is_believed_less_the_longer_the_event_took():
    values = [sure(judged=1.7, minutes=minutes) for minutes in (2.5, 10, 30, 60, 180)]
    assert values == sorted(values, reverse=True)
    assert values[1] < sure(judged=1.7, change=EventChange.OPENED) == pytest.approx(0.85, abs=0.01)
    assert values[-1] == values[-2]


def test_a_judge_that_is_surer_makes_a_surer_end():
    values = [sure(judged=judged) for judged in (-30, -2, 0, 2, 4, 30)]
    assert values == sorted(values)
    assert values[0] >= 0.01
    assert values[-1] == 0.99
