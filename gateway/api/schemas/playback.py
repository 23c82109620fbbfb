"""Types of the playback: the one-minute means of a day at every station, for a map that moves through time."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema

Steps = Annotated[
    list[int | None],
    Meta(description="one per frame, in steps of `resolution`; null: no valid reading", examples=[[8]]),
]


class PlaybackPeak(Schema, frozen=True, kw_only=True):
    """A peak of any property, and the frames that it covers: `first` up to and including `last`."""

    event: Id
    station: Id
    severity: str
    first: int
    last: int


class Playback(LicensedDocument, frozen=True, kw_only=True):
    """Frames of one minute from `start` up to `end`. A value is a mean, rounded to `resolution` to keep it small."""

    observed_property: str
    unit: str
    averaging: Literal["1min"] = "1min"
    start: Instant
    end: Instant
    step_seconds: int = 60
    resolution: Annotated[float, Meta(description="of the values, in `unit`", examples=[1.0])]
    stations: Annotated[dict[str, Steps], Meta(description="by station; those without any value are left out")]
    peaks: list[PlaybackPeak]
