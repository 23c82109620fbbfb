"""Every query, view and function that reads values of observations applies the rule of validity, or states why not.

The queries are listed from the `.sql` files, the views and functions from the catalogue of a migrated database.
"""

import re
from pathlib import Path

import psycopg
import pytest

from alerting.sql import load_queries

REPO = Path(__file__).resolve().parents[3]
PACKAGES = ("gateway", "alerting")
READS_VALUES = re.compile(r"\b(?:FROM|JOIN)\s+(?:public\.)?observation\b", re.IGNORECASE)
VALUE = re.compile(r"\bvalue\b|\.\*")
RULE = re.compile(r"\b(?:valid_value|quality_flags)\s*\(")
WITHOUT_RULE = {
    "select_values": "the demo compares with what its nodes sent, bit by bit",
    "insert_positions": "takes the times of readings and no value",
    "move_observations": "gives readings another time; it publishes none",
}


def list_queries() -> dict[str, str]:
    """Every named query of the packages, without comments."""
    queries = {}
    for package in PACKAGES:
        for path in sorted((REPO / package).rglob("*.sql")):
            if "migrations" not in path.parts:
                for name, text in load_queries(path).items():
                    queries[f"{path.relative_to(REPO)}: {name}"] = re.sub(r"--.*", "", text)
    return queries


def reads_values(text: str) -> bool:
    return bool(READS_VALUES.search(text) and VALUE.search(text))


QUERIES = {name: text for name, text in list_queries().items() if reads_values(text)}


def test_the_queries_that_read_values_are_found():
    """The list is not empty by mistake: these four read them for people."""
    names = {name.rsplit(" ", 1)[1] for name in QUERIES}
    assert {"select_newest_minutes", "select_readings", "export_raw", *WITHOUT_RULE} <= names


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_reads_values_takes_the_rule(name):
    assert RULE.search(QUERIES[name]) or name.rsplit(" ", 1)[1] in WITHOUT_RULE, name


def test_every_view_and_function_that_reads_values_takes_the_rule(database):
    with psycopg.connect(database) as connection:
        objects = dict(
            connection.execute(
                """SELECT v.schemaname || '.' || v.viewname, v.definition FROM pg_views v
                   WHERE v.schemaname IN ('public', 'alerting')
                   UNION ALL
                   SELECT n.nspname || '.' || p.proname, p.prosrc
                   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                   WHERE n.nspname IN ('public', 'alerting') AND p.prokind = 'f'"""
            ).fetchall()
        )
    readers = {name: text for name, text in objects.items() if reads_values(re.sub(r"--.*", "", text))}
    assert {
        "public.observation_1min",
        "public.linear_means_between",
        "public.levels_between",
        "alerting.curve",
    } <= readers.keys()
    assert [name for name, text in readers.items() if not RULE.search(text)] == []
