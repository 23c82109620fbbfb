"""Recovery of a log: an older backup was restored, and the log goes on without a fork and without a second leaf."""

import asyncio
import json
import shutil
from contextlib import ExitStack

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Signer
from gateway.__main__ import main
from gateway.demo.witnesses import start_witnesses
from gateway.model.registry import Node, Station
from gateway.store import stations
from gateway.store.public_log import LogStore
from gateway.transparency.errors import ProofError
from gateway.transparency.head import LogRefusedError
from gateway.transparency.head_services import open_head_services
from gateway.transparency.leaf import LeafKind
from gateway.transparency.merkle import TreeHasher, hash_leaf
from gateway.transparency.policy import Policy
from gateway.transparency.recovery import LostBatch, describe_batches, recover_log
from gateway.transparency.tiles import Tile, decode_entries, encode_entries
from gateway.verification.audit import audit
from tests.gateway.transparency.logs import INCARNATION, ORIGIN, TestLog, add_batches, check_tree, naive_root, open_log
from tests.gateway.transparency.test_sources import add_notification, deliver


@given(st.integers(0, 600))
def test_the_root_of_added_leaves_is_that_of_the_definition(count):
    entries = [b"%d" % number for number in range(count)]
    hasher = TreeHasher()
    for entry in entries:
        hasher.add(hash_leaf(entry))
    assert (hasher.size, hasher.compute_root()) == (count, naive_root(entries))


class Restored:
    """A log, and a backup of its database that was made earlier and is now the database."""

    def __init__(self, log, postgres, before):
        """`before` is done after the backup and is in no row of it."""
        name = log.dsn.rsplit("dbname=", 1)[-1].split()[0].strip("'")
        self.dsn = postgres.create_database(f"{name}_restored", template=name)
        before()
        while log.step().has_more:
            pass
        self.published = log.entries()
        self.log = TestLog(self.dsn, log.folder, log.signer)

    def recover(self, **options):
        store = LogStore(self.dsn, self.log.area)
        try:
            return recover_log(store, self.log.files, self.log.signer.verifier, self.log.files.read_tile, **options)
        finally:
            store.close()


@pytest.fixture
def log(database, node, tmp_path) -> TestLog:
    log = open_log(database, tmp_path / "log")
    add_batches(database, range(1, 301))
    log.step()
    return log


def finish(log):
    while log.step().has_more:
        pass
    return check_tree(log)


def batch_numbers(log):
    return [int(leaf.fields[2]) for leaf in log.leaves() if leaf.kind is LeafKind.BATCH]


def test_a_recovered_log_continues_and_names_the_lost_batches(log, postgres):
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, range(301, 901)))
    add_batches(restored.dsn, range(895, 911))  # some of the nodes still have batches that were in the log
    with pytest.raises(LogRefusedError, match="piekwacht log recover ijmond"):
        restored.log.step()
    recovery = restored.recover()
    assert recovery.size == len(restored.published)
    assert describe_batches(recovery.lost_batches) == [f"ijm-001 {INCARNATION} 301 to 894"]
    assert recovery.lost_leaves == []
    add_batches(restored.dsn, range(500, 601))  # others deliver later
    entries = finish(restored.log)
    assert entries[: recovery.size] == restored.published
    assert sorted(batch_numbers(restored.log)) == list(range(1, 911)), "each batch has one leaf"
    with pytest.raises(LogRefusedError, match="nothing is missing"):
        restored.recover()


def test_a_batch_that_is_delivered_again_has_the_leaf_that_it_had(log, postgres):
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, [301, 302]))
    restored.recover()
    add_batches(restored.dsn, [302])
    finish(restored.log)
    from gateway.api.data.loading import QUERIES  # noqa: PLC0415 - the API is slow to import

    with psycopg.connect(restored.dsn) as connection:
        values = {"node": "ijm-001", "incarnation": INCARNATION, "number": 302}
        cursor = connection.execute(QUERIES["select_logged_batch"], values)
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    leaf = restored.log.leaves()[row["leaf"]]
    assert (row["area"], leaf.kind, leaf.fields[2]) == ("ijmond", LeafKind.BATCH, "302")


