"""Batches of a wrong clock are dated again once an anchor of their boot is known, and everything follows."""

import asyncio
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.wire import ClockState, Flag, generate_incarnation
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest import late_data
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0
from tests.gateway.ingest.killed_dating import POINTS

DAY_MS = 86_400_000
BOOT_MS = 1_000_000  # true time since boot at T0


@pytest.fixture
async def store(database):
    opened = Store(database)
    yield opened
    await opened.close()


@pytest.fixture
def pipeline(store):
    return make_pipeline(store)


def make_pipeline(store):
    return Pipeline(store, Flagger(), Detector(DetectionSettings()))


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def execute(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


STORED = """SELECT (extract(epoch FROM o.observed_at) * 1000)::bigint,
                   (extract(epoch FROM o.stamped_at) * 1000)::bigint, o.value, o.flags
            FROM observation o JOIN datastream d ON d.id = o.datastream_id
            WHERE d.property_id = 'pm2_5' ORDER BY 1, 3, 2"""


def reading(node, seq, *, true_ms, value=8.0, wrong_ms=0, arrived_ms=1000, **fields):
    """One reading taken at `true_ms`, stamped `wrong_ms` later, received `arrived_ms` after it was taken."""
    return node.payload(
        seq,
        t0=true_ms + wrong_ms,
        dt=[0],
        mono=BOOT_MS + true_ms - T0,
        values={"pm2_5": [value]},
        received_at=datetime.fromtimestamp((true_ms + arrived_ms) / 1000, UTC),
        **fields,
    )


async def finish_dating(pipeline):
    for _ in range(100):
        await pipeline.date_pending_batches()


BACKGROUND, PEAK, AFTER = range(600), range(600, 645), range(645, 1200)


def seconds_with_peak(node, *, wrong_ms, synced_from=700, hist=False):
    """Twenty minutes with a peak of 60 for 45 readings at 8; the clock is set `synced_from` seconds after the start."""
    for s in (*BACKGROUND, *PEAK, *AFTER):
        value = 60.0 if s in PEAK else 8.0 + 0.1 * (s % 3)
        is_set = s >= synced_from
        yield reading(
            node,
            s + 1,
            true_ms=T0 + s * 1000,
            value=value,
            wrong_ms=0 if is_set else wrong_ms,
            clock=ClockState.SYNCED if is_set else ClockState.UNSYNCED,
            hist=hist and not is_set,
        )


WRONG_CLOCKS = {"behind": -14 * DAY_MS, "ahead": 14 * DAY_MS, "never set": -T0 + 1000}


@pytest.mark.parametrize("clock", WRONG_CLOCKS)
@pytest.mark.parametrize("lane", ["live", "backlog"])
async def test_a_peak_while_the_clock_was_wrong_is_found_as_late(node, database, monkeypatch, clock, lane):
    store = Store(database)
    try:
        await check_peak(store, node, database, monkeypatch, (WRONG_CLOCKS[clock], lane == "backlog"))
    finally:
        await store.close()


async def check_peak(store, node, database, monkeypatch, fault):
    pipeline, (wrong_ms, hist) = make_pipeline(store), fault
    sent = list(seconds_with_peak(node, wrong_ms=wrong_ms, hist=hist))
    for first in range(0, 700, 50):
        await pipeline.process(sent[first : first + 50])
    assert rows(database, "SELECT id FROM event") == [], "nothing is detected on stamps that are not believed"
    assert rows(database, "SELECT DISTINCT flags & 16384 FROM observation") == [(int(Flag.TIME_SUSPECT),)]
    for first in range(700, 1200, 50):
        await pipeline.process(sent[first : first + 50])
    await finish_dating(pipeline)
    await detect_late(store, node, database, monkeypatch)
    stored = rows(database, STORED)
    assert [at for at, *_ in stored] == [T0 + s * 1000 for s in (*range(1200), 1260)]
    assert [stamp for _, stamp, *_ in stored[:700]] == [T0 + s * 1000 + wrong_ms for s in range(700)]
    assert {stamp for _, stamp, *_ in stored[700:]} == {None}
    assert not any(flags & Flag.TIME_SUSPECT for *_, flags in stored)
    events = rows(database, "SELECT detected_late, onset, peak FROM event")
    assert [(late, peak) for late, _, peak in events] == [(True, 60.0)]
    onset = (events[0][1] - datetime.fromtimestamp(T0 / 1000 + PEAK[0], UTC)).total_seconds()
    assert abs(onset) <= 15
    means = rows(
        database,
        f"""SELECT extract(epoch FROM bucket)::bigint * 1000 - {T0}, max FROM observation_1min
            WHERE count > 0 ORDER BY bucket""",
    )
    assert [minute for minute, highest in means if highest == 60.0] == [600_000], "the minute of the peak, and no other"
    assert len(means) == 21


async def detect_late(store, node, database, monkeypatch):
    """Let the gaps be old enough, and send one more reading to a gateway that just started."""
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 0.0)
    execute(database, "UPDATE gap SET changed_at = now() - interval '2 minutes'")
    await make_pipeline(store).process([reading(node, 9000, true_ms=T0 + 1_260_000)])


