"""Preliminary marks on their way from the states to live messages: after COMMIT, complete, and never stored."""

import time
from datetime import UTC, datetime

import psycopg
import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import enrol_node

STEP = 150_000  # ms
READINGS = 40
EVENT_TABLES = ("event", "event_revision", "alerting.inbox")


@pytest.fixture
async def store(database):
    opened = Store(database)
    yield opened
    await opened.close()


def make_pipeline(store):
    return Pipeline(store, Flagger(), Detector(DetectionSettings()))


class Stream:
    """Sends the readings of one node, one per transaction; the last one of the recording is of this moment."""

    def __init__(self, node, *, ends_at=None):
        self.node, self.seq = node, 0
        self.at = (ends_at or int(time.time() * 1_000)) - READINGS * STEP

    async def send(self, pipeline, *values, step=STEP):
        """The live messages of each transaction."""
        messages = []
        for value in values:
            self.seq += 1
            self.at += step
            received_at = datetime.fromtimestamp(self.at / 1_000, UTC)
            payload = self.node.payload(
                self.seq, t0=self.at, dt=[0], values={"pm2_5": [value]}, received_at=received_at
            )
            messages.append((await pipeline.process([payload])).live_messages)
        return messages


def clean_air(count):
    return [8.0 + 0.1 * (i % 3) for i in range(count)]


def marks_of(messages):
    return [message.marks for message in messages]


def count_rows(dsn, tables=EVENT_TABLES):
    with psycopg.connect(dsn) as connection:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


async def test_the_first_reading_marks_without_an_event_and_the_next_takes_it_back(store, node, database):
    pipeline, stream = make_pipeline(store), Stream(node)
    first, *others = await stream.send(pipeline, *clean_air(READINGS - 1))
    assert marks_of(first) == [[]], "the first message after a start says that there are none"
    assert {mark for messages in others for mark in marks_of(messages)} == {None}
    (risen,) = await stream.send(pipeline, 10.5)
    (mark,) = risen[0].marks
    assert (mark.station, mark.observed_property, mark.unit) == ("wijk-aan-zee", "pm2_5", "ug/m3")
    assert mark.excess == pytest.approx(2.4, abs=0.2)
    assert mark.observed_at.timestamp() * 1_000 == stream.at
    assert risen[0].events == []
    assert count_rows(database) == [0, 0, 0]
    taken_back, after = await stream.send(pipeline, 8.0, 8.1, step=6_000)
    assert (marks_of(taken_back), marks_of(after)) == ([[]], [None])
    assert count_rows(database) == [0, 0, 0]


async def test_a_confirmed_mark_leaves_with_the_message_of_its_event(store, node):
    pipeline, stream = make_pipeline(store), Stream(node)
    messages = await stream.send(pipeline, *clean_air(READINGS - 3), 16.0, 30.0, 45.0)
    states = [(bool(message.events), message.marks) for (message,) in messages[READINGS - 3 :]]
    opened = next(i for i, (has_event, _) in enumerate(states) if has_event)
    assert opened > 0
    assert all(marks for _, marks in states[:opened])
    assert states[opened][1] == []
    assert messages[READINGS - 3 + opened][0].events[0].event.onset == states[0][1][0].since


async def test_a_reading_of_the_past_marks_nothing(store, node):
    pipeline, stream = make_pipeline(store), Stream(node, ends_at=int(time.time() * 1_000) - 3_600_000)
    messages = await stream.send(pipeline, *clean_air(READINGS - 1), 16.0)
    assert all(not marks for batch in messages for marks in marks_of(batch))


async def test_a_redelivery_and_a_failed_transaction_change_no_mark(store, node, database, monkeypatch):
    pipeline, stream = make_pipeline(store), Stream(node)
    await stream.send(pipeline, *clean_air(READINGS - 1))
    other = enrol_node(database, node="ijm-002", station="heemskerk")
    neighbour = Stream(other)
    neighbour.at = stream.at
    monkeypatch.setattr("gateway.store.ledger.copy_batches", _refuse)
    with pytest.raises(psycopg.errors.DataError):
        await stream.send(pipeline, 16.0)
    monkeypatch.undo()
    ((message,),) = await neighbour.send(pipeline, 8.0)
    assert not message.marks
    stream.seq, stream.at = stream.seq - 1, stream.at - STEP
    ((message,),) = await stream.send(pipeline, 16.0)
    assert len(message.marks) == 1
    stream.seq, stream.at = stream.seq - 1, stream.at - STEP
    (nothing,) = await stream.send(pipeline, 16.0)
    assert nothing == []
    ((message,),) = await neighbour.send(pipeline, 8.0)
    assert [mark.station for mark in message.marks] == ["wijk-aan-zee"]


async def _refuse(*_):
    raise psycopg.errors.DataError("refused")


@pytest.mark.parametrize("is_recent", [True, False], ids=["soon", "later"])
async def test_a_killed_gateway_is_followed_by_one_that_derives_the_same_marks_or_none(node, database, is_recent):
    ends_at = int(time.time() * 1_000) - (0 if is_recent else 4 * STEP)
    killed = Store(database)
    stream = Stream(node, ends_at=ends_at)
    messages = await stream.send(make_pipeline(killed), *clean_air(READINGS - 1), 16.0)
    before = messages[-1][0].marks
    await killed.close()  # its memory is gone; nothing was written at its end
    neighbour = Stream(enrol_node(database, node="ijm-002", station="heemskerk"))
    store = Store(database)
    pipeline = make_pipeline(store)
    ((message,), (second,)) = await neighbour.send(pipeline, 8.0, 8.1)
    await store.close()
    if is_recent:
        assert [mark.station for mark in before] == ["wijk-aan-zee"]
        assert message.marks == before
    else:
        assert message.marks == []
        assert second.marks is None
