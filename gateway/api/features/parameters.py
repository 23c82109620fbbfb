"""Query parameters of OGC API Features. Raises HTTPException 400 with one sentence."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import HTTPException, Query

from gateway.api.features.projections import CRS84, PROJECTIONS, Projection
from gateway.api.http import cursor

Box = tuple[float, float, float, float]
MAX_LIMIT = 10_000
_MAX_OFFSET = 100_000


@dataclass(frozen=True, kw_only=True)
class ItemsRequest:
    """The requested items. `box`: west, south, east, north in degrees. None: no bound."""

    limit: int
    offset: int
    projection: Projection
    box: Box | None
    start: datetime | None
    end: datetime | None

    def contains(self, longitude: float, latitude: float) -> bool:
        """Whether a position is in the box; its edges belong to it."""
        if self.box is None:
            return True
        west, south, east, north = self.box
        return west <= longitude <= east and south <= latitude <= north


async def read_items_request(  # noqa: PLR0917 - they are query parameters
    limit: Annotated[int, Query(ge=1)] = 10,
    offset: Annotated[int, Query(ge=0, le=_MAX_OFFSET)] = 0,
    bbox: Annotated[str | None, Query(max_length=200)] = None,
    bbox_crs: Annotated[str | None, Query(alias="bbox-crs", max_length=100)] = None,
    crs: Annotated[str | None, Query(max_length=100)] = None,
    datetime_: Annotated[str | None, Query(alias="datetime", max_length=100)] = None,
    f: Annotated[str | None, Query(max_length=10, description="json")] = None,
) -> ItemsRequest:
    """The dependency that reads them; a limit above the largest is cut, as the standard allows."""
    if f not in {None, "json"}:
        raise HTTPException(400, "f: there is json")
    start, end = read_period(datetime_)
    return ItemsRequest(
        limit=min(limit, MAX_LIMIT),
        offset=offset,
        projection=read_projection("crs", crs),
        box=_read_box(bbox, read_projection("bbox-crs", bbox_crs)),
        start=start,
        end=end,
    )


def read_projection(name: str, uri: str | None) -> Projection:
    """A coordinate system by its URI; CRS84 without any."""
    if uri is None:
        return CRS84
    if uri not in PROJECTIONS:
        raise HTTPException(400, f"{name}: no {uri[:80]!r}; there are: {', '.join(PROJECTIONS)}")
    return PROJECTIONS[uri]


def _read_box(text: str | None, projection: Projection) -> Box | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:  # with heights, which positions here do not have
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(math.isfinite(number) and abs(number) < 1e8 for number in numbers):
        raise HTTPException(400, "bbox: takes four numbers with commas between them: lower corner, then upper corner")
    if numbers[1] > numbers[3] or (projection.is_swapped and numbers[0] > numbers[2]):
        raise HTTPException(400, "bbox: the lower corner comes first")
    return projection.read_box(numbers)


def read_period(text: str | None) -> tuple[datetime | None, datetime | None]:
    """A time, or two with a slash between them; `..` or nothing is an open end."""
    if text is None:
        return None, None
    first, slash, second = text.partition("/")
    start, end = (None if part in {"", ".."} else cursor.parse_instant("datetime", part) for part in (first, second))
    if not slash:
        end = start
    if (start is None and end is None) or (start is not None and end is not None and start > end):
        raise HTTPException(400, "datetime: write a time, or a period such as 2026-11-21T00:00:00Z/..")
    return start, end
