"""`/stations/{id}/context`: values of KNMI and Luchtmeetnet in the area of a station."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.api.data.context_values import StoredContext, load_context
from gateway.api.data.latest_values import require_row
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import InstantText, ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.observations import resolve_period
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.context import ContextDocument, StationContext
from gateway.export.selection import Averaging
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["observations"])
_MAX_AGE = 60.0
_MAX_DAYS = 31


@router.get(
    "/stations/{id}/context",
    summary="Values of KNMI and Luchtmeetnet in the area of a station",
    responses=describe_responses(StationContext),
)
async def list_context(
    request: Request,
    id_: ItemId,
    property_: Annotated[
        str, Query(alias="property", description="such as pm10, no2 or wind_speed", max_length=100)
    ] = "pm2_5",
    start: InstantText = None,
    end: InstantText = None,
) -> Response:
    """Of a day if there is no `start`; values that others publish may be about substances that nobody measures here."""
    latest_values = await get_latest_values(request)
    require_row(latest_values.registry.stations, "station", id_)
    period = resolve_period(start, end, Averaging.HOUR, _MAX_DAYS)
    area = latest_values.registry.stations[id_].area

    async def make() -> StationContext:
        values = await load_context(request.app.state.database, area, [property_.replace("\0", "")], period)
        return StationContext(
            station=id_,
            observed_property=property_,
            start=format_instant(period[0]),
            end=format_instant(period[1]),
            items=[build_context(value) for value in values],
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)


def build_context(value: StoredContext) -> ContextDocument:
    """A value as the API shows it."""
    return ContextDocument(
        source=value.source,
        station=value.station,
        name=value.name,
        credit=value.attribution,
        observed_property=value.observed_property,
        unit=value.unit,
        start=format_instant(value.start),
        seconds=value.seconds,
        value=value.value,
    )
