"""The newest items of a query with filters, for the lists of events, plumes and alerts on routes, pages and feeds."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

from fastapi import Request

from gateway.api.data.database import Database

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class NewestFilters:
    """Base of the filters of a query: one field per parameter, None for no filter."""


async def fetch_newest(
    request: Request, query: str, build_item: Callable[..., T], filters: NewestFilters, limit: int
) -> list[T]:
    """At most `limit` items, newest first, each as `build_item(attribution, **columns)`."""
    database: Database = request.app.state.database
    build_row = partial(build_item, request.app.state.settings.operator)
    return await database.fetch(build_row, query, list_parameters(filters, limit))


def list_parameters(filters: NewestFilters, limit: int) -> dict[str, object]:
    """The parameters of a query for at most `limit` items."""
    return {**asdict(filters), "limit": limit}


def cut_page(items: list[T], limit: int) -> tuple[list[T], T | None]:
    """The first `limit` of limit + 1 items, and the last of these if another page follows."""
    return items[:limit], items[limit - 1] if len(items) > limit else None
