"""Load positions and readings of a span as columns. The follower and the API call it. Raises psycopg.Error."""

from pathlib import Path

import numpy as np

from alerting.sql import load_queries
from gateway.store.connection import Transaction
from gateway.tracks.positions import FloatColumn, Positions, TimeColumn

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

Readings = dict[str, tuple[TimeColumn, FloatColumn]]
"""Times (ms UTC) and valid values of each property; NaN where none counts."""


async def load_positions(tx: Transaction, values: dict[str, object]) -> Positions:
    """The positions of a `station` from `start` to `end`."""
    rows = await (await tx.execute(QUERIES["select_positions"], values, binary=True)).fetchall()
    columns = np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)
    return Positions(
        times=np.array([row[0] for row in rows], np.int64),
        latitude=columns[:, 0],
        longitude=columns[:, 1],
        altitude=columns[:, 2],
    )


async def load_readings(tx: Transaction, values: dict[str, object]) -> Readings:
    """The readings of a `station` from `start` to `end`."""
    rows = await (await tx.execute(QUERIES["select_values"], values, binary=True)).fetchall()
    return {
        name: (np.array(times, np.int64), np.array([np.nan if v is None else v for v in numbers], np.float64))
        for name, times, numbers in rows
    }
