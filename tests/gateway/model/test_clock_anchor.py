"""Which stamps are believed, which anchor dates a boot, and by how much."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from edge_agent.wire import ClockState, ReadingBatch
from gateway.model.clock_anchor import Anchor, PendingBatch
from gateway.model.clock_doubt import ClockDoubt, describe_clock_error, find_clock_doubt

NOW_MS = 1_795_228_800_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
MINUTE_MS, DAY_MS = 60_000, 86_400_000
SYNCED, UNSYNCED, STEPPED = ClockState


@pytest.mark.parametrize(
    ("clock", "hist", "error_ms", "doubt"),
    [
        (SYNCED, False, -14 * DAY_MS, None),  # a broker may have held it
        (SYNCED, True, -14 * DAY_MS, None),
        (SYNCED, False, 3 * MINUTE_MS, ClockDoubt.AHEAD),
        (UNSYNCED, False, 3 * MINUTE_MS, ClockDoubt.AHEAD),
        (UNSYNCED, False, 2 * MINUTE_MS, None),
        (UNSYNCED, False, -2 * MINUTE_MS, None),
        (UNSYNCED, False, -2 * MINUTE_MS - 1, ClockDoubt.BEHIND),
        (STEPPED, False, -3 * MINUTE_MS, ClockDoubt.BEHIND),
        (UNSYNCED, True, -MINUTE_MS, ClockDoubt.UNCONFIRMED),
        (SYNCED, False, -NOW_MS, ClockDoubt.NEVER_SET),
    ],
)
def test_stamps_are_doubted_by_clock_lane_and_distance(clock, hist, error_ms, doubt):
    at = NOW_MS + error_ms
    batch = ReadingBatch(
        v=1, node="a", inc="a" * 12, seq=1, boot="b", clock=clock, hist=hist, t0=at, dt=[0], values={"pm10": [1.0]}
    )
    assert find_clock_doubt(batch, at, at, NOW_MS) is doubt


def test_the_best_anchor_is_the_same_for_every_order():
    anchors = [
        Anchor(offset_ms=0, mono=500, synced=True),
        Anchor(offset_ms=9000, mono=900, synced=True),
        Anchor(offset_ms=70_000, mono=10, synced=False),
    ]
    for order in permutations(anchors):
        best = None
        for anchor in order:
            best = anchor if anchor.is_better_than(best) else best
        assert best == anchors[0]


PENDING = PendingBatch(
    batch_id=1,
    node="a",
    boot="b",
    doubt="behind",
    first_at=NOW - timedelta(days=14),
    last_at=NOW - timedelta(days=14),
    applied_ms=None,
    anchor_shift_ms=14 * DAY_MS,
    received_at=NOW,
)


@pytest.mark.parametrize(
    ("change", "shift_ms", "moves"),
    [
        ({}, 14 * DAY_MS, True),
        ({"anchor_shift_ms": 400}, 0, True),  # confirmed: only its flag goes
        ({"anchor_shift_ms": 400, "doubt": None}, 0, False),
        ({"applied_ms": 14 * DAY_MS}, 14 * DAY_MS, False),
        ({"applied_ms": 14 * DAY_MS - 90_000}, 14 * DAY_MS, True),
        ({"anchor_shift_ms": 15 * DAY_MS}, None, True),  # after its own arrival: that anchor is wrong
        ({"first_at": None, "last_at": None}, 14 * DAY_MS, False),
    ],
)
def test_an_anchor_moves_a_batch_but_never_past_its_arrival(change, shift_ms, moves):
    batch = replace(PENDING, **change)
    assert (batch.shift_ms, batch.moves) == (shift_ms, moves)


def test_the_error_of_a_clock_is_described_in_words():
    assert describe_clock_error(-14 * DAY_MS) == "its clock is 14 days, 0:00:00 behind"
    assert describe_clock_error(90_400) == "its clock is 0:01:30 ahead"
