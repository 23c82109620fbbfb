"""A committed batch survives a power cut, wherever it falls: none lost, none damaged, no number used twice."""

import random
import sqlite3

import pytest

from edge_agent.collector import make_batch_factory, make_merge_factories
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import Spool
from edge_agent.wire import ClockState, ReadingBatch, Signer, StoredRanges

power = pytest.importorskip("tests.edge_agent.power", reason="apsw is not installed")

SIGNER = Signer.generate("ijm-001")
COMMITS = 400


def batch(i: int):
    readings = [
        Reading(observed_at=i * 60_000 + j, mono=j, clock=ClockState.SYNCED, values={"pm10": i + j / 7, "co2": 431.0})
        for j in range(20)
    ]
    return make_batch_factory(readings, signer=SIGNER, hist=False)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """(path, events and promises in order): a promise is what `add` or `forget` returned to its caller."""
    path = tmp_path_factory.mktemp("power") / "spool.sqlite"
    recorder = power.RecordingVfs("recorder")
    log = recorder.log
    spool = Spool(path, node="ijm-001", connect=lambda path: power.Connection(path, "recorder"))
    log.append(("founded", "", 0, b""))
    for i in range(COMMITS):
        for numbered in spool.add([batch(2 * i), batch(2 * i + 1)]):
            log.append(("stored", "", numbered.batch.seq, numbered.payload))
        if i % 50 == 49:
            top = 2 * (i - 20)
            spool.delete_stored(StoredRanges(v=1, node="ijm-001", inc=spool.read_incarnation(), ranges=[(1, top)]))
            log.append(("forgotten", "", top, b""))
    events = list(log)  # what closing writes is no part of the story
    spool.close()
    yield path, events
    recorder.unregister()


def judge(tmp_path, path, files, promised, forgotten) -> None:
    """Open what a cut left, as the agent would, and hold it to what was promised."""
    for name, content in files.items():
        (tmp_path / name.rsplit("/", 1)[1]).write_bytes(content)
    with sqlite3.connect(tmp_path / path.name) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = dict(db.execute("SELECT seq, payload FROM batch").fetchall())
        (next_seq,) = db.execute("SELECT next_seq FROM spool").fetchone()
    db.close()
    for seq, payload in promised.items():
        if seq > forgotten:
            assert found.get(seq) == payload, f"batch {seq} was committed and is not there"
    assert next_seq > max([*promised, *found], default=0)
    for file in tmp_path.iterdir():
        file.unlink()


def play(path, events, tmp_path, *, cuts: int) -> None:
    """The story once, with the power cut at so many moments of it."""
    chance = random.Random(cuts)
    founded = events.index(("founded", "", 0, b""))
    moments = sorted(chance.choices(range(founded, len(events)), k=cuts))
    disk, promised, forgotten = power.FakeDisk(), {}, 0
    for at, event in enumerate(events):
        kind, _, number, payload = event
        if kind == "stored":
            promised[number] = payload
        elif kind == "forgotten":
            forgotten = number
        elif kind != "founded":
            disk.apply_event(event)
        while moments and moments[0] == at:
            moments.pop(0)
            judge(tmp_path, path, disk.files_after_cut(chance), promised, max(forgotten, under_way(events, at)))
    assert not moments
    assert len(promised) == 2 * COMMITS


def under_way(events, at: int) -> int:
    """What a forgetting that the cut interrupts may already have deleted."""
    kind, _, number, _ = next(event for event in [*events[at + 1 :], END] if event[0] in {"stored", "forgotten"})
    return number if kind == "forgotten" else 0


END = ("stored", "", 0, b"")


@pytest.mark.parametrize("cuts", [60, pytest.param(1200, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
def test_whatever_was_committed_is_there_after_a_power_cut(history, tmp_path, cuts):
    path, events = history
    play(path, events, tmp_path, cuts=cuts)


def test_without_the_syncs_the_same_story_loses_batches(history, tmp_path):
    """So the test above can fail."""
    path, events = history
    unsynced = [event for event in events if event[0] != "sync" or not event[1].endswith("-wal")]
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        play(path, unsynced, tmp_path, cuts=60)


HELD, EACH = 200, 10


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The same for a node without a broker: each commit is held, each tenth folds what is held into one batch."""
    path = tmp_path_factory.mktemp("power") / "spool.sqlite"
    recorder = power.RecordingVfs("offline")
    log = recorder.log
    spool = Spool(path, node="ijm-001", connect=lambda path: power.Connection(path, "offline"))
    log.append(("founded", "", 0, b""))
    for i in range(HELD):
        spool.hold_batches([batch(i)(spool.read_incarnation(), 1).batch])
        log.append(("held", "", i, b""))
        if i % EACH == EACH - 1:
            spool.number_held(lambda held: make_merge_factories(held, signer=SIGNER))
    events = list(log)
    spool.close()
    yield path, events
    recorder.unregister()


@pytest.mark.parametrize("cuts", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_whatever_was_held_is_there_once_whether_the_cut_came_before_or_after_the_fold(offline, tmp_path, cuts):
    path, events = offline
    chance, disk, committed = random.Random(cuts), power.FakeDisk(), -1
    founded = events.index(("founded", "", 0, b""))
    moments = sorted(chance.choices(range(founded, len(events)), k=cuts))
    for at, event in enumerate(events):
        if event[0] == "held":
            committed = event[2]
        elif event[0] != "founded":
            disk.apply_event(event)
        while moments and moments[0] == at:
            moments.pop(0)
            found = readings_after(tmp_path, path, disk.files_after_cut(chance))
            assert len(found) == len(set(found)), "a reading is there twice"
            assert set(found) >= {i * 60_000 + j for i in range(committed + 1) for j in range(20)}
    assert committed == HELD - 1


def readings_after(tmp_path, path, files) -> list[int]:
    for name, content in files.items():
        (tmp_path / name.rsplit("/", 1)[1]).write_bytes(content)
    with sqlite3.connect(tmp_path / path.name) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        texts = [SIGNER.verifier.open(payload) for (payload,) in db.execute("SELECT payload FROM batch")]
        texts += [columns for (columns,) in db.execute("SELECT columns FROM held")]
    db.close()
    for file in tmp_path.iterdir():
        file.unlink()
    batches = [ReadingBatch.decode(text) for text in texts]
    return [b.t0 + dt for b in batches for dt in b.dt]
