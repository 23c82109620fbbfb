"""The relations of relations.sql as parts of queries. Their own text may hold parameters, which each query gets."""

from collections.abc import Mapping
from pathlib import Path

from psycopg.sql import SQL, Composable

from alerting.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("relations.sql"))
RELATIONS: Mapping[str, Composable] = {name: SQL(text) for name, text in QUERIES.items()}
