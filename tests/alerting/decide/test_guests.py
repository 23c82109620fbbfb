"""An event at guests alone notifies nobody; an event at a guest and another station is decided as any event."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import GUEST_PREFIX, Change, Severity
from alerting.decide.dedup import EarlierRevisions
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import DecisionReason, Route
from alerting.plume import build_plume, event_of_alert
from edge_agent import wire
from tests.alerting.sample_alerts import ONSET, make_alert

POLICY = NotificationPolicy(
    [Route(receiver="od", go_on=True), Route(receiver="sure", least_confidence=0.9, go_on=True), Route(receiver="all")]
)
REVISIONS = st.builds(EarlierRevisions, rose_at_end=st.booleans(), is_found_over=st.booleans())


def guest_alert(**changes):
    return structs.replace(make_alert(), station="guest-duin", only_guests=True, **changes)


CHANGES = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(Severity),
        "change": st.sampled_from(Change),
        "kind": st.sampled_from(["peak", "regional"]),
        "confidence": st.floats(0, 1),
        "detected_late": st.booleans(),
    }
)


@given(changes=CHANGES, calm=st.booleans(), earlier=REVISIONS)
def test_an_alert_from_guests_alone_notifies_nobody(changes, calm, earlier):
    alert = guest_alert(**changes)
    decisions = POLICY.decide(alert, {}, ONSET, calm=calm, earlier=earlier)
    assert {decision.receiver for decision in decisions} == {"od", "sure", "all"}
    assert not any(decision.notify for decision in decisions)
    assert {decision.reason for decision in decisions} == {DecisionReason.GUEST}


@given(severity=st.sampled_from(Severity), late=st.booleans(), confidence=st.floats(0, 1))
def test_a_guest_beside_another_station_is_decided_as_any_other(severity, late, confidence):
    corroborated = guest_alert(severity=severity, detected_late=late, confidence=confidence)
    corroborated = structs.replace(corroborated, only_guests=False)
    assert POLICY.decide(corroborated, {}, ONSET) == POLICY.decide(
        structs.replace(corroborated, station="wijk-aan-zee"), {}, ONSET
    )


def test_a_guest_never_leads_a_plume_with_another_station():
    guest = structs.replace(guest_alert(severity=Severity.EXTREME), event_id="a", excess=500.0, peak=510.0)
    own = structs.replace(make_alert(), event_id="b", severity=Severity.MINOR)
    plume = build_plume("a", own.area, [event_of_alert(guest), event_of_alert(own)])
    assert plume.leading.station == own.station
    assert plume.severity is Severity.MINOR
    assert build_plume("a", own.area, [event_of_alert(guest)]).leading.station == "guest-duin"


def test_agent_and_alerting_know_guests_by_the_same_ids():
    assert GUEST_PREFIX == wire.GUEST_PREFIX
