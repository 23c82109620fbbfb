"""`/api/v1`: links to every collection."""

from fastapi import APIRouter, Depends, Request, Response

from gateway.api.http.headers import VERSION
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.schemas.service import Landing

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["places"])
_COLLECTIONS = (
    "areas", "sites", "stations", "datastreams", "observed-properties", "corrections", "playback", "situations",
    "events", "site-reports", "plumes", "alerts", "detection-figures", "live",
)  # fmt: skip


@router.get("", summary="Links to every collection", responses=describe_responses(Landing))
async def get_index(request: Request) -> Response:
    """Links to every collection, the OpenAPI document and the documentation."""
    settings = request.app.state.settings

    async def make() -> Landing:
        root = settings.public_url.rstrip("/")
        links = {name: f"{root}/api/v1/{name}" for name in _COLLECTIONS}
        links["service-desc"] = f"{root}/api/v1/openapi.json"
        links["service-doc"] = f"{root}/about"
        return Landing(title="Piekwacht", version=VERSION, links=links, attribution=settings.operator)

    return await respond_cached(request, make, max_age=60.0)
