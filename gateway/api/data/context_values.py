"""Values of other networks from the database, beside what was measured here; for routes and pages."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from gateway.api.data.database import QuerySource

MAX_VALUES = 5_000


class StoredContext(Struct, frozen=True, kw_only=True):
    """A mean over `seconds` at a station of another network, with the network that published it."""

    source: str
    station: str
    name: str
    attribution: str
    observed_property: str
    start: datetime
    seconds: int
    value: float
    unit: str

    @property
    def end(self) -> datetime:
        """End of the mean."""
        return self.start + timedelta(seconds=self.seconds)


async def load_context(
    source: QuerySource, area: str, properties: Sequence[str], period: tuple[datetime, datetime]
) -> list[StoredContext]:
    """Return the values that overlap a period, by station and property, oldest first; at most 5,000."""
    values = {
        "area": area,
        "properties": list(properties),
        "start": period[0],
        "end": period[1],
        "limit": MAX_VALUES,
    }
    return await source.fetch(StoredContext, "select_context", values)
