"""The spool: a number is used once, stored bytes never change, and every deletion is counted."""

import sqlite3

import pytest

from edge_agent.batch_builder import build_gap_record, change_incarnation, make_batch_factory
from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import RenewalReason, Spool
from edge_agent.spool_writer import SpoolWriter, open_or_recover
from edge_agent.wire import ClockState, ReadingBatch, Signer, StoredRanges, digest_payload

SIGNER = Signer.generate("ijm-001")


def reading(at: int, value: float = 1.0) -> Reading:
    return Reading(observed_at=at, mono=at, clock=ClockState.SYNCED, values={"pm10": value})


def batches(first: int, count: int, length: int = 10) -> list[list[Reading]]:
    return [[reading(first + i * length + j, j / 7) for j in range(length)] for i in range(count)]


def sign(readings):
    return [make_batch_factory(group, signer=SIGNER, hist=False) for group in readings]


def read_batches(spool: Spool) -> list[ReadingBatch]:
    rows = spool._db.execute("SELECT payload FROM batch ORDER BY seq").fetchall()
    return [ReadingBatch.decode(SIGNER.verifier.open(payload)) for (payload,) in rows]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.sqlite"


@pytest.fixture
def spool(path):
    with Spool(path, node="ijm-001") as spool:
        yield spool


def make_writer(spool, path, **changes) -> SpoolWriter:
    return SpoolWriter(spool, path=path, signer=SIGNER, quota=changes.get("quota", 2**26))


def resign(payload, incarnation):
    return change_incarnation(payload, incarnation, signer=SIGNER)


def make_answer(spool, inc, seqs, *, digest=None) -> StoredRanges:
    """Answer of a gateway that holds these bytes, or under these numbers bytes with another digest."""
    hashes = [(seq, digest or digest_payload(spool.get(seq).payload)) for seq in seqs]
    return StoredRanges(v=1, node="ijm-001", inc=inc, ranges=[(seq, seq) for seq in seqs], hashes=hashes)


def count_lost(batch: ReadingBatch) -> float:
    return batch.values["lost_readings"][0]


def test_the_spool_is_opened_with_the_most_durable_settings_of_sqlite(spool):
    pragmas = ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint")
    assert [spool._db.execute(f"PRAGMA {p}").fetchone()[0] for p in pragmas] == ["wal", 2, 4096, 256]


def test_numbers_continue_after_the_spool_was_emptied(spool, path):
    spool.add(sign(batches(0, 3)))
    (inc,) = {batch.inc for batch in read_batches(spool)}
    assert spool.delete_batches(spool.compare_stored(make_answer(spool, inc, [1, 2, 3])).matching) == 3
    assert spool.is_empty()
    with Spool(path, node="ijm-001") as again:
        assert [numbered.batch.seq for numbered in again.add(sign(batches(100, 2)))] == [4, 5]


def test_a_failed_transaction_uses_no_number(spool):
    def fail(_inc, _seq):
        raise RuntimeError("the signer broke")

    with pytest.raises(RuntimeError):
        spool.add([*sign(batches(0, 1)), fail])
    assert spool.is_empty()
    assert spool.add(sign(batches(0, 1)))[0].batch.seq == 1


def test_a_copy_of_an_older_state_continues_as_a_new_incarnation(spool):
    spool.add(sign(batches(0, 3)))
    (inc,) = {batch.inc for batch in read_batches(spool)}
    assert not spool.renew_if_copied(StoredRanges(v=1, node="ijm-001", inc=inc, ranges=[(1, 3)]))
    assert not spool.renew_if_copied(StoredRanges(v=1, node="ijm-001", inc="a" * 12, ranges=[(1, 99)]))
    assert spool.renew_if_copied(StoredRanges(v=1, node="ijm-001", inc=inc, ranges=[(1, 2), (10, 20)]))
    (new,) = spool.add(sign(batches(100, 1)))
    assert new.batch.seq == 21
    assert new.batch.inc != inc


