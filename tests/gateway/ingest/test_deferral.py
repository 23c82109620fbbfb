"""While a backlog drains, viewers and nodes get every result, later and together; without one, at once."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest import deferral
from gateway.ingest.deferral import DeferredResults
from gateway.ingest.pipeline import Pipeline
from gateway.model.observation import ObservationBatch
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0
from tests.gateway.ingest.test_pipeline import one_second_batch, stored


@pytest.fixture
async def pipeline(database):
    store = Store(database, name="defers")
    yield Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await store.close()


async def commit(pipeline, payloads, *, is_followed):
    speculation = await pipeline.speculate(payloads, is_followed=is_followed)
    return await pipeline.process(payloads, (), speculation)


def batches(node, count):
    return [[one_second_batch(node, n + 1, second=n, values=8.0 + n)] for n in range(count)]


def observed(result):
    return [(o.value, o.recent.values) for live in result.live_messages for o in live.observations]


async def test_deferred_results_come_with_the_transaction_that_nothing_follows(pipeline, node):
    first, second, third, last = batches(node, 4)
    result = await commit(pipeline, first, is_followed=True)
    assert observed(result) == [(8.0, [8.0])]
    assert [r.ranges for r in result.stored_ranges] == [[(1, 1)]]
    for payloads in (second, third):
        result = await commit(pipeline, payloads, is_followed=True)
        assert result.live_messages == result.stored_ranges == []
    result = await commit(pipeline, last, is_followed=False)
    assert observed(result) == [(11.0, [9.0, 10.0, 11.0])]
    (ranges,) = result.stored_ranges
    assert ranges.ranges == [(1, 4)]
    assert [seq for seq, _ in ranges.hashes] == [2, 3, 4]


async def test_events_are_published_at_once_however_long_the_backlog_is(pipeline, node):
    results = []
    for n in range(80):
        value = 8.0 + 0.1 * (n % 3) + (90.0 if 40 <= n < 55 else 0.0)
        payloads = [one_second_batch(node, n + 1, second=n, values=value)]
        results.append(await commit(pipeline, payloads, is_followed=True))
    events = [e.event.change for result in results for live in result.live_messages for e in live.events]
    assert events[:1] == ["opened"]


async def test_a_failed_transaction_defers_and_answers_nothing(pipeline, node, database):
    first, second, last = batches(node, 3)
    await commit(pipeline, first, is_followed=True)
    speculation = await pipeline.speculate(second, is_followed=True)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'defers'")
    with pytest.raises(psycopg.OperationalError):
        await pipeline.process(second, (), speculation)
    result = await pipeline.process(second, (), speculation)
    assert result.stored_ranges == []
    result = await commit(pipeline, last, is_followed=False)
    assert [seq for seq, _ in result.stored_ranges[0].hashes] == [2, 3]
    assert len(stored(database)) == 3


async def test_results_are_not_kept_for_a_transaction_that_never_comes(pipeline, node, monkeypatch):
    first, second = batches(node, 2)
    await commit(pipeline, first, is_followed=True)
    await commit(pipeline, second, is_followed=True)
    assert (await pipeline.take_overdue_results()).stored_ranges == []
    monkeypatch.setattr(deferral, "_GRACE_SECONDS", -10.0)
    result = await pipeline.take_overdue_results()
    assert observed(result) == [(9.0, [9.0])]
    assert [r.ranges for r in result.stored_ranges] == [[(1, 2)]]
    assert (await pipeline.take_overdue_results()).stored_ranges == []


async def test_a_payload_from_elsewhere_does_not_take_what_was_deferred(pipeline, node):
    first, second, other, last = batches(node, 4)
    await commit(pipeline, first, is_followed=True)
    await commit(pipeline, second, is_followed=True)
    assert [seq for seq, _ in (await pipeline.process(other)).stored_ranges[0].hashes] == [3]
    result = await commit(pipeline, last, is_followed=False)
    assert [seq for seq, _ in result.stored_ranges[0].hashes] == [2, 4]


def rows_of(number):
    return ObservationBatch.from_columns([0], [T0 + number], [float(number)])


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 4)), max_size=30))
def test_every_row_and_key_is_published_once_and_nothing_of_a_failed_transaction(steps):
    deferred, now, committed = DeferredResults(), 0.0, []
    rows, keys = [], []
    for number, (is_followed, fails, seconds) in enumerate([*steps, (False, False, 0.0)]):
        now += seconds
        owners = {("n", "i", number): bytes(32)}
        plan = deferred.plan(rows_of(number), owners, is_followed=is_followed, now=now)
        if fails:
            continue
        deferred.commit(plan)
        committed.append(number)
        rows += [int(value) for batch in plan.rows or () for value in batch.value]
        keys += [seq for _, _, seq in plan.owners or ()]
    assert rows == keys == committed
    assert not deferred.is_overdue(now + 1e9)


def test_rows_of_an_earlier_load_are_forgotten():
    deferred = DeferredResults()
    deferred.adopt_load(1)
    deferred.commit(deferred.plan(rows_of(0), {}, is_followed=True, now=0.0))
    deferred.commit(deferred.plan(rows_of(1), {}, is_followed=True, now=0.1))
    deferred.adopt_load(2)
    assert [len(rows) for rows in deferred.plan(rows_of(2), {}, is_followed=False, now=0.2).rows] == [1]
