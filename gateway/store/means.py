"""Fill TimescaleDB's means after a migration has made them anew, then let its policies keep them up to date.

Called by the migration. Days are filled from the oldest to the newest. An aggregate computes all that is newer than
its newest filled bucket from the readings, so every answer is complete while this runs. Policies come last: they fill
the newest days first, and older ones would then be missing. If it is interrupted, the next
migration continues; filled days cost it nothing. On plain PostgreSQL there is nothing to do: means are views.
"""

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import psycopg

from alerting.sql import load_queries
from gateway.store.retention import has_timescale
from gateway.store.upkeep.means import refresh_all_means

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


# Statements to run before a migration, in its transaction. This migration copies means of deleted readings from the
# views. In an INSERT, TimescaleDB looks up where the stored part ends for every reading that is not refreshed yet. That
# takes 0.1 ms per reading: hours if the scheduler fails. Such readings are not deleted, so the stored part is enough.
PREPARATIONS = MappingProxyType({"0101_valid_means.timescale.sql": _QUERIES["show_stored_means_only"]})


def fill_means(connection: psycopg.Connection) -> None:
    """Refresh every aggregate and add its policy, unless this was done before. `connection` is in autocommit mode."""
    if not has_timescale(connection) or _has_policies(connection):
        return
    refresh_all_means(connection, lambda: datetime.now(UTC))
    connection.execute(_QUERIES["add_policies"])


def _has_policies(connection: psycopg.Connection) -> bool:
    return connection.execute(_QUERIES["count_policies"]).fetchone() != (0,)
