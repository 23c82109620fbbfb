"""The consumer loop of the scripts: a persistent session, as many messages as wait, one transaction, then PUBACK.

As good as a short script can be. One thread receives, the other stores. A message is acknowledged after COMMIT. JSON is
decoded by msgspec. Rows are encoded by numpy and sorted in the order of the index.
"""

import queue
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import paho.mqtt.client as paho
import psycopg
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

_MAX_BATCHES = 1_000  # in one transaction, as the gateway
_EPOCH = 946_684_800_000  # 2000-01-01 in ms
_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"


class Batch(msgspec.Struct):
    """Fields that a script reads of a batch; the signature is not read."""

    node: str
    seq: int
    t0: int
    dt: list[int]
    values: dict[str, list[float]]


class DatastreamIds:
    """Ids of (node, property), stored in a table and read once per process and node."""

    SCHEMA = """
    CREATE TABLE script_datastream (id int GENERATED ALWAYS AS IDENTITY, node text, property text,
        UNIQUE (node, property));
    """

    def __init__(self) -> None:
        self._ids: dict[str, list[int]] = {}

    def of_batch(self, connection: psycopg.Connection, batch: Batch) -> list[int]:
        """Return one id per property of the batch. The script trusts that a node always sends the same properties."""
        ids = self._ids.get(batch.node)
        if ids is None:
            ids = self._ids[batch.node] = [_find_datastream(connection, batch.node, name) for name in batch.values]
        return ids


def _find_datastream(connection: psycopg.Connection, node: str, name: str) -> int:
    query = """
    INSERT INTO script_datastream (node, property) VALUES (%s, %s)
    ON CONFLICT (node, property) DO UPDATE SET node = excluded.node RETURNING id
    """
    ((id_,),) = connection.execute(query, [node, name]).fetchall()
    return int(id_)


class Rows(NamedTuple):
    """Columns of readings in the order of the index; `batch` counts the batches."""

    datastream: NDArray[Any]
    observed_at: NDArray[Any]
    value: NDArray[Any]
    batch: NDArray[Any]


def place_rows(connection: psycopg.Connection, batches: Sequence[Batch], ids: DatastreamIds) -> Rows:
    """Return all readings of the batches. Every column of a batch has as many values as it has times."""
    columns = [len(batch.values) for batch in batches]
    lengths = np.repeat([len(batch.dt) for batch in batches], columns)
    datastream = np.repeat([id_ for batch in batches for id_ in ids.of_batch(connection, batch)], lengths)
    times = np.concatenate([np.tile(np.array(b.dt) + b.t0, n) for b, n in zip(batches, columns, strict=True)])
    value = np.array([v for batch in batches for column in batch.values.values() for v in column], np.float64)
    number = np.repeat(np.repeat(np.arange(len(batches)), columns), lengths)
    order = np.argsort(datastream, kind="stable")
    return Rows(datastream[order], times[order], value[order], number[order])


def encode_rows(*columns: tuple[str, NDArray[Any]]) -> bytes:
    """Return the binary stream that COPY reads: pairs of a type (">i4", ">i8", ">f8") and a column."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for number, (kind, _) in enumerate(columns):
        fields += [(f"length{number}", ">i4"), (f"value{number}", kind)]
    records = np.empty(len(columns[0][1]), np.dtype(fields))
    records["fields"] = len(columns)
    for number, (kind, column) in enumerate(columns):
        records[f"length{number}"], records[f"value{number}"] = np.dtype(kind).itemsize, column
    return b"".join((_HEADER, records.tobytes(), _TRAILER))


def postgres_microseconds(times_ms: NDArray[Any]) -> NDArray[Any]:
    """Return times in ms since 1970 as PostgreSQL's microseconds since 2000."""
    return (times_ms - _EPOCH) * 1000


def consume(
    store: Callable[[psycopg.Connection, Sequence[Batch]], None],
    is_accepted: Callable[[psycopg.Connection, Batch, bytes], bool] | None = None,
) -> None:
    """Run a script: arguments are DSN, host, port, session and topic. `store` runs in a transaction.

    A batch that `is_accepted` refuses, with its payload, is left out; None: all are accepted.
    """
    dsn, host, port, session, topic = sys.argv[1:]
    waiting: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, session, clean_session=False, manual_ack=True)
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.on_message = lambda _client, _data, message: waiting.put(message)
    client.connect(host, int(port), keepalive=600)  # the measurement halts the process
    client.loop_start()
    decoder = msgspec.json.Decoder(Batch)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            messages = [waiting.get()]
            while len(messages) < _MAX_BATCHES and not waiting.empty():
                messages.append(waiting.get())
            payloads = [message.payload for message in messages]
            batches = [decoder.decode(payload.split(b"\n", 1)[0]) for payload in payloads]
            if is_accepted is not None:
                pairs = zip(batches, payloads, strict=True)
                batches = [batch for batch, payload in pairs if is_accepted(connection, batch, payload)]
            with connection.transaction():
                store(connection, batches)
            for message in messages:
                client.ack(message.mid, message.qos)
