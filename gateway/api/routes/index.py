"""`/api/v1`: where everything is."""

from fastapi import APIRouter, Depends, Request, Response

from gateway.api.http.headers import VERSION
from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer
from gateway.api.schemas.service import Landing

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["places"])
_NAMES = (
    "areas", "sites", "stations", "datastreams", "observed-properties", "corrections", "events", "alerts",
    "detection-figures", "live",
)  # fmt: skip


@router.get("", summary="Where everything is", responses=answers_with(Landing))
async def landing(request: Request) -> Response:
    """Links to every collection, the feeds and the description."""
    settings = request.app.state.settings

    async def make() -> Landing:
        root = settings.public_url.rstrip("/")
        links = {name: f"{root}/api/v1/{name}" for name in _NAMES}
        links["service-desc"] = f"{root}/api/v1/openapi.json"
        links["service-doc"] = f"{root}/about"
        return Landing(title="Piekwacht", version=VERSION, links=links, attribution=settings.operator)

    return await answer(request, make, fresh=60.0)
