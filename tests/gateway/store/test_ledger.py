import psycopg

from edge_agent.wire import Clock, Signer
from gateway.decoding.decode import Heading
from gateway.decoding.rejection import Reason
from gateway.store import ledger, stations
from tests.gateway.enrolled_node import T0, Enrolled

NODE = Enrolled(signer=Signer.generate("ijm-001"))


def heading(seq, sha256=b"a", inc=NODE.inc):
    return Heading(NODE.payload(seq), sha256, "ijm-001", inc, seq, "boot", 0, Clock.SYNCED, T0, T0, 2, late=False)


def test_the_first_of_two_equal_batches_is_fresh_and_the_second_a_duplicate():
    found = ledger.sift([heading(1), heading(2), heading(1)], {})
    assert [h.seq for h in found.fresh] == [1, 2]
    assert [h.seq for h in found.duplicates] == [1]


def test_the_same_key_with_other_bytes_is_tampering_whether_stored_or_in_the_same_micro_batch():
    found = ledger.sift([heading(1, b"other"), heading(2), heading(2, b"other")], {0: b"a"})
    assert [r.reason for r in found.tampered] == [Reason.TAMPERED, Reason.TAMPERED]
    assert [h.seq for h in found.fresh] == [2]


def test_a_stored_batch_whose_bytes_are_gone_is_a_duplicate():
    assert len(ledger.sift([heading(1)], {0: None}).duplicates) == 1


async def test_ranges_grow_together_whatever_the_order(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for seq in (5, 1, 2, 4, 9):
            await ledger.record(connection, [("ijm-001", NODE.inc, seq)])
        (ranges,) = await ledger.stored_ranges(connection, [("ijm-001", NODE.inc, 1)])
        assert ranges.ranges == [(1, 2), (4, 5), (9, 9)]
        assert (await ledger.accept(connection, [heading(4), heading(3)])).fresh[0].seq == 3


async def test_new_batches_are_numbered_in_their_order_and_the_registry_is_told_by_its_version(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await ledger.record(connection, [("ijm-001", NODE.inc, 2)])
        first = await ledger.accept(connection, [heading(1), heading(2), heading(3), heading(3)])
        assert len(first.ids) == len(first.fresh) == 2
        second = await ledger.accept(connection, [heading(4)])
        assert first.ids[0] < first.ids[1] < second.ids[0]
        assert first.version == await stations.version(connection)
        nothing = await ledger.accept(connection, [])
        assert (nothing.fresh, list(nothing.ids), nothing.version) == ([], [], first.version)


async def test_another_incarnation_is_another_ledger(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await ledger.record(connection, [("ijm-001", "aaaaaaaaaaaa", 1)])
        other = heading(1, inc="bbbbbbbbbbbb")
        assert (await ledger.accept(connection, [other])).fresh == [other]
