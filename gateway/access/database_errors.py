"""The answer of the account routes while the database does not answer."""

from collections.abc import Awaitable
from typing import TypeVar

import psycopg
from fastapi import HTTPException

T = TypeVar("T")


async def await_database(query: Awaitable[T]) -> T:
    """Return the result of a query. Raises HTTPException 503 if the database does not answer."""
    try:
        return await query
    except psycopg.OperationalError:
        raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
