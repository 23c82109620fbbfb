"""Bring the database's published levels up to levels.toml. Called by the migration, after the schema."""

from pathlib import Path

import psycopg
from msgspec import structs

from alerting.sql import load_queries
from gateway.assessment.levels import LEVELS

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def write_levels(connection: psycopg.Connection) -> None:
    """Insert or replace the row of every level. Nobody edits them in the database."""
    with connection.cursor() as cursor:
        rows = [{**structs.asdict(level), "averaging": level.averaging.value} for level in LEVELS.values()]
        cursor.executemany(_QUERIES["upsert_level"], rows)
