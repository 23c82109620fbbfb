"""Values of other networks in the database; called by `piekwacht context`. `connection` is in autocommit mode."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from msgspec import structs

from alerting.sql import load_queries
from gateway.context.settings import ContextStation
from gateway.context.values import ATTRIBUTIONS, ContextError, ContextSource, ContextValue

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def store_station(connection: psycopg.Connection, station: ContextStation) -> None:
    """Create or change a station. Raises ContextError if its area is unknown."""
    values = {**structs.asdict(station), "source": station.source.value, "attribution": ATTRIBUTIONS[station.source]}
    if connection.execute(_QUERIES["select_area"], values).fetchone() is None:
        raise ContextError(f"[context] station {station.id}: there is no area {station.area!r}")
    connection.execute(_QUERIES["upsert_station"], values)


def store_context(connection: psycopg.Connection, source: ContextSource, values: Sequence[ContextValue]) -> None:
    """Store the values of a network; of a time that is stored already the new value counts."""
    rows = [{**structs.asdict(value), "source": source.value} for value in values]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_QUERIES["upsert_value"], rows)
