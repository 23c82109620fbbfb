"""`/detection-figures`: how well the detector finds synthetic peaks, by the self-test's results in the database.

The status page shows the same figures, and `/metrics` exports them to Prometheus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Depends, Request, Response

from gateway.api.data.database import Database
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.schemas.detection import DetectionFigures, build_detection_figure
from gateway.evaluation.selftest import telemetry
from gateway.evaluation.selftest.outcome import Exposure
from gateway.evaluation.selftest.statistics import DetectionRate
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])


@dataclass(frozen=True, kw_only=True)
class SyntheticPeaksRow(DetectionRate):
    """A rate with the detector and the period of the test, which are the same in every row."""

    detector: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class SelftestSummary:
    """Results of the detector that was tested last, over thirty days up to its last tested hour; else empty."""

    synthetic: Sequence[SyntheticPeaksRow]
    exposures: Sequence[Exposure]


async def fetch_selftest_summary(database: Database) -> SelftestSummary:
    """Read the results; raises HTTPException 503 as Database does."""
    return SelftestSummary(
        synthetic=await database.fetch(SyntheticPeaksRow, "summarise_selftest_peaks"),
        exposures=await database.fetch(Exposure, "summarise_selftest_exposure"),
    )


def build_detection_figures(summary: SelftestSummary, attribution: str) -> DetectionFigures:
    """The results as the API shows them."""
    rows = summary.synthetic
    return DetectionFigures(
        detector=rows[0].detector if rows else None,
        since=format_instant(min(row.since for row in rows)) if rows else None,
        until=format_instant(max(row.until for row in rows)) if rows else None,
        items=[build_detection_figure(exposure, rows) for exposure in summary.exposures],
        attribution=attribution,
    )


def export_metrics(summary: SelftestSummary) -> None:
    """Set the Prometheus gauges of the self-test in this process."""
    for row in summary.synthetic:
        labels = row.observed_property, str(row.interval), f"{row.multiple:g}"
        telemetry.PEAKS.labels(*labels).set(row.injected)
        telemetry.PROBABILITY.labels(*labels).set(row.probability)
        for metric, value in ((telemetry.DELAY, row.delay), (telemetry.RATIO, row.ratio)):
            if value is not None:
                metric.labels(*labels).set(value)
    for exposure in summary.exposures:
        if exposure.sensor_days:
            labels_of_exposure = exposure.observed_property, str(exposure.interval)
            telemetry.ALONE.labels(*labels_of_exposure).set(exposure.alone / exposure.sensor_days)


@router.get(
    "/detection-figures",
    summary="How many synthetic peaks were detected, how soon, and what was reported without any",
    responses=describe_responses(DetectionFigures),
)
async def get_detection_figures(request: Request) -> Response:
    """Over the thirty days up to the last tested hour, by property and sampling interval."""

    async def make() -> DetectionFigures:
        summary = await fetch_selftest_summary(request.app.state.database)
        return build_detection_figures(summary, request.app.state.settings.operator)

    return await respond_cached(request, make, max_age=60.0)
