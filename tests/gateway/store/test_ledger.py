from dataclasses import replace

import psycopg

from edge_agent.wire import Signer
from gateway.decode import Verified
from gateway.refusal import Reason
from gateway.store import ledger
from tests.gateway.enrolled import Enrolled

NODE = Enrolled(signer=Signer.generate("ijm-001"))


def verified(seq, sha256=b"a"):
    return Verified(payload=NODE.payload(seq), batch=NODE.batch(seq), sha256=sha256)


def test_the_first_of_two_equal_batches_is_fresh_and_the_second_a_duplicate():
    found = ledger.sift([verified(1), verified(2), verified(1)], {})
    assert [v.batch.seq for v in found.fresh] == [1, 2]
    assert [v.batch.seq for v in found.duplicates] == [1]


def test_the_same_key_with_other_bytes_is_tampering_whether_stored_or_in_the_same_micro_batch():
    found = ledger.sift([verified(1, b"other"), verified(2), verified(2, b"other")], {0: b"a"})
    assert [r.reason for r in found.tampered] == [Reason.TAMPERED, Reason.TAMPERED]
    assert [v.batch.seq for v in found.fresh] == [2]


def test_a_stored_batch_whose_bytes_are_gone_is_a_duplicate():
    assert len(ledger.sift([verified(1)], {0: None}).duplicates) == 1


async def test_ranges_grow_together_whatever_the_order(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for seq in (5, 1, 2, 4, 9):
            await ledger.record(connection, [("ijm-001", NODE.inc, seq)])
        (ranges,) = await ledger.stored_ranges(connection, [("ijm-001", NODE.inc, 1)])
        assert ranges.ranges == [(1, 2), (4, 5), (9, 9)]
        assert (await ledger.accept(connection, [verified(4), verified(3)])).fresh[0].batch.seq == 3


async def test_another_incarnation_is_another_ledger(database):
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await ledger.record(connection, [("ijm-001", "aaaaaaaaaaaa", 1)])
        other = replace(verified(1), batch=NODE.batch(1, inc="bbbbbbbbbbbb"))
        assert (await ledger.accept(connection, [other])).fresh == [other]