def test_entries_that_waited_in_the_backup_are_not_logged_twice(log, node, postgres):
    """Keys, deliveries, removals and calibrations that had no leaf yet when the backup was made."""
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        other = Signer.generate(node.id)
        connection.execute("UPDATE node SET verifier_key = %s", [str(other.verifier)])
        add_notification(connection)
        deliver(connection, 1, "retry")
        deliver(connection, 2, "delivered")
        connection.execute(
            "INSERT INTO removal (area_id, what, reason, count) VALUES ('ijmond', 'a', 'b', 1), ('*', 'a', 'b', 2)"
        )
        connection.execute(
            """INSERT INTO calibration VALUES ('ijm-001', 'pm2_5', 1, '2026-11-01Z', NULL, 'SPS30', NULL, 0, 1, 0, 0,
                                               NULL, 'report', 'GGD')"""
        )
    restored = Restored(log, postgres, lambda: None)
    assert restored.recover().lost_leaves == []
    assert finish(restored.log) == restored.published
    with psycopg.connect(restored.dsn, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM log_source").fetchone() == (0,)
        deliver(connection, 3, "delivered")
        documents = "SELECT document FROM log_leaf WHERE source LIKE 'delivery %' ORDER BY number"
        finish(restored.log)
        first, second = (json.loads(text) for (text,) in connection.execute(documents).fetchall())
    assert len(first["deliveries"]) == 2
    deliveries = [leaf for leaf in restored.log.leaves() if leaf.kind is LeafKind.DELIVERY]
    assert [leaf.fields for leaf in deliveries] == [("2",), ("3",)]
    assert second["previous"] == deliveries[0].content


def test_entries_after_the_backup_keep_their_leaves_and_are_named(log, node, postgres):
    def write_more():
        with psycopg.connect(log.dsn, autocommit=True) as connection:
            station = Station(id="dorp", area="ijmond", name="Dorp", latitude=52.4, longitude=4.6)
            stations.put_station(connection, station)
            stations.put_node(connection, Node(id="ijm-002", area="ijmond", station="dorp", key=node.signer.verifier))
            add_notification(connection)
            deliver(connection, 1, "delivered")

    restored = Restored(log, postgres, write_more)
    recovery = restored.recover()
    assert [(leaf.kind, leaf.fields) for leaf in recovery.lost_leaves] == [(LeafKind.DELIVERY, ("1",))]
    with psycopg.connect(restored.dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT station_id, until FROM node_key WHERE node_id = 'ijm-002'").fetchall()
        assert rows == [("dorp", None)], "the statement about the key is back, so that proofs find its leaf"
        add_notification(connection)
        deliver(connection, 1, "delivered")
    entries = finish(restored.log)
    assert entries[: recovery.size] == restored.published
    assert [leaf.fields for leaf in restored.log.leaves() if leaf.kind is LeafKind.DELIVERY] == [("1",), ("2",)]
    assert len([leaf for leaf in restored.log.leaves() if leaf.kind is LeafKind.NODE_KEY]) == 2


def test_a_database_of_another_log_is_refused_and_nothing_changes(log, postgres):
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, [301]))
    with psycopg.connect(restored.dsn) as connection:
        connection.execute("UPDATE batch SET sha256 = sha256('other') WHERE seq = 7")
    with pytest.raises(LogRefusedError, match=r"leaf \d+ of the database is not that of the published log"):
        restored.recover()
    assert count_leaves(restored) == len(restored.published) - 1


def count_leaves(restored):
    with psycopg.connect(restored.dsn) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM log_leaf").fetchall()
    return count


