"""Peer: paho, COPY into a temporary table, INSERT with ON CONFLICT. Exactly once by the key of each reading.

No signatures, no detection, no live feed. Two readings of one datastream at one time are one row, also if they differ.
"""

from collections.abc import Sequence

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
CREATE TABLE script_observation (datastream_id int, observed_at timestamptz, value double precision,
    PRIMARY KEY (datastream_id, observed_at) INCLUDE (value));
"""
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS stage (datastream_id int, observed_at timestamptz, value double precision)
ON COMMIT DELETE ROWS
"""
_COPY = "COPY stage FROM STDIN (FORMAT binary)"
_INSERT = "INSERT INTO script_observation SELECT * FROM stage ON CONFLICT DO NOTHING"
_IDS = DatastreamIds()


def store(connection: psycopg.Connection, batches: Sequence[Batch]) -> None:
    """Add the readings whose time is new."""
    rows = place_rows(connection, batches, _IDS)
    stream = encode_rows(
        (">i4", rows.datastream), (">i8", postgres_microseconds(rows.observed_at)), (">f8", rows.value)
    )
    connection.execute(_STAGE)
    with connection.cursor().copy(_COPY) as out:
        out.write(stream)
    connection.execute(_INSERT)


if __name__ == "__main__":
    consume(store)
