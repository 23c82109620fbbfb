"""Samples of laboratories in the database; called by `piekwacht hazard-index import`."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from msgspec import structs
from psycopg.rows import scalar_row

from alerting.sql import load_queries
from gateway.assessment.sample_file import SampleRow
from gateway.model.csv_table import TableFileError

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def list_stations(connection: psycopg.Connection) -> set[str]:
    """Return the ids of all stations."""
    return set(connection.cursor(row_factory=scalar_row).execute(_QUERIES["select_stations"]).fetchall())


def store_samples(connection: psycopg.Connection, samples: Sequence[SampleRow], *, replace: bool = False) -> int:
    """Store all samples or none; return how many are new. The same sample twice changes nothing.

    Raises TableFileError for a sample that is stored with another value, unless it may be replaced.
    """
    new = 0
    with connection.transaction():
        cursor = connection.cursor(row_factory=scalar_row)
        for sample in samples:
            values = structs.asdict(sample)
            if cursor.execute(_QUERIES["insert_sample"], values).fetchone() is not None:
                new += 1
                continue
            stored = cursor.execute(_QUERIES["select_sample"], values).fetchone()
            if replace:
                cursor.execute(_QUERIES["update_sample"], values)
            elif stored != sample.value:
                raise TableFileError(
                    f"{sample.substance} at {sample.station} from {sample.start.isoformat()} is stored as {stored:g} "
                    f"and not {sample.value:g} ug/m3, so nothing of the file was stored; "
                    "if the file is right, give --replace"
                )
    return new
