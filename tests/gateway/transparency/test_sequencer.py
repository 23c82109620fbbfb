"""The sequencer: everything that was committed gets one index, and no head is ever smaller or forked."""

import asyncio
import random
import shutil
from contextlib import closing

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.model.registry import Node, Station
from gateway.store import stations
from gateway.store.connection import LockHeldError
from gateway.transparency.head import LogRefusedError
from gateway.transparency.leaf import LeafKind
from gateway.transparency.merkle import (
    check_consistency,
    check_inclusion,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
)
from tests.gateway.transparency.logs import TestLog, add_batches, check_tree, insert_batch, open_log, run_when_free


@pytest.fixture
def log(database, node, tmp_path) -> TestLog:
    return open_log(database, tmp_path / "log")


def batch_numbers(log):
    return [int(leaf.fields[2]) for leaf in log.leaves() if leaf.kind is LeafKind.BATCH]


def test_the_first_head_has_node_keys_and_rules_without_any_batch(log, node):
    log.step()
    kinds = [leaf.kind for leaf in log.leaves()]
    assert kinds.count(LeafKind.NODE_KEY) == 1
    assert kinds.count(LeafKind.CORRECTION_RULE) == 2
    assert next(leaf for leaf in log.leaves() if leaf.kind is LeafKind.NODE_KEY).content == str(node.signer.verifier)
    check_tree(log)


def test_batches_of_one_step_have_a_leaf_each_in_the_order_of_their_ids(log):
    add_batches(log.dsn, [3, 1, 2])
    log.step()
    assert batch_numbers(log) == [3, 1, 2]
    log.step()
    assert batch_numbers(log) == [3, 1, 2], "a second step adds nothing"
    add_batches(log.dsn, [4])
    assert log.step().size == log.checkpoint().size
    assert batch_numbers(log) == [3, 1, 2, 4]


def test_a_thousand_random_batches_are_all_provable(log):
    random_ = random.Random(5)
    numbers = list(range(1, 1001))
    random_.shuffle(numbers)
    heads = []
    while numbers:
        count = random_.choice([0, 1, 7, 63, 256, 300])
        add_batches(log.dsn, numbers[:count])
        del numbers[:count]
        log.step(max_batches=random_.choice([10, 256, 1000]))
        heads.append(log.checkpoint())
    while log.step().has_more:
        pass
    entries, head = check_tree(log), log.checkpoint()
    assert sorted(batch_numbers(log)) == list(range(1, 1001))
    for index, entry in enumerate(entries):
        check_inclusion(
            index, head.size, hash_leaf(entry), prove_inclusion(index, head.size, log.read_hash()), head.root
        )
    for former in heads:
        proof = prove_consistency(former.size, head.size, log.read_hash())
        check_consistency(former.size, head.size, former.root, head.root, proof)


def test_a_batch_that_commits_late_with_a_lower_id_is_not_skipped(log):
    with closing(log.sequencer()) as sequencer, psycopg.connect(log.dsn) as late:
        ((late_id,),) = late.execute("SELECT nextval('batch_id')").fetchall()
        add_batches(log.dsn, [2, 3])
        for _ in range(3):
            _run(sequencer)
        assert batch_numbers(log) == [2, 3]
        insert_batch(late, 1, id_=late_id)
        _run(sequencer)
        late.commit()
        _run(sequencer)
        assert batch_numbers(log) == [2, 3, 1]
        add_batches(log.dsn, [4])
        _run(sequencer)
        _run(sequencer)
        assert batch_numbers(log) == [2, 3, 1, 4]
        assert watermark(log) == late_id + 3


def test_the_watermark_advances_while_transactions_overlap_without_end(log):
    connections = [psycopg.connect(log.dsn) for _ in range(2)]
    with closing(log.sequencer()) as sequencer:
        for number in range(1, 7):
            insert_batch(connections[number % 2], number)
            _run(sequencer)
            connections[(number + 1) % 2].commit()
        assert watermark(log) >= 3
        for connection in connections:
            connection.commit()
            connection.close()
        _run(sequencer)
    assert sorted(batch_numbers(log)) == [1, 2, 3, 4, 5, 6]


def watermark(log):
    with psycopg.connect(log.dsn) as connection:
        ((until,),) = connection.execute("SELECT batches_until FROM log_state").fetchall()
    return until


def _run(sequencer):
    return asyncio.run(sequencer.run_step())


