"""`/inspector/plumes/{id}/direction`: where a plume may have come from, with the evidence and its limits."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from markupsafe import Markup

from alerting.vocabulary import compass_direction
from gateway.api.data.area_base import AreaBase
from gateway.api.http.parameters import ItemId
from gateway.api.inspector.direction_routes import build_document
from gateway.api.inspector.source_direction import PlumeDirection, locate_plume
from gateway.api.pages.direction_map import draw_direction_map
from gateway.api.pages.inspector_page import render_page, render_problems
from gateway.api.pages.renderer import View, ViewDependency

router = APIRouter()


@dataclass(frozen=True, kw_only=True)
class StationRole:
    """A station that is evidence. `wind`: where the air came from while it was high; empty for a low station."""

    name: str
    is_high: bool
    wind: str


@router.get("/inspector/plumes/{id}/direction")
async def show_direction(view: ViewDependency, id_: ItemId) -> Response:
    """The regions, or the reason why there are none."""

    async def make() -> Response:
        direction = await locate_plume(view.request, id_)
        if direction is None:
            raise HTTPException(404, "the station of this plume is no longer in the registry")
        return render_page(
            view,
            "inspector_direction.html",
            plume=direction.plume,
            document=build_document(direction),
            observed_property=direction.observed_property,
            direction_map=_draw(view, direction),
            stations=_list_roles(view, direction),
        )

    return await render_problems(view, make)


def _draw(view: View, direction: PlumeDirection) -> Markup | None:
    if direction.location is None:
        return None
    bases: dict[str, AreaBase] = view.request.app.state.area_bases
    title = view.texts["map"]
    return draw_direction_map(view, direction, direction.location, bases.get(direction.plume.area), title)


def _list_roles(view: View, direction: PlumeDirection) -> list[StationRole]:
    """The high stations first."""
    if direction.location is None:
        return []
    fans = {fan.station: fan for fan in direction.location.fans}
    roles = [
        StationRole(
            name=row.name,
            is_high=row.id in direction.location.high_stations,
            wind=compass_direction(fans[row.id].direction, view.language) if row.id in fans else "",
        )
        for row in direction.chosen.stations
    ]
    return sorted(roles, key=lambda role: not role.is_high)
