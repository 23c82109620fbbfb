"""`/plumes/{id}/source-direction`: where a plume may have come from, for inspectors of its area."""

from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from msgspec import json

from gateway.api.data.source_evidence import unproject_polygons
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.inspector.source_direction import PlumeDirection, locate_plume
from gateway.api.schemas.direction import SourceDirection, SourceRegion, SourceSite, WindFan
from gateway.localisation.locate import METHOD
from gateway.model.figures import shorten
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["inspector"])
_SECURITY: dict[str, Any] = {"security": [{"key": []}, {"session": []}]}
_LEAST_PROBABILITY = 0.01


@router.get(
    "/plumes/{id}/source-direction",
    summary="The region that a plume may have come from, or why there is none",
    responses=describe_responses(SourceDirection, private=True),
    openapi_extra=_SECURITY,
)
async def get_source_direction(request: Request, id_: ItemId) -> Response:
    """It gives a direction and no cause. The regions hold if there is one source and it lies on the map."""
    direction = await locate_plume(request, id_)
    if direction is None:
        raise HTTPException(404, "the station of this plume is no longer in the registry")
    headers = {"Cache-Control": "no-store"}
    return Response(json.encode(build_document(direction)), media_type="application/json", headers=headers)


def build_document(direction: PlumeDirection) -> SourceDirection:
    """The document of a located or refused direction."""
    location = direction.location
    return SourceDirection(
        plume=direction.plume.id,
        observed_property=direction.observed_property,
        unit=direction.plume.events[0].unit,
        method=METHOD,
        start=format_instant(direction.period[0]),
        end=format_instant(direction.period[1]),
        threshold=direction.threshold,
        refusal="no_level" if location is None else location.refusal,  # type: ignore[arg-type]
        high_stations=[] if location is None else list(location.high_stations),
        low_stations=[] if location is None else list(location.low_stations),
        masts=[mast.id for mast in direction.chosen.masts],
        fans=[]
        if location is None
        else [
            WindFan(station=fan.station, direction=round(fan.direction, 1), spread=round(fan.spread, 1))
            for fan in location.fans
        ],
        regions=[
            SourceRegion(
                share=region.share,
                area_km2=shorten(region.area / 1e6) or 0.0,
                share_of_map=round(region.share_of_map, 3),
                geometry={
                    "type": "MultiPolygon",
                    "coordinates": unproject_polygons(direction.chosen, region.polygons),
                },
            )
            for region in direction.regions
        ],
        sites=[
            SourceSite(id=share.site.id, name=share.site.name, probability=round(share.probability, 3))
            for share in direction.sites
            if share.probability >= _LEAST_PROBABILITY
        ],
    )