def test_a_node_that_moves_to_another_area_loses_no_batch(log, node, tmp_path):
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO area (id, name, authority, outline) VALUES ('zaan', 'Zaan', 'OD', '{}')")
        station = Station(id="zaandam", area="zaan", name="Zaandam", latitude=52.4, longitude=4.8)
        stations.put_station(connection, station)
        zaan = TestLog(log.dsn, tmp_path / "log", Signer.generate("piekwacht.example/log/zaan"), area="zaan")
        add_batches(log.dsn, [1])
        log.step()
        add_batches(log.dsn, [2])
        zaan.step()
        stations.put_node(connection, Node(id=node.id, area="zaan", station="zaandam", key=node.signer.verifier))
    log.step()
    zaan.step()
    assert (batch_numbers(log), batch_numbers(zaan)) == ([1], [2])


def test_a_restored_backup_never_signs(log, postgres):
    add_batches(log.dsn, [1, 2])
    log.step()
    name = log.dsn.rsplit("dbname=", 1)[-1].split()[0].strip("'")
    backup = postgres.create_database(f"{name}_backup", template=name)
    add_batches(log.dsn, [3])
    log.step()
    head = log.files.read_checkpoint()
    restored = TestLog(backup, log.folder, log.signer)
    add_batches(backup, [4, 5, 6, 7])
    for _ in range(2):
        with pytest.raises(LogRefusedError, match="a backup was restored"):
            restored.step()
    assert log.files.read_checkpoint() == head
    log.step()


def test_another_database_that_is_longer_is_a_fork_and_never_signs(log, postgres, tmp_path):
    add_batches(log.dsn, [1, 2])
    log.step()
    name = log.dsn.rsplit("dbname=", 1)[-1].split()[0].strip("'")
    backup = postgres.create_database(f"{name}_fork", template=name)
    add_batches(log.dsn, [3])
    log.step()
    add_batches(backup, [4, 5, 6, 7])
    elsewhere = TestLog(backup, tmp_path / "elsewhere", log.signer)
    elsewhere.files.write_state((log.folder / "state" / "ijmond.head").read_bytes())
    with pytest.raises(LogRefusedError, match="a backup was restored"):
        elsewhere.step()
    with psycopg.connect(backup) as connection:  # somebody gave indices without reading the file
        connection.execute(
            """INSERT INTO log_leaf (area_id, number, batch_id)
               SELECT 'ijmond', size + row_number() OVER (ORDER BY b.id) - 1, b.id FROM batch b, log_state
               WHERE NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.batch_id = b.id);
               UPDATE log_state SET size = (SELECT count(*) FROM log_leaf)"""
        )
    with pytest.raises(LogRefusedError, match="never signs a fork"):
        elsewhere.step()


def test_a_missing_file_of_the_last_head_stops_the_log(log):
    log.step()
    (log.folder / "state" / "ijmond.head").unlink()
    with pytest.raises(LogRefusedError, match="the file with its last head is missing"):
        log.step()
    log.files.write_state(log.files.read_checkpoint())
    assert log.step().size == log.checkpoint().size


def test_only_one_of_two_sequencers_works(log):
    add_batches(log.dsn, [1])
    with closing(log.sequencer()) as first, closing(log.sequencer()) as second:
        _run(first)
        with pytest.raises(LockHeldError, match="another process"):
            _run(second)
        first.close()
        run_when_free(second)
    check_tree(log)


def test_two_machines_with_their_own_files_publish_one_log(log, tmp_path):
    add_batches(log.dsn, range(1, 301))
    log.step()
    other = TestLog(log.dsn, tmp_path / "other", log.signer)
    other.files.write_state(log.files.read_state())
    add_batches(log.dsn, range(301, 601))
    other.step()
    assert check_tree(other)[: log.checkpoint().size] == log.entries()
    log.step()
    assert log.files.read_checkpoint() == other.files.read_checkpoint()


def test_lost_files_are_written_again_from_the_database(log):
    add_batches(log.dsn, range(1, 601))
    log.step()
    head = log.files.read_checkpoint()
    shutil.rmtree(log.folder / "ijmond")
    log.step()
    assert log.files.read_checkpoint() == head
    check_tree(log)


def test_a_batch_that_was_changed_in_the_database_stops_the_log(log):
    add_batches(log.dsn, [1, 2])
    log.step()
    with psycopg.connect(log.dsn) as connection:
        connection.execute("UPDATE batch SET sha256 = sha256('other') WHERE seq = 1")
    add_batches(log.dsn, [3])
    with pytest.raises(LogRefusedError, match="never signs a fork"):
        log.step()


def test_a_batch_that_was_removed_from_the_database_stops_the_log(log):
    add_batches(log.dsn, [1, 2])
    log.step()
    with psycopg.connect(log.dsn) as connection:
        connection.execute("DELETE FROM batch WHERE seq = 2")
    add_batches(log.dsn, [3])
    with pytest.raises(LogRefusedError, match="a row was removed"):
        log.step()
