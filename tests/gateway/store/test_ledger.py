"""The ledger separates new batches from duplicates and tampered ones."""

import psycopg

from edge_agent.wire import ClockState, Signer
from gateway.decoding.decode import BatchHeader
from gateway.decoding.rejection import RejectionReason
from gateway.store import ledger, stations
from tests.gateway.enrolled_node import T0, EnrolledNode

NODE = EnrolledNode(signer=Signer.generate("ijm-001"))


def header(seq, sha256=b"a", inc=NODE.inc):
    return BatchHeader(
        NODE.payload(seq), sha256, "ijm-001", inc, seq, "boot", 0, ClockState.SYNCED, T0, T0, T0, 2, late=False
    )


def test_the_first_of_two_equal_batches_is_new_and_the_second_a_duplicate():
    accepted = ledger.classify_batches([header(1), header(2), header(1)], {})
    assert [h.seq for h in accepted.new] == [1, 2]
    assert [h.seq for h in accepted.duplicates] == [1]


def test_a_key_with_other_bytes_is_tampered_if_stored_or_in_the_same_micro_batch():
    accepted = ledger.classify_batches([header(1, b"other"), header(2), header(2, b"other")], {0: b"a"})
    assert [r.reason for r in accepted.tampered] == [RejectionReason.TAMPERED, RejectionReason.TAMPERED]
    assert [h.seq for h in accepted.new] == [2]


def test_the_answer_names_the_bytes_that_hold_each_key():
    headers = [header(1, b"other"), header(2), header(2, b"other"), header(3)]
    owners = ledger.classify_batches(headers, {0: b"a"}).owners
    assert {seq: owner for (_, _, seq), owner in owners.items()} == {1: b"a", 2: header(2).sha256, 3: header(3).sha256}


async def test_received_numbers_merge_into_ranges_in_any_order(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for seq in (5, 1, 2, 4, 9):
            await ledger.record_received(connection, [("ijm-001", NODE.inc, seq)])
        (ranges,) = await ledger.load_stored_ranges(connection, {("ijm-001", NODE.inc, 1): bytes(32)})
        assert ranges.ranges == [(1, 2), (4, 5), (9, 9)]
        assert ranges.hashes == [(1, "0" * 32)]
        assert (await ledger.accept_batches(connection, [header(4), header(3)])).new[0].seq == 3


async def test_new_batches_are_numbered_in_their_order_with_the_version_of_the_registry(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await ledger.record_received(connection, [("ijm-001", NODE.inc, 2)])
        first = await ledger.accept_batches(connection, [header(1), header(2), header(3), header(3)])
        assert len(first.ids) == len(first.new) == 2
        second = await ledger.accept_batches(connection, [header(4)])
        assert first.ids[0] < first.ids[1] < second.ids[0]
        assert first.registry_version == await stations.load_version(connection)
        empty = await ledger.accept_batches(connection, [])
        assert (empty.new, list(empty.ids), empty.registry_version) == ([], [], first.registry_version)


async def test_each_incarnation_has_its_own_numbers(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await ledger.record_received(connection, [("ijm-001", "aaaaaaaaaaaa", 1)])
        other = header(1, inc="bbbbbbbbbbbb")
        assert (await ledger.accept_batches(connection, [other])).new == [other]