@pytest.mark.parametrize("change", ["swapped", "shortened"])
def test_a_copy_with_another_entry_is_refused_and_nothing_changes(log, postgres, change):
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, range(301, 500)))
    files, size = restored.log.files, len(restored.published)
    bundle = Tile(level=None, index=1, width=size - 256)
    entries = decode_entries(files.read_tile(bundle))
    changed = [*entries[:-2], entries[-1], entries[-2]] if change == "swapped" else entries[:-1]
    files.write_tile(bundle, encode_entries(changed))
    former = count_leaves(restored)
    with pytest.raises(ProofError):
        restored.recover()
    assert count_leaves(restored) == former


def test_a_copy_that_is_ahead_of_the_file_with_the_last_head_is_followed(log, postgres, tmp_path):
    old_state = log.files.read_state()
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, range(301, 400)))
    shutil.copytree(log.files.path, tmp_path / "copy")
    copy = (tmp_path / "copy" / "checkpoint").read_bytes()
    log.files.write_state(old_state)
    shutil.rmtree(log.files.path)
    mirror = TestLog(restored.dsn, tmp_path, log.signer, area="copy").files
    store = LogStore(restored.dsn, "ijmond")
    recovery = recover_log(store, log.files, log.signer.verifier, mirror.read_tile, copy)
    store.close()
    assert recovery.size == len(restored.published)
    assert log.files.read_state() == copy
    assert finish(restored.log) == restored.published


def test_witnesses_and_an_audit_agree_with_the_recovered_log(log, postgres, tmp_path):
    policy = tmp_path / "policy"
    with ExitStack() as stack:
        policy.write_text(start_witnesses(stack, tmp_path / "witnesses", [log.signer.verifier]))

        async def step(log):
            services = open_head_services(
                policy=policy, time_stamp_url=None, time_stamp_certificate=None, folder=log.files.path
            )
            sequencer = log.sequencer(cosign=services.cosign)
            try:
                return await sequencer.run_step()
            finally:
                sequencer.close()
                await services.aclose()

        restored = Restored(log, postgres, lambda: add_batches(log.dsn, range(301, 330)))
        asyncio.run(step(log))
        audit(str(log.files.path), tmp_path / "audit", policy)
        restored.recover()
        add_batches(restored.dsn, range(325, 700))
        asyncio.run(step(restored.log))
        _, cosignatures = Policy.parse(policy.read_text()).open(log.files.read_checkpoint())
        assert len(cosignatures) == 2
        report = audit(str(log.files.path), tmp_path / "audit", policy)
    assert report.faults == []
    assert report.gaps == []
    assert report.leaves["piekwacht/batch@v1"] == 699


def test_the_command_names_the_lost_batches(log, postgres, tmp_path, capsys):
    restored = Restored(log, postgres, lambda: add_batches(log.dsn, [301, 302, 305]))
    (tmp_path / "ijmond.key").write_text(log.signer.export())
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        f"[database]\ndsn = {json.dumps(restored.dsn)}\n[public_log]\nfolder = {json.dumps(str(log.folder))}\n"
        f"host = {json.dumps(ORIGIN.split('/', maxsplit=1)[0])}\nkey_folder = {json.dumps(str(tmp_path))}\n"
        f"state_folder = {json.dumps(str(log.folder / 'state'))}\n"
    )
    command = ["log", "recover", "ijmond", "--config", str(config)]
    assert main([*command, "--from", str(tmp_path / "nowhere")]) == 1
    assert "is missing" in capsys.readouterr().err
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "leaves taken back: 3" in out
    assert f"batch ijm-001 {INCARNATION} 301 to 302\n" in out
    assert f"batch ijm-001 {INCARNATION} 305\n" in out
    assert main(command) == 1
    assert "nothing is missing" in capsys.readouterr().err


def test_batches_are_named_by_ranges():
    batches = [LostBatch(node=node, incarnation="i", number=number) for node, number in [("b", 3), ("a", 2), ("a", 1)]]
    assert describe_batches(batches) == ["a i 1 to 2", "b i 3"]
