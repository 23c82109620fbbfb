"""A committed batch survives a power cut, wherever it falls: none lost, none damaged, no number used twice."""

import random
import sqlite3

import pytest

from edge_agent.batch_builder import make_batch_factory, make_merge_factories
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import Spool
from edge_agent.wire import ClockState, ReadingBatch, Signer

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
    """(path, disk events and promises in order). A promise is what `add` or `delete_batches` returned."""
    path = tmp_path_factory.mktemp("power") / "spool.sqlite"
    recorder = power.RecordingVfs("recorder")
    log = recorder.log
    spool = Spool(path, node="ijm-001", connect=lambda path: power.Connection(path, "recorder"))
    log.append(("created", "", 0, b""))
    for i in range(COMMITS):
        for numbered in spool.add([batch(2 * i), batch(2 * i + 1)]):
            log.append(("stored", "", numbered.batch.seq, numbered.payload))
        if i % 50 == 49:
            top = 2 * (i - 20)
            spool.delete_batches(range(1, top + 1))
            log.append(("forgotten", "", top, b""))
    events = list(log)  # closing the spool is not part of the history
    spool.close()
    yield path, events
    recorder.unregister()


def check_spool_after_cut(tmp_path, path, files, promised, forgotten) -> None:
    """Open the files after a cut as the agent would, and compare them with the promises."""
    for name, content in files.items():
        (tmp_path / name.rsplit("/", 1)[1]).write_bytes(content)
    with sqlite3.connect(tmp_path / path.name) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = dict(db.execute("SELECT seq, payload FROM batch").fetchall())
        (next_seq,) = db.execute("SELECT next_seq FROM spool").fetchone()
    db.close()
    for seq, payload in promised.items():
        if seq > forgotten:
            assert stored.get(seq) == payload, f"batch {seq} was committed and is missing"
    assert next_seq > max([*promised, *stored], default=0)
    for file in tmp_path.iterdir():
        file.unlink()


def replay_with_cuts(path, events, tmp_path, *, cuts: int) -> None:
    """Apply the history once, with power cuts at this number of random moments."""
    rng = random.Random(cuts)
    created = events.index(("created", "", 0, b""))
    moments = sorted(rng.choices(range(created, len(events)), k=cuts))
    disk, promised, forgotten = power.FakeDisk(), {}, 0
    for at, event in enumerate(events):
        kind, _, number, payload = event
        if kind == "stored":
            promised[number] = payload
        elif kind == "forgotten":
            forgotten = number
        elif kind != "created":
            disk.apply_event(event)
        while moments and moments[0] == at:
            moments.pop(0)
            check_spool_after_cut(
                tmp_path, path, disk.files_after_cut(rng), promised, max(forgotten, pending_deletion(events, at))
            )
    assert not moments
    assert len(promised) == 2 * COMMITS


def pending_deletion(events, at: int) -> int:
    """Highest number that a deletion interrupted by the cut may have deleted already."""
    kind, _, number, _ = next(event for event in [*events[at + 1 :], END] if event[0] in {"stored", "forgotten"})
    return number if kind == "forgotten" else 0


END = ("stored", "", 0, b"")


@pytest.mark.parametrize("cuts", [60, pytest.param(1200, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
def test_every_committed_batch_survives_a_power_cut(history, tmp_path, cuts):
    path, events = history
    replay_with_cuts(path, events, tmp_path, cuts=cuts)


def test_without_syncs_the_same_history_loses_batches(history, tmp_path):
    """Proves that the test above can fail."""
    path, events = history
    unsynced = [event for event in events if event[0] != "sync" or not event[1].endswith("-wal")]
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        replay_with_cuts(path, unsynced, tmp_path, cuts=60)


HELD, EACH = 200, 10


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The same for a node without a broker: each commit is held, each tenth merges the held batches into one."""
    path = tmp_path_factory.mktemp("power") / "spool.sqlite"
    recorder = power.RecordingVfs("offline")
    log = recorder.log
    spool = Spool(path, node="ijm-001", connect=lambda path: power.Connection(path, "offline"))
    log.append(("created", "", 0, b""))
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
def test_held_readings_are_stored_exactly_once_after_a_cut_before_or_after_the_merge(offline, tmp_path, cuts):
    path, events = offline
    rng, disk, committed = random.Random(cuts), power.FakeDisk(), -1
    created = events.index(("created", "", 0, b""))
    moments = sorted(rng.choices(range(created, len(events)), k=cuts))
    for at, event in enumerate(events):
        if event[0] == "held":
            committed = event[2]
        elif event[0] != "created":
            disk.apply_event(event)
        while moments and moments[0] == at:
            moments.pop(0)
            stamps = readings_after(tmp_path, path, disk.files_after_cut(rng))
            assert len(stamps) == len(set(stamps)), "a reading is there twice"
            assert set(stamps) >= {i * 60_000 + j for i in range(committed + 1) for j in range(20)}
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
