"""How well the detector finds peaks, measured where it works."""

from fastapi import APIRouter, Depends, Request, Response

from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer
from gateway.api.schemas.detection import DetectionFigures, figures

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["events"])


@router.get(
    "/detection-figures",
    summary="How many synthetic peaks were found, how soon, and what was told without any",
    responses=answers_with(DetectionFigures),
)
async def detection_figures(request: Request) -> Response:
    """Over the thirty days up to the hour examined last, by property and sampling interval."""

    async def make() -> DetectionFigures:
        return await figures(request.app.state.reader, request.app.state.settings.operator)

    return await answer(request, make, fresh=60.0)
