"""The newest value is the newest valid one with a believable time, for every order of arrival."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.wire import ClockState, generate_incarnation
from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues

STATION, PROPERTY = "wijk-aan-zee", "pm2_5"
FAULT = 512  # sensor_fault
AHEAD = [-90, 0, 0, 0, 100, 180, 86_400]  # s by which an unset clock is ahead of ours


@dataclass(frozen=True)
class Sent:
    """A batch of one reading: taken `second` seconds after the start, stamped `ahead` seconds later."""

    second: int
    ahead: int
    is_valid: bool
    is_synced: bool


@st.composite
def journeys(draw):
    """Readings of one boot in any order of arrival; the clock is set from some reading on, if at all."""
    count = draw(st.integers(1, 8))
    set_at = draw(st.integers(0, count))
    sent = [
        Sent(
            second=5 * i,
            ahead=0 if i >= set_at else draw(st.sampled_from(AHEAD)),
            is_valid=draw(st.sampled_from([True, True, False])),
            is_synced=i >= set_at,
        )
        for i in range(count)
    ]
    return draw(st.permutations(list(enumerate(sent, start=1))))


def build_payload(node, seq, sent, start, inc):
    true_ms = start + sent.second * 1000
    return node.payload(
        seq,
        t0=true_ms + sent.ahead * 1000,
        dt=[0],
        mono=1_000_000 + sent.second * 1000,
        values={PROPERTY: [float(seq)]},
        flags={} if sent.is_valid else {PROPERTY: [FAULT]},
        clock=ClockState.SYNCED if sent.is_synced else ClockState.UNSYNCED,
        received_at=datetime.fromtimestamp(true_ms / 1000 + 1, UTC),
        boot=inc,
        inc=inc,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(journey=journeys())
async def test_no_order_of_arrival_makes_another_value_the_newest(database, pipeline, node, journey):
    """The live feed shows no stamp ahead of the tolerance; once batches are dated, the newest is that of the oracle."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE observation")
    inc, start = generate_incarnation(), int(time.time() * 1000) - 40_000
    pool = Database(database)
    async with pool.open_pool():
        latest = await LatestValues(pool).refresh_if_stale()
        for seq, sent in journey:
            for message in (await pipeline.process([build_payload(node, seq, sent, start, inc)])).live_messages:
                latest.apply(message)
            assert (read_newest_ms(latest) or 0) <= time.time() * 1000 + 120_000
        for _ in range(10):
            await pipeline.date_pending_batches()
        latest.invalidate()
        await latest.refresh_if_stale()
        minute = latest.build_minutes(STATION).get(PROPERTY)
    expected = find_newest([(seq, sent) for seq, sent in journey])
    if expected is not None:
        assert (minute.value, minute.observed_at[:19]) == (float(expected[0]), format_second(start, expected[1]))


def read_newest_ms(latest):
    minute = latest.build_minutes(STATION).get(PROPERTY)
    return None if minute is None or minute.observed_at is None else to_ms(minute.observed_at)


def to_ms(text):
    return datetime.fromisoformat(text).timestamp() * 1000


def format_second(start, sent):
    return datetime.fromtimestamp((start + sent.second * 1000) / 1000, UTC).isoformat()[:19]


def find_newest(numbered):
    """Return the newest valid reading if the clock of this boot was ever set: then every reading has its true time."""
    if not any(sent.is_synced for _, sent in numbered):
        return None
    return max((pair for pair in numbered if pair[1].is_valid), key=lambda pair: pair[1].second, default=None)


async def test_the_newest_value_is_replaced_when_its_clock_was_wrong(database, pipeline, node):
    """100 s ahead are within the tolerance; then the clock is set, and the value moves to its true time."""
    start, inc = int(time.time() * 1000) - 10_000, generate_incarnation()
    ahead = Sent(second=0, ahead=100, is_valid=True, is_synced=False)
    pool = Database(database)
    async with pool.open_pool():
        latest = LatestValues(pool)
        await pipeline.process([build_payload(node, 1, ahead, start, inc)])
        await latest.refresh_if_stale()
        assert read_newest_ms(latest) == start + 100_000
        synced = Sent(second=5, ahead=0, is_valid=True, is_synced=True)
        (message,) = (await pipeline.process([build_payload(node, 2, synced, start, inc)])).live_messages
        latest.apply(message)
        await pipeline.date_pending_batches()
        await asyncio.sleep(1.2)  # the API asks at most once a second whether it missed a commit
        await latest.refresh_if_stale()
        assert read_newest_ms(latest) == start + 5_000
        assert latest.build_minutes(STATION)[PROPERTY].value == 2.0
