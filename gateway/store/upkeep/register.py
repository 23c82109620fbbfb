"""Store in the database which works [retention] calls for, and how long each table is stored.

Called by `piekwacht migrate` and at the start of each `piekwacht upkeep run`. The doctor, the status page and the
metrics then need nothing but the database to see what stands still.
"""

from pathlib import Path

import psycopg
from psycopg.rows import scalar_row

from alerting.sql import load_queries
from gateway.store.retention import RetentionSettings, has_timescale, remove_retention_policies
from gateway.store.upkeep.work import Work, select_works

QUERIES = load_queries(Path(__file__).with_name("upkeep.sql"))


def register_works(connection: psycopg.Connection, settings: RetentionSettings) -> list[Work]:
    """Store the works and limits of these settings, and return the works in the order of execution."""
    timescale = has_timescale(connection)
    works = select_works(settings, timescale=timescale)
    with connection.transaction():
        connection.execute(QUERIES["register_works"], {"works": works})
        connection.execute(QUERIES["delete_other_works"], {"works": works})
        if timescale:
            connection.execute(QUERIES["register_limits"], _list_limits(settings))
            remove_retention_policies(connection)
    return works


def _list_limits(settings: RetentionSettings) -> dict[str, list[str] | list[int | None]]:
    return {
        "relations": ["observation", "observation_1min", "observation_1h", "observation_1day"],
        "compress_days": [settings.compress_after_days, None, None, None],
        "drop_days": [settings.raw_days, settings.minute_days, settings.hour_days, settings.day_days],
    }


def has_upkeep(connection: psycopg.Connection) -> bool:
    """Return whether the schema is new enough to show what stands still."""
    return bool(connection.cursor(row_factory=scalar_row).execute(QUERIES["has_upkeep"]).fetchone())
