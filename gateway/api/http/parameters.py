"""Path and query parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

ItemId = Annotated[str, Path(alias="id")]
AreaId = Annotated[str | None, Query(description="only of this area", max_length=100)]
StationId = Annotated[str | None, Query(description="only of this station", max_length=100)]
PropertyId = Annotated[str | None, Query(alias="property", description="such as pm2_5", max_length=100)]
CursorText = Annotated[str | None, Query(alias="cursor", max_length=400, description="`nextCursor` of the last page")]
InstantText = Annotated[str | None, Query(max_length=40, description="RFC 3339 with time zone")]
