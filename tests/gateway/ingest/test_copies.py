"""Two cards of a node are seen while both send, and no longer."""

from datetime import UTC, datetime

from edge_agent.wire import ClockState
from gateway.decoding.decode import BatchHeader, Payload
from gateway.ingest.copies import CopyDetector
from tests.gateway.enrolled_node import T0


def make_header(inc, second):
    """Return the header of one live reading; each incarnation has a boot of its own."""
    at = T0 + second * 1000
    payload = Payload(topic="", body=b"", received_at=datetime.fromtimestamp(at / 1000, UTC))
    return BatchHeader(
        payload=payload,
        sha256=b"",
        node="ijm-001",
        inc=inc,
        seq=second,
        boot=inc,
        mono=at,
        clock=ClockState.SYNCED,
        t0=at,
        earliest_ms=at,
        latest_ms=at,
        readings=1,
        late=False,
    )


def sightings(detector, *batches):
    """Return whether each batch shows two cards; a batch is an incarnation and a second."""
    return [bool(detector.find_copies([make_header(inc, second)], [])) for inc, second in batches]


def test_two_cards_are_seen_at_every_turn():
    turns = [("a", 0), ("b", 1), ("a", 20), ("b", 21), ("a", 22), ("b", 23)]
    assert sightings(CopyDetector(), *turns) == [False, False, False, True, True, True]


def test_a_copy_that_stopped_is_seen_no_more():
    detector = CopyDetector()
    assert any(sightings(detector, ("a", 0), ("b", 1), ("a", 20), ("b", 21), ("a", 22)))
    assert not any(sightings(detector, *(("a", second) for second in range(23, 90))))


def test_a_new_card_after_the_old_one_is_no_copy():
    assert not any(sightings(CopyDetector(), *(("a", s) for s in range(60)), *(("b", s) for s in range(60, 120))))
