"""Type of preliminary marks: possible beginnings of peaks, in the live feed."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, Schema
from gateway.live.message import LiveMark
from gateway.model.timestamps import format_instant


class PreliminaryPeak(Schema, frozen=True, kw_only=True):
    """A possible beginning of a peak. It is no event: it has no id, is not stored, and alerts nobody.

    It ends without a message, or an event takes its place.
    """

    area: str
    station: Id
    station_name: str
    observed_property: str
    unit: str
    since: Annotated[Instant, Meta(description="the first reading of the rise")]
    observed_at: Annotated[Instant, Meta(description="the newest reading")]
    excess: Annotated[float, Meta(description="of that reading above the background; below, if the signal falls")]
    confidence: Annotated[
        float, Meta(ge=0, le=1, description="share of such marks that became an event", examples=[0.4])
    ]
    expires_at: Annotated[Instant, Meta(description="from when on it no longer holds, unless a newer frame has it")]


def build_preliminary_peak(mark: LiveMark, area: str, station_name: str) -> PreliminaryPeak:
    """The mark as the live feed shows it."""
    return PreliminaryPeak(
        area=area,
        station=mark.station,
        station_name=station_name,
        observed_property=mark.observed_property,
        unit=mark.unit,
        since=format_instant(mark.since),
        observed_at=format_instant(mark.observed_at),
        excess=mark.excess,
        confidence=mark.confidence,
        expires_at=format_instant(mark.expires_at),
    )
