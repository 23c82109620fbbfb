"""Query results as objects: each column goes into the field of the same name.

SQL therefore names every column. A column without a field, or a field without a column, raises TypeError at the
first row. A single value of another type raises it too. Nothing is converted: JSON read as text stays `str`.
psycopg.Error passes through.
"""

from collections.abc import Mapping
from typing import TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row

T = TypeVar("T")
Parameters = Mapping[str, object]


async def fetch_all(
    connection: psycopg.AsyncConnection, row_type: type[T], query: str, parameters: Parameters | None = None
) -> list[T]:
    """Return every row as a `row_type`."""
    cursor = connection.cursor(row_factory=class_row(row_type))
    return await (await cursor.execute(query, parameters)).fetchall()


async def fetch_one(
    connection: psycopg.AsyncConnection, row_type: type[T], query: str, parameters: Parameters | None = None
) -> T | None:
    """Return the first row as a `row_type`, or None if there is none."""
    cursor = connection.cursor(row_factory=class_row(row_type))
    return await (await cursor.execute(query, parameters)).fetchone()


async def fetch_column(
    connection: psycopg.AsyncConnection, value_type: type[T], query: str, parameters: Parameters | None = None
) -> list[T]:
    """Return the only column of a query; `value_type` is the Python type that psycopg reads it as."""
    cursor = connection.cursor(row_factory=scalar_row)
    return [_checked(value, value_type) for value in await (await cursor.execute(query, parameters)).fetchall()]


async def fetch_value(
    connection: psycopg.AsyncConnection, value_type: type[T], query: str, parameters: Parameters | None = None
) -> T | None:
    """Return the first row's only column, or None if there is no row."""
    cursor = connection.cursor(row_factory=scalar_row)
    value = await (await cursor.execute(query, parameters)).fetchone()
    return None if value is None else _checked(value, value_type)


def _checked(value: object, value_type: type[T]) -> T:
    if not isinstance(value, value_type):
        msg = f"the query returned {type(value).__name__}, not {value_type.__name__}"
        raise TypeError(msg)
    return value
