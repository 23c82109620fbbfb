"""Peer: the ledger script, which also verifies the signature of each batch. Exactly once; no detection, no live feed.

It shows what exactly-once ingest of signed batches costs at least. An unsigned or forged batch is left out and not
stored for evidence, so it still does less than Piekwacht.
"""

import psycopg

from edge_agent.wire import ForgedError, UnsignedError, Verifier
from gateway.decoding.signature import is_valid_signature
from tests.benchmarks.peers.ledger_script import store
from tests.benchmarks.peers.paho_consumer import Batch, consume

_VERIFIERS: dict[str, Verifier] = {}


def is_signed(connection: psycopg.Connection, batch: Batch, payload: bytes) -> bool:
    """Whether the node that the batch names signed it; its key is read once per process."""
    verifier = _VERIFIERS.get(batch.node)
    if verifier is None:
        verifier = _VERIFIERS[batch.node] = _load_verifier(connection, batch.node)
    try:
        verifier.open(payload, is_valid_signature)
    except (UnsignedError, ForgedError):
        return False
    return True


def _load_verifier(connection: psycopg.Connection, node: str) -> Verifier:
    ((text,),) = connection.execute("SELECT verifier_key FROM node WHERE id = %s", [node]).fetchall()
    return Verifier.parse(text)


if __name__ == "__main__":
    consume(store, is_signed)
