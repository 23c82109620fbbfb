"""The lanes: live batches first, the backlog at its rate, few unacknowledged, retries at growing intervals."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.collector import BatchSettings
from edge_agent.lanes import (
    BACKLOG_OUTSTANDING,
    IN_FLIGHT,
    OUTSTANDING,
    Idle,
    Lane,
    Lanes,
    Reconnect,
    Resend,
    SendNext,
)

SETTINGS = BatchSettings(resend_seconds=30.0, backlog_per_second=10.0)


class Link:
    """A spool of numbers, a broker and a gateway in a few lines, as the publisher uses them."""

    def __init__(self, waiting: int, *, settings: BatchSettings = SETTINGS, start: float = 0.0) -> None:
        self.now, self.spool = 0.0, list(range(1, waiting + 1))
        self.lanes = Lanes(settings, backlog_end=waiting, now=0.0, backlog_delay=start)
        self.sent: list[tuple[float, int, Lane | None]] = []

    def store(self) -> int:
        self.spool.append(max([0, *self.spool]) + 1)
        self.lanes.notify_stored()
        return self.spool[-1]

    def step(self) -> SendNext | Resend | Idle | Reconnect:
        decision = self.lanes.decide(self.now)
        match decision:
            case SendNext(lane=lane, after=after, until=until):
                unsent = [s for s in self.spool if s > after and (until is None or s <= until)]
                if unsent:
                    self.lanes.record_sent(unsent[0], lane, self.now)
                    self.sent.append((self.now, unsent[0], lane))
                else:
                    self.lanes.mark_exhausted(lane)
            case Resend(seq=seq):
                self.lanes.record_resent(seq, self.now)
                self.sent.append((self.now, seq, None))
        return decision

    def settle(self, *, acknowledge: bool = True) -> None:
        """Send all that may be sent now."""
        while not isinstance(self.step(), Idle | Reconnect):
            if acknowledge and self.sent:
                self.lanes.record_acknowledged(self.sent[-1][1])

    def run_until(self, end: float, *, acknowledge: bool = True) -> None:
        while self.now < end:
            self.settle(acknowledge=acknowledge)
            decision = self.lanes.decide(self.now)
            self.now = min(end, decision.until) if isinstance(decision, Idle) else end


def test_a_new_batch_is_sent_before_the_backlog():
    link = Link(100)
    link.settle()
    new = link.store()
    link.now += 1.0
    link.step()
    assert link.sent[-1][1:] == (new, Lane.LIVE)


def test_the_backlog_is_sent_oldest_first_within_its_rate():
    link = Link(1000)
    link.run_until(10.0)
    assert [seq for _, seq, _ in link.sent] == list(range(1, len(link.sent) + 1))
    assert 95 <= len(link.sent) <= 110


def test_a_fleet_does_not_begin_its_backlog_at_once():
    link = Link(100, start=5.0)
    link.run_until(4.9)
    assert link.sent == []
    link.run_until(6.0)
    assert link.sent


def test_the_number_of_unacknowledged_batches_is_bounded():
    link = Link(100)
    for _ in range(20):
        link.store()
    link.settle(acknowledge=False)
    assert len(link.sent) == IN_FLIGHT


def test_unconfirmed_batches_are_sent_again_at_growing_intervals():
    link = Link(1)
    link.run_until(2000.0)
    times = [at for at, _, _ in link.sent]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:5] == [30.0, 60.0, 120.0, 240.0, 480.0]
    assert max(gaps) <= 600.0


def test_confirmed_batches_are_not_sent_again():
    link = Link(5)
    link.run_until(1.0)
    link.lanes.record_stored([1, 2, 3, 5])
    link.run_until(100.0)
    assert {seq for at, seq, _ in link.sent if at > 1.0} == {4}


def test_a_batch_with_another_key_is_sent_again_at_once():
    link = Link(5)
    link.run_until(1.0)
    link.lanes.record_conflicts([2, 99], link.now)
    link.run_until(2.0)
    assert [seq for at, seq, _ in link.sent if at >= 1.0] == [2]


def test_a_broker_without_acknowledgements_is_disconnected():
    link = Link(1)
    link.settle(acknowledge=False)
    link.now = 29.9
    assert isinstance(link.step(), Idle)
    link.now = 30.0
    assert isinstance(link.step(), Reconnect)


def test_memory_is_bounded_while_the_gateway_is_silent():
    link = Link(5000, settings=BatchSettings(backlog_per_second=10_000.0, resend_seconds=10_000.0))
    link.run_until(5.0)
    assert len(link.sent) == BACKLOG_OUTSTANDING
    for _ in range(2 * OUTSTANDING):
        link.store()
    link.settle()
    assert len(link.sent) == OUTSTANDING
    assert link.sent[-1][2] is Lane.LIVE


def test_after_all_confirmations_nothing_is_sent():
    link = Link(3)
    link.store()
    link.run_until(1.0)
    link.lanes.record_stored([1, 2, 3, 4])
    link.settle()
    assert link.lanes.is_idle


@given(st.lists(st.sampled_from(["store", "second", "confirm", "lost"]), max_size=60), st.integers(0, 30))
def test_in_any_sequence_of_events_every_batch_is_sent_and_live_batches_in_order(story, waiting):
    link = Link(waiting)
    for event in story:
        if event == "store":
            link.store()
        elif event == "confirm" and link.sent:
            link.lanes.record_stored([link.sent[-1][1]])
        link.now += 1.0 if event == "second" else 0.0
        link.settle(acknowledge=event != "lost")
        for _, seq, _ in link.sent:
            link.lanes.record_acknowledged(seq)
    link.run_until(link.now + 20.0)
    assert {seq for _, seq, _ in link.sent} == set(link.spool)
    live = [seq for _, seq, lane in link.sent if lane is Lane.LIVE]
    assert live == sorted(live)
    assert all(seq > waiting for seq in live)
