"""What an inspector reads first: one plain sentence in each language, whatever kind of event it is."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.detection.summary import summarize_event
from gateway.model.event import Event, EventChange, EventKind, Neighbours
from tests.laws import build_registry

ONSET = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def told(**facts):
    event = Event(
        **{
            "id": "a" * 16, "revision": 1, "change": EventChange.UPDATED, "datastream": 0, "station": "s0",
            "observed_property": "pm2_5", "onset": ONSET, "peak_at": ONSET, "detected_at": ONSET, "peak": 84.0,
            "background": 14.0, "excess": 70.0, "noise": 1.0, "confidence": 0.9, "detector": "peak@6#1",
        }
        | facts
    )  # fmt: skip
    found = summarize_event(event, build_registry(1))
    return found["nl"], found["en"]


def test_a_peak_is_told_in_multiples_of_its_background_and_with_nobody_beside_it():
    alone = Neighbours(fresh=3, risen=0, stations=())
    dutch, english = told(neighbours=alone, end=ONSET + timedelta(minutes=12))
    assert (
        dutch
        == "PM2,5 bij S0 steeg naar 84,0 µg/m³, 6,0 keer de achtergrond, 12 minuten lang; geen van 3 buren steeg ook."
    )
    assert (
        english
        == "PM2.5 at S0 rose to 84.0 µg/m³, 6.0 times its background, for 12 minutes; none of 3 neighbours rose too."
    )


def test_multiples_of_a_background_within_the_noise_are_not_told():
    assert told(background=1.0, noise=0.8) == ("PM2,5 bij S0 steeg naar 84,0 µg/m³.", "PM2.5 at S0 rose to 84.0 µg/m³.")


@pytest.mark.parametrize(
    ("kind", "dutch", "english"),
    [
        (EventKind.GLITCH, "vrijwel zeker een storing", "probably a fault"),
        (EventKind.HUMIDITY, "waarschijnlijk mist", "probably fog"),
        (EventKind.SENSOR, "niet te vertrouwen", "cannot be trusted"),
        (
            EventKind.REGIONAL,
            "in het hele gebied rond S0, met 70,0 µg/m³",
            "in the whole area around S0, by 70.0 µg/m³",
        ),
    ],
)
def test_what_is_no_peak_of_one_station_says_so(kind, dutch, english):
    nl, en = told(kind=kind)
    assert dutch in nl
    assert english in en


@pytest.mark.parametrize(("seconds", "dutch"), [(45, "45 seconden"), (600, "10 minuten"), (3 * 3600, "3 uur")])
def test_a_duration_is_told_as_one_would_say_it(seconds, dutch):
    assert f", {dutch} lang" in told(end=ONSET + timedelta(seconds=seconds))[0]


def test_of_how_many_neighbours_rose_too_and_within_what_time_is_told():
    near = Neighbours(fresh=9, risen=3, window=190)
    assert told(neighbours=near)[0].endswith("; 3 van 9 buren stegen ook binnen 4 minuten.")
    assert told(neighbours=near)[1].endswith("; 3 of 9 neighbours rose too within 4 minutes.")
    alone = Neighbours(fresh=1, risen=1, window=60)
    assert told(neighbours=alone)[0].endswith("; 1 van 1 buur steeg ook binnen 1 minuut.")
    falling = {"observed_property": "pm2_5", "peak": 4.0, "background": 14.0, "excess": 10.0}
    assert (
        told(neighbours=near, **falling)[0]
        == "PM2,5 bij S0 daalde naar 4,0 µg/m³; 3 van 9 buren daalden ook binnen 4 minuten."
    )


def test_an_episode_of_a_falling_signal_fell_in_the_whole_area():
    falling = {"kind": EventKind.REGIONAL, "peak": 4.0, "background": 14.0, "excess": 10.0}
    assert told(**falling)[0].startswith("PM2,5 daalde in het hele gebied rond S0, met 10,0 µg/m³ onder de achtergrond")


def test_an_event_without_further_readings_says_so():
    assert told(reasons=("no_data",))[0].endswith("; daarna kwamen er geen metingen meer.")
    assert told(reasons=("no_data",))[1].endswith("; no readings followed.")