@pytest.mark.parametrize("seconds_after", [5, 20])
async def test_an_event_that_was_open_when_it_was_found_late_ends_with_later_readings(
    node, pipeline, database, monkeypatch, seconds_after
):
    """The clock is set right after the peak, and the gap is repaired before any reading shows its end."""
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 0.0)
    sent = list(seconds_with_peak(node, wrong_ms=-14 * DAY_MS, synced_from=PEAK[-1] + 1))
    found_after = PEAK[-1] + 1 + seconds_after
    for first in range(0, found_after, 5):
        await pipeline.process(sent[first : first + 5])
    await finish_dating(pipeline)
    for second in (found_after, found_after + 1):
        execute(database, "UPDATE gap SET changed_at = now() - interval '2 minutes'")
        await pipeline.process([sent[second]])
    assert rows(database, "SELECT revision, change, detected_late FROM event") == [(1, "opened", True)]
    for first in range(found_after + 2, 1150, 50):
        await pipeline.process(sent[first : first + 50])
    execute(database, "UPDATE gap SET changed_at = now() - interval '2 minutes'")
    await pipeline.process(sent[1190:1191])
    ((revision, change, late, end),) = rows(database, "SELECT revision, change, detected_late, ended_at FROM event")
    assert (revision, change, late) == (2, "ended", True)
    assert abs(end.timestamp() - T0 / 1000 - PEAK[-1]) <= 15
    assert rows(database, "SELECT 1 FROM gap") == [], "it is not analysed again"


async def test_a_station_with_wrong_stamps_is_silent_until_its_clock_is_set(pipeline, node, database):
    heard = "SELECT extract(epoch FROM last_heard)::bigint * 1000 FROM alerting.heard"
    await pipeline.process([reading(node, 1, true_ms=T0)])
    assert rows(database, heard) == [(T0 + 1000,)]
    wrong = {"wrong_ms": -14 * DAY_MS, "clock": ClockState.UNSYNCED}
    await pipeline.process([reading(node, 2, true_ms=T0 + 10_000, **wrong)])
    await pipeline.process([reading(node, 3, true_ms=T0 + 900_000, **wrong)])
    assert rows(database, heard) == [(T0 + 11_000,)], "silent since the first batch that could not be dated"
    late = reading(node, 4, true_ms=T0 + 5_000, hist=True)
    await pipeline.process([late])
    assert rows(database, heard) == [(T0 + 11_000,)], "a batch from the backlog says nothing about the present clock"
    await pipeline.process([reading(node, 5, true_ms=T0 + 910_000)])
    assert rows(database, heard) == [(T0 + 911_000,)]
    undated = rows(database, "SELECT undated_since, clock_error_ms FROM node_status")
    assert undated == [(None, -1000)]


async def test_another_boot_dates_nothing_and_a_later_one_of_the_same_boot_dates_all(pipeline, node, database):
    wrong = {"wrong_ms": -3 * DAY_MS, "clock": ClockState.UNSYNCED}
    await pipeline.process([reading(node, 1, true_ms=T0, boot="a", **wrong)])
    await pipeline.process([reading(node, 2, true_ms=T0 + 60_000, boot="b")])
    await finish_dating(pipeline)
    assert [at for at, *_ in rows(database, STORED)] == [T0 - 3 * DAY_MS, T0 + 60_000]
    await pipeline.process([reading(node, 3, true_ms=T0 + 30_000, boot="a", hist=True)])
    await finish_dating(pipeline)
    assert [at for at, *_ in rows(database, STORED)] == [T0, T0 + 30_000, T0 + 60_000]


async def test_a_backlog_of_an_unset_clock_that_agrees_with_the_gateway_keeps_its_stamps(pipeline, node, database):
    unset = {"clock": ClockState.UNSYNCED}
    await pipeline.process([reading(node, 1, true_ms=T0, hist=True, arrived_ms=3_600_000, **unset)])
    assert rows(database, STORED)[0][3] & Flag.TIME_SUSPECT
    await pipeline.process([reading(node, 2, true_ms=T0 + 3_601_000, **unset)])
    await finish_dating(pipeline)
    assert [row[:2] for row in rows(database, STORED)] == [(T0, None), (T0 + 3_601_000, None)]
    assert not any(flags & Flag.TIME_SUSPECT for *_, flags in rows(database, STORED))


async def test_a_node_without_time_since_boot_stays_undated(pipeline, node, database):
    lost = node.payload(1, t0=T0 - DAY_MS, dt=[0], values={"pm2_5": [8.0]}, clock=ClockState.UNSYNCED)
    await pipeline.process([lost])
    await pipeline.process([reading(node, 2, true_ms=T0)])
    await finish_dating(pipeline)
    assert [(at, stamp) for at, stamp, *_ in rows(database, STORED)] == [(T0 - DAY_MS, None), (T0, None)]
    assert rows(database, STORED)[0][3] & Flag.TIME_SUSPECT


