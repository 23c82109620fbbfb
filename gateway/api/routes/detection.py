"""How well the detector finds peaks, measured where it works."""

from fastapi import APIRouter, Depends, Request, Response

from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.schemas.detection import DetectionFigures, fetch_detection_figures

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])


@router.get(
    "/detection-figures",
    summary="How many synthetic peaks were found, how soon, and what was told without any",
    responses=describe_responses(DetectionFigures),
)
async def get_detection_figures(request: Request) -> Response:
    """Over the thirty days up to the hour examined last, by property and sampling interval."""

    async def make() -> DetectionFigures:
        return await fetch_detection_figures(request.app.state.database, request.app.state.settings.operator)

    return await respond_cached(request, make, max_age=60.0)
