"""Peer: the ledger script, which also verifies the signature of each batch. Exactly once; no detection, no live feed.

It shows what exactly-once ingest of signed batches costs at least: an unsigned or forged batch is left out and is not
stored for evidence, so it still does less than Piekwacht.
"""

import base64

import msgspec
import psycopg
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tests.benchmarks.peers.ledger_script import store
from tests.benchmarks.peers.paho_consumer import consume

_KEY_ID_BYTES = 4  # before the signature
_ALGORITHM_BYTES = 1  # before the public key


class _Sender(msgspec.Struct):
    node: str


_SENDER = msgspec.json.Decoder(_Sender)
_KEYS: dict[str, VerifyKey] = {}


def is_signed(connection: psycopg.Connection, payload: bytes) -> bool:
    """Whether the node that the batch names signed it; its key is read once per process."""
    text, _, signature = payload.partition(b"\n\n")
    node = _SENDER.decode(text).node
    key = _KEYS.get(node) or _KEYS.setdefault(node, _load_key(connection, node))
    try:
        key.verify(text + b"\n", base64.b64decode(signature.rsplit(b" ", 1)[1])[_KEY_ID_BYTES:])
    except BadSignatureError:
        return False
    return True


def _load_key(connection: psycopg.Connection, node: str) -> VerifyKey:
    ((text,),) = connection.execute("SELECT verifier_key FROM node WHERE id = %s", [node]).fetchall()
    return VerifyKey(base64.b64decode(text.split("+", 2)[2])[_ALGORITHM_BYTES:])


if __name__ == "__main__":
    consume(store, is_signed)
