"""Peer: paho, binary COPY and a ledger of (node, seq). Exactly once; no signatures, no detection, no live feed."""

from collections.abc import Sequence

import numpy as np
import psycopg

from tests.benchmarks.peers.paho_consumer import (
    Batch,
    DatastreamIds,
    consume,
    encode_rows,
    place_rows,
    postgres_microseconds,
)

SCHEMA = f"""
{DatastreamIds.SCHEMA}
CREATE TABLE script_ledger (id bigint GENERATED ALWAYS AS IDENTITY, node text, seq bigint, PRIMARY KEY (node, seq));
CREATE TABLE script_observation (datastream_id int NOT NULL, observed_at timestamptz NOT NULL,
    value double precision, batch_id bigint NOT NULL);
CREATE INDEX script_by_time ON script_observation (datastream_id, observed_at DESC) INCLUDE (value);
"""
_INSERT = """
INSERT INTO script_ledger (node, seq) SELECT * FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT DO NOTHING RETURNING node, seq, id
"""
_COPY = "COPY script_observation (datastream_id, observed_at, value, batch_id) FROM STDIN (FORMAT binary)"
_IDS = DatastreamIds()


def store(connection: psycopg.Connection, batches: Sequence[Batch]) -> None:
    """Add the batches that the ledger does not have."""
    keys = connection.execute(_INSERT, [[b.node for b in batches], [b.seq for b in batches]], binary=True).fetchall()
    ids = {(node, seq): id_ for node, seq, id_ in keys}
    new = [batch for batch in batches if (batch.node, batch.seq) in ids]
    if not new:
        return
    rows = place_rows(connection, new, _IDS)
    batch_ids = np.array([ids[batch.node, batch.seq] for batch in new])
    stream = encode_rows(
        (">i4", rows.datastream),
        (">i8", postgres_microseconds(rows.observed_at)),
        (">f8", rows.value),
        (">i8", batch_ids[rows.batch]),
    )
    with connection.cursor().copy(_COPY) as out:
        out.write(stream)


if __name__ == "__main__":
    consume(store)