def test_a_number_without_the_digest_of_our_bytes_deletes_no_batch(spool):
    spool.add(sign(batches(0, 3)))
    inc = spool.read_incarnation()
    only_ranges = StoredRanges(v=1, node="ijm-001", inc=inc, ranges=[(1, 3)])
    comparison = spool.compare_stored(only_ranges)
    assert (comparison.matching, comparison.conflicting) == ([], [])
    other = spool.compare_stored(make_answer(spool, inc, [2], digest="0" * 32))
    assert (other.matching, other.conflicting) == ([], [2])
    of_another = spool.compare_stored(make_answer(spool, "a" * 12, [1, 2]))
    assert (of_another.matching, of_another.conflicting) == ([], [])


def test_a_batch_with_a_conflicting_number_gets_a_new_key_and_the_same_readings(spool, path):
    spool.add(sign(batches(0, 3)))
    inc, before = spool.read_incarnation(), read_batches(spool)
    spool.move_conflicting(spool.compare_stored(make_answer(spool, inc, [2], digest="0" * 32)), resign)
    first, moved, last = read_batches(spool)
    assert (first, last) == (before[0], before[2]), "without an answer a batch stays as it was"
    assert moved.inc not in {inc, spool.read_incarnation()}
    assert (moved.seq, moved.t0, moved.dt, moved.values) == (2, before[1].t0, before[1].dt, before[1].values)
    assert spool.read_incarnation() != inc
    assert spool.read_renewal().reason is RenewalReason.NUMBER_TAKEN
    assert spool.compare_stored(make_answer(spool, moved.inc, [2])).matching == [2]


def test_two_copies_that_hold_the_same_batch_give_it_the_same_key(spool, path, tmp_path):
    spool.add(sign(batches(0, 1)))
    with sqlite3.connect(tmp_path / "copy.sqlite") as target:
        spool._db.backup(target)
    target.close()
    with Spool(tmp_path / "copy.sqlite", node="ijm-001") as copy:
        for each in (spool, copy):
            receipt = make_answer(each, each.read_incarnation(), [1], digest="0" * 32)
            each.move_conflicting(each.compare_stored(receipt), resign)
        assert copy.get(1) == spool.get(1)
        assert copy.read_incarnation() != spool.read_incarnation()


def test_a_failure_while_keys_change_changes_none(spool):
    spool.add(sign(batches(0, 3)))
    before, inc = read_batches(spool), spool.read_incarnation()

    def fail_at_second(payload, incarnation):
        if ReadingBatch.decode(SIGNER.verifier.open(payload)).seq == 2:
            raise RuntimeError("the signer broke")
        return resign(payload, incarnation)

    with pytest.raises(RuntimeError):
        spool.move_conflicting(spool.compare_stored(make_answer(spool, inc, [1, 2], digest="0" * 32)), fail_at_second)
    assert (read_batches(spool), spool.read_incarnation(), spool.read_renewal()) == (before, inc, None)


def test_the_same_hardware_keeps_its_incarnation_and_other_hardware_begins_one(spool):
    spool.add(sign(batches(0, 1)))
    inc, before = spool.read_incarnation(), read_batches(spool)
    assert not spool.bind_hardware("board-a")
    assert not spool.bind_hardware("board-a")
    assert spool.read_incarnation() == inc
    assert spool.bind_hardware("board-b")
    assert not spool.bind_hardware("board-b")
    assert spool.read_incarnation() != inc
    assert read_batches(spool) == before, "what waits keeps its key: the original may have sent it"
    renewal = spool.read_renewal()
    assert (renewal.former, renewal.reason) == (inc, RenewalReason.OTHER_HARDWARE)
    assert spool.add(sign(batches(100, 1)))[0].batch.seq == 2


def test_above_the_quota_the_oldest_batches_are_deleted_and_a_signed_record_counts_them(spool, path):
    writer = make_writer(spool, path, quota=200_000)
    reading_count = 0
    for i in range(400):
        writer.store(batches(i * 1000, 1, 100), hist=False)
        reading_count += 100
    assert spool._db.execute("SELECT count(*) FROM batch WHERE lost > 0").fetchone()[0] >= 1
    assert path.stat().st_size < 600_000
    stored = read_batches(spool)
    gaps = [batch for batch in stored if "lost_readings" in batch.values]
    remaining = [batch for batch in stored if "pm10" in batch.values]
    assert sum(len(batch.dt) for batch in remaining) + sum(map(count_lost, gaps)) == reading_count, (
        "every reading is there or counted"
    )
    assert min(gap.t0 for gap in gaps) == 0
    assert max(gap.t0 + gap.dt[1] for gap in gaps) < min(batch.t0 for batch in remaining)
    assert all(gap.hist for gap in gaps)
    assert len({batch.seq for batch in stored}) == len(stored)


