"""A plume: one rule of the leading event, and figures of the whole that follow from its events in any order."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.plume import PlumeState, build_plume, event_of_alert
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert


def event(id_, **changes):
    return event_of_alert(make_alert(event_id=id_, **changes))


def test_the_most_severe_event_leads_then_the_first_property_then_the_highest():
    pm10 = event("a", observed_property="pm10", property_order=1, severity=Severity.MODERATE, excess=90.0)
    pm2_5 = event("b", severity=Severity.MODERATE, excess=20.0)
    elsewhere = event("c", severity=Severity.MODERATE, excess=40.0, station="beverwijk")
    assert build_plume("a", "ijmond", [pm10, pm2_5, elsewhere]).leading.id == "c"
    worse = structs.replace(pm10, severity=Severity.SEVERE)
    assert build_plume("a", "ijmond", [worse, pm2_5, elsewhere]).leading.id == "a"


def test_a_voided_event_leads_only_if_all_were_voided():
    voided = event("a", change=Change.VOIDED, severity=Severity.EXTREME)
    standing = event("b", severity=Severity.MINOR)
    plume = build_plume("a", "ijmond", [voided, standing])
    assert (plume.leading.id, plume.state, plume.severity) == ("b", PlumeState.ONGOING, Severity.MINOR)
    assert [item.id for item in plume.corrected] == ["a"]
    assert build_plume("a", "ijmond", [voided]).state is PlumeState.VOIDED


def test_an_event_of_a_kind_that_is_doubtful_counts_as_disproved():
    plume = build_plume("a", "ijmond", [structs.replace(event("a"), kind="humidity")])
    assert plume.state is PlumeState.VOIDED


def test_a_plume_goes_on_until_its_last_event_is_over():
    ended = event_of_alert(make_ended_alert(event_id="a"))
    assert build_plume("a", "ijmond", [ended, event("b")]).end is None
    later = event_of_alert(make_ended_alert(event_id="b", end=ONSET + timedelta(hours=1)))
    over = build_plume("a", "ijmond", [ended, later])
    assert (over.state, over.end) == (PlumeState.OVER, ONSET + timedelta(hours=1))


def test_without_events_there_is_no_plume():
    with pytest.raises(ValueError, match="no events"):
        build_plume("a", "ijmond", [])


FACTS = st.tuples(
    st.integers(0, 60), st.sampled_from(list(Severity)), st.sampled_from(["pm2_5", "pm10", "voc_raw"]),
    st.sampled_from(["a", "b", "c"]), st.sampled_from(list(Change)), st.floats(1, 500),
)  # fmt: skip


@given(st.lists(FACTS, min_size=1, max_size=8), st.integers())
def test_the_figures_do_not_depend_on_the_order_of_the_events(facts, seed):
    order = ["pm2_5", "pm10", "voc_raw"]
    events = [
        event(
            str(n), onset=ONSET + timedelta(minutes=minute), severity=severity, observed_property=name,
            property_order=order.index(name), station=station, change=change, excess=excess,
        )
        for n, (minute, severity, name, station, change, excess) in enumerate(facts)
    ]  # fmt: skip
    plume = build_plume("0", "ijmond", events)
    random.Random(seed).shuffle(events)
    assert build_plume("0", "ijmond", events) == plume
    counted = [item for item in events if item.counts] or events
    assert plume.severity is max((item.severity for item in counted), key=lambda severity: severity.rank)
    assert plume.onset == min(item.onset for item in counted)
    assert set(plume.stations) == {item.station for item in counted}
    assert plume.stations[0] == plume.leading.station
    assert plume.properties[0].observed_property == plume.leading.observed_property
    assert len(plume.properties) == len({item.observed_property for item in counted})
