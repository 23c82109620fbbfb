"""Bring the database's registry of properties up to properties.toml. Called by the migration, after the schema."""

from pathlib import Path

import psycopg

from alerting.sql import load_queries
from gateway.model.properties import PROPERTIES

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def add_missing_properties(connection: psycopg.Connection) -> None:
    """Insert the rows that the database does not have; a row that an operator changed stays as it is."""
    for row in PROPERTIES.values():
        values = {
            "id": row.id,
            "unit": row.unit,
            "name_nl": row.name.nl,
            "name_en": row.name.en,
            "lower": row.lower,
            "upper": row.upper,
            "max_rise": row.max_rise,
            "averaging": row.averaging.value,
            "severity": None if row.severity is None else list(row.severity),
        }
        connection.execute(_QUERIES["insert_missing_property"], values)
