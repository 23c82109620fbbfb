"""Unverified payloads cannot fill the database: what goes into quarantine is bounded in bytes, all is counted."""

from datetime import UTC, datetime

import psycopg
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from gateway.decoding.decode import Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.quarantine_budget import QuarantineBudget
from gateway.ingest.rejection_log import RejectionLog
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0

AT = datetime.fromtimestamp(T0 / 1000, UTC)
HOUR = 3_600.0


def rejection(size=1_000, *, topic="pw/v1/ijmond/a/readings", reason=RejectionReason.FORGED, key=None):
    payload = Payload(topic=topic, body=bytes(size), received_at=AT)
    return RejectedPayload(payload=payload, reason=reason, detail="", key=key)


def stored_bytes(selected):
    return sum(len(item.stored_body) for item in selected)


@given(
    st.lists(
        st.tuples(st.floats(0, 600), st.lists(st.integers(0, 3_000), max_size=6), st.sampled_from("abc")), max_size=40
    )
)
def test_in_any_hour_no_more_than_twice_the_limit_is_stored(steps):
    """A full bucket at its beginning, and what it fills up with until its end."""
    budget, now, stored = QuarantineBudget(10_000, 4_000), 0.0, []
    for pause, sizes, topic in steps:
        now += pause
        selected = budget.select([rejection(size, topic=topic) for size in sizes], now)
        stored += [(now, topic, len(item.stored_body)) for item in selected]
    for begin, _, _ in stored:
        within = [(topic, size) for at, topic, size in stored if begin <= at <= begin + HOUR]
        assert sum(size for _, size in within) <= 20_000
        for name in "abc":
            assert sum(size for topic, size in within if topic == name) <= 8_000


def test_one_sender_leaves_room_for_others_and_all_have_room_again_after_an_hour():
    budget = QuarantineBudget(10_000, 4_000)
    assert len(budget.select([rejection(topic="a")] * 50, 0.0)) == 3
    assert len(budget.select([rejection(topic="b")], 0.0)) == 1
    assert budget.select([rejection(topic="a")], 60.0) == []
    assert len(budget.select([rejection(topic="a")], HOUR)) == 1


def test_a_payload_with_a_valid_signature_always_goes_into_quarantine():
    budget = QuarantineBudget(100, 100)
    signed = rejection(reason=RejectionReason.TAMPERED, key=("ijm-001", "k3v5x2m2q7ab", 1))
    assert budget.select([rejection(), signed, rejection()], 0.0) == [signed]


def test_many_topics_need_little_memory():
    budget = QuarantineBudget()
    for number in range(3_000):
        budget.select([rejection(10, topic=f"{number}" + "x" * 65_000)], 0.0)
    assert len(budget._topics) <= 1_000
    assert max(map(len, budget._topics)) <= 200


async def test_a_flood_is_counted_and_the_readings_beside_it_are_stored(database, node, monkeypatch):
    monkeypatch.setattr("gateway.ingest.acceptance.QuarantineBudget", lambda: QuarantineBudget(20_000, 20_000))
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    before = REGISTRY.get_sample_value("piekwacht_quarantine_omitted_total")
    good = node.payload(1)
    forged = Payload(topic=good.topic, body=good.body.replace(b"12.1", b"66.6"), received_at=AT)
    await pipeline.process([forged] * 200 + [good])
    await pipeline.process([node.payload(2, t0=T0 + 2_000)])  # waits for the report of the one before
    await store.close()
    with psycopg.connect(database) as connection:
        ((stored, size),) = connection.execute("SELECT count(*), sum(length(payload)) FROM quarantine").fetchall()
        assert connection.execute("SELECT seq FROM batch ORDER BY seq").fetchall() == [(1,), (2,)]
    assert 0 < stored < 200
    assert size <= 20_000
    assert REGISTRY.get_sample_value("piekwacht_quarantine_omitted_total") == before + 200 - stored


def test_a_flood_is_sixty_lines_a_minute_and_then_its_number(caplog):
    caplog.set_level("INFO", "gateway.ingest")
    log = RejectionLog()
    for second in range(61):
        log.log([rejection()] * 100, 40, float(second))
    events = [record.getMessage() for record in caplog.records]
    assert events.count("payload quarantined") == 120
    assert events.count("more payloads quarantined") == 1
    (more,) = [record for record in caplog.records if record.getMessage() == "more payloads quarantined"]
    (full,) = [record for record in caplog.records if record.getMessage().startswith("quarantine has no room")]
    assert (more.payloads, full.payloads) == (60 * 100 - 60, 60 * 40)
