"""The rule of which values count is the same in Python, in numpy and in SQL, for every set of flags."""

from importlib.resources import files

import numpy as np
import psycopg
import pytest

from edge_agent.wire import DOUBTFUL_FLAGS, EXCLUDED_FLAGS, INVALID_FLAGS, UNDATED_FLAGS, Flag
from gateway.model.validity import find_valid, is_excluded, is_undated, mark_impossible, valid_value
from gateway.store.validity import build_functions

EVERY_SET = range(1 << len(Flag))
VALUES = (None, 0.0, -1e9, 1e9, 1.0000001e9, -2e200, 2e200, float("inf"), float("-inf"), float("nan"))


def test_each_flag_has_exactly_one_class():
    for flag in Flag:
        assert sum(bool(flag & flags) for flags in (INVALID_FLAGS, UNDATED_FLAGS, DOUBTFUL_FLAGS)) == 1, flag
    assert EXCLUDED_FLAGS == INVALID_FLAGS | UNDATED_FLAGS


def test_the_migration_holds_the_functions_of_this_version():
    text = (files("gateway.store") / "migrations" / "0184_validity_estimates.sql").read_text()
    assert text.endswith(build_functions())


def test_sql_and_python_agree_for_every_set_of_flags(database):
    assert len(EVERY_SET) == 32_768
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT flags, is_excluded(flags), is_undated(flags) FROM unnest(%s::int[]) AS flags", [list(EVERY_SET)]
        ).fetchall()
    assert rows == [(flags, is_excluded(flags), is_undated(flags)) for flags in EVERY_SET]


@pytest.mark.parametrize("value", VALUES)
def test_sql_python_and_numpy_agree_whether_a_value_counts(database, value):
    flag_sets = [0, *(int(flag) for flag in Flag), int(Flag.HUMIDITY | Flag.STUCK)]
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT valid_value(%s::float8, f), quality_flags(%s::float8, f) FROM unnest(%s::int[]) AS f",
            [value, value, flag_sets],
        ).fetchall()
    assert rows == [(valid_value(value, flags), mark_impossible(value, flags)) for flags in flag_sets]
    column = np.full(len(flag_sets), np.nan if value is None else value)
    assert find_valid(column, np.array(flag_sets, np.int32)).tolist() == [counts is not None for counts, _ in rows]


def test_the_functions_are_written_into_the_query(database):
    """A call per row would cost more than the rest of a mean."""
    with psycopg.connect(database) as connection:
        plan = connection.execute(
            """EXPLAIN (VERBOSE, COSTS off)
               SELECT avg(valid_value(value, flags)) FROM observation WHERE NOT is_undated(flags)"""
        ).fetchall()
    text = " ".join(line for (line,) in plan)
    assert "valid_value" not in text
    assert "is_undated" not in text