@dataclass(frozen=True)
class Sent:
    """A batch as the oracle knows it."""

    boot: int
    second: int
    wrong_ms: int
    clock: ClockState
    hist: bool


@st.composite
def journeys(draw):
    """Batches of up to three boots; in each the clock is wrong by some steps, and right once it is set, if ever."""
    sent = []
    for boot in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 6))
        set_at = draw(st.integers(0, count))  # equal to count: never
        for i in range(count):
            is_set = i >= set_at
            wrong_ms = 0 if is_set else draw(st.sampled_from([-14 * DAY_MS, 3 * DAY_MS, -90_000, 0, -3_600_000]))
            clock = ClockState.SYNCED if is_set else draw(st.sampled_from([ClockState.UNSYNCED, ClockState.STEPPED]))
            sent.append(Sent(boot, boot * 1000 + i * 10, wrong_ms, clock, draw(st.booleans())))
    return draw(st.permutations(list(enumerate(sent, start=1))))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(journey=journeys(), cuts=st.integers(1, 4))
async def test_the_times_of_every_boot_with_an_anchor_are_true_whatever_the_order_of_arrival(
    pipeline, node, database, journey, cuts
):
    inc = generate_incarnation()  # each example has a spool of its own
    execute(database, "TRUNCATE observation")
    payloads = [
        reading(
            node,
            seq,
            true_ms=T0 + sent.second * 1000,
            value=float(seq),
            wrong_ms=sent.wrong_ms,
            arrived_ms=3_600_000 if sent.hist else 1000,
            clock=sent.clock,
            hist=sent.hist,
            boot=f"{inc}-{sent.boot}",
            inc=inc,
        )
        for seq, sent in journey
    ]
    for first in range(0, len(payloads), cuts):
        await pipeline.process(payloads[first : first + cuts])
    await finish_dating(pipeline)
    synced = {sent.boot for _, sent in journey if sent.clock is ClockState.SYNCED}
    expected = sorted((T0 + sent.second * 1000, float(seq)) for seq, sent in journey if sent.boot in synced)
    values = {value for _, value in expected}
    stored = rows(database, STORED)
    assert len(stored) == len(journey)
    assert sorted((at, value) for at, _, value, _ in stored if value in values) == expected
    assert not any(flags & Flag.TIME_SUSPECT for *_, value, flags in stored if value in values)


@pytest.mark.parametrize("seed", range(5))
def test_a_gateway_killed_while_it_dates_batches_moves_each_row_once(node, database, seed):
    seconds, generator = 170, random.Random(seed)

    async def store_all():
        store = Store(database)
        pipeline = make_pipeline(store)
        wrong = {"wrong_ms": -14 * DAY_MS, "clock": ClockState.UNSYNCED}
        for s in range(seconds):
            await pipeline.process([reading(node, s + 1, true_ms=T0 + s * 1000, value=float(s), **wrong)])
        await pipeline.process([reading(node, seconds + 1, true_ms=T0 + seconds * 1000, value=float(seconds))])
        await store.close()

    asyncio.run(store_all())
    point, count = list(POINTS)[seed], generator.randint(1, 2)
    assert date_in_process(database, point, count) == -signal.SIGKILL
    assert rows(database, "SELECT count(*) FROM clock_suspect WHERE is_pending")[0][0] > 0, "it died in the middle"
    assert date_in_process(database, "none", 0) == 0
    true_times = [(T0 + s * 1000, float(s)) for s in range(seconds + 1)]
    assert [(at, value) for at, _, value, _ in rows(database, STORED)] == true_times
    assert rows(database, "SELECT since, until FROM gap") == [
        (datetime.fromtimestamp(T0 / 1000, UTC), datetime.fromtimestamp(T0 / 1000 + seconds - 1, UTC))
    ]


def date_in_process(dsn, point, count):
    command = [sys.executable, "-m", "tests.gateway.ingest.killed_dating", dsn, point, str(count)]
    return subprocess.run(command, check=False).returncode


async def test_a_node_whose_clock_is_never_set_postpones_no_detection_in_gaps(node, pipeline, database, monkeypatch):
    """Its stamps are believed by the anchor of its boot: dating them gives detection nothing new."""
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 0.3)
    await pipeline.process([reading(node, 1, true_ms=T0, clock=ClockState.SYNCED)])
    await pipeline.process([reading(node, 2, true_ms=T0 - 60_000, clock=ClockState.SYNCED, hist=True)])
    assert rows(database, "SELECT count(*) FROM gap") == [(1,)]
    for second in range(1, 16):
        await pipeline.process([reading(node, 2 + second, true_ms=T0 + 1000 * second, clock=ClockState.UNSYNCED)])
        await asyncio.sleep(0.1)
    assert rows(database, "SELECT count(*) FROM gap") == [(0,)]