def test_readings_wait_while_the_disk_is_full_and_are_written_afterwards(spool, path):
    writer = make_writer(spool, path)
    assert writer.store(batches(0, 2), hist=False)
    before = read_batches(spool)
    spool._db.execute(f"PRAGMA max_page_count = {spool._db.execute('PRAGMA page_count').fetchone()[0]}")
    held = [writer.store(batches(1000 + 500 * i, 5, 100), hist=False) for i in range(5)]
    assert held[-1] is False
    assert "full" in writer.problem
    assert read_batches(spool)[:2] == before
    spool._db.execute("PRAGMA max_page_count = 1000000")
    assert writer.store([], hist=False)
    assert writer.problem is None
    stamps = [batch.t0 + dt for batch in read_batches(spool) for dt in batch.dt]
    assert stamps == [*range(20), *range(1000, 3500)]


def test_readings_dropped_from_memory_while_the_disk_refuses_are_counted(spool, path):
    writer = make_writer(spool, path)
    spool._db.execute("PRAGMA query_only = on")
    for i in range(30):
        assert not writer.store(batches(1000 * i, 1, 1000), hist=False)
    assert "readonly" in writer.problem.replace("-", "").replace(" ", "")
    spool._db.execute("PRAGMA query_only = off")
    assert writer.store([], hist=False)
    gap, *remaining = read_batches(spool)
    assert count_lost(gap) == 10_000
    assert (gap.t0, gap.t0 + gap.dt[1]) == (0, 9_999)
    assert sum(len(batch.dt) for batch in remaining) == 20_000


def test_a_damaged_file_is_put_aside_and_its_readable_batches_are_saved(spool, path):
    spool.add(sign(batches(0, 200, 100)))
    before = {batch.seq: batch for batch in read_batches(spool)}
    spool.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xee" * 20_000)
    path.with_suffix(".suspect").touch()
    with open_or_recover(path, node="ijm-001") as fresh:
        saved = {batch.seq: batch for batch in read_batches(fresh)}
        assert saved
        assert saved.items() <= before.items(), "never a wrong byte"
        (new,) = fresh.add(sign(batches(10**6, 1)))
        assert new.batch.seq > max(saved)
        assert new.batch.inc not in {batch.inc for batch in before.values()}
    assert list(path.parent.glob("spool.damaged-*"))
    assert not path.with_suffix(".suspect").exists()


def test_a_file_that_is_no_database_is_put_aside(path):
    path.write_bytes(b"\0" * 50_000)
    path.with_suffix(".suspect").touch()
    with open_or_recover(path, node="ijm-001") as fresh:
        assert fresh.is_empty()


def test_damage_during_work_ends_the_agent_and_the_next_start_repairs_the_file(spool, path):
    writer = make_writer(spool, path)
    writer.store(batches(0, 500, 50), hist=False)
    spool.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * (path.stat().st_size - 4096))
    damaged = sqlite3.connect(path, isolation_level=None)
    spool._db = damaged
    with pytest.raises(AgentError, match="damaged"):
        writer.store(batches(10**6, 1000), hist=False)
    damaged.close()
    spool._db = sqlite3.connect(":memory:")
    assert path.with_suffix(".suspect").exists()


def test_an_orderly_end_needs_no_check_at_the_next_start(spool, path):
    spool.add(sign(batches(0, 1)))
    spool.close()
    open_or_recover(path, node="ijm-001", is_readable=lambda _: pytest.fail("checked")).close()


def test_a_deleted_gap_record_leaves_its_count_in_the_next_record(spool, path):
    spool.add(sign(batches(0, 1)))
    for _ in range(3):
        spool.add(sign(batches(0, 40, 100)))
        spool.make_room(1, lambda inc, seq, loss: build_gap_record(inc, seq, loss, signer=SIGNER))
    stored = read_batches(spool)
    counted = sum(count_lost(batch) for batch in stored if "lost_readings" in batch.values)
    held = sum(len(batch.dt) for batch in stored if "pm10" in batch.values)
    assert counted + held == 10 + 3 * 4000
