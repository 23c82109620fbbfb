"""How peaks of each property are found: one table a property, with shipped defaults.

The figures for PM2.5 were chosen on recordings of real sensors at 60 s and 150 s, those for methane on
controlled releases; the others are scaled by the property's own noise and by what is worth telling. See
docs/detection.md.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from edge_agent.configuration import DEFAULTS
from gateway.model.properties import PROPERTIES

Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class PeakSettings(Struct, frozen=True, kw_only=True):
    """`[detection.property.<name>]`. Values in the property's unit; see `kernels` for the formulas.

    What a table leaves out is as shipped for its property; of a property without shipped settings, as for PM2.5.
    `on = false`: not detected on.
    """

    on: bool = True
    polarity: Annotated[int, Meta(ge=-1, le=1)] = 1
    background_minutes: Positive = 7.4
    noise_minutes: Positive = 21.4
    drift: Positive = 1.345
    threshold: Positive = 2.29
    clip: Positive = 3.43
    unit_seconds: Positive = 40.0
    sure: Positive = 10.6
    sure_seconds: Positive = 4.0
    noise_absolute: Positive = 0.348
    noise_relative: Annotated[float, Meta(ge=0)] = 0.003
    smallest: Positive = 0.6
    smallest_among: Annotated[float, Meta(ge=0)] = 0.0
    freeze: Fraction = 0.34
    hold: Annotated[float, Meta(ge=0)] = 0.19
    rise_limit: Positive = 3.33
    fall_limit: Positive = 2.05
    fall_speed: Annotated[float, Meta(ge=1)] = 2.0
    close_seconds: Annotated[float, Meta(ge=0)] = 30.0
    odd: Positive = 8.0
    tail: Positive = 0.9
    tail_now: Positive = 3.5
    share: Annotated[float, Meta(ge=0)] = 1.55
    few_share: Annotated[float, Meta(ge=0)] = 2.1
    lift: Annotated[float, Meta(ge=0)] = 0.393
    spread: Annotated[float, Meta(ge=0)] = 0.427

    def __post_init__(self) -> None:
        if self.polarity == 0:
            raise ValueError("polarity: 1 where the signal rises with pollution, -1 where it falls")
        if self.clip - self.drift >= self.threshold:
            raise ValueError("clip: clip - drift must stay below threshold, or one bad reading opens an event")


_DEFAULTS = {
    row.id: msgspec.convert(row.detection, PeakSettings) for row in PROPERTIES.values() if row.detection is not None
}


DEFAULT_TABLES = {name: msgspec.to_builtins(settings) for name, settings in _DEFAULTS.items()}


class DetectionSettings(Struct, frozen=True, kw_only=True):
    """`[detection]` of piekwacht.toml: what its tables say, over what is shipped."""

    property: Annotated[dict[str, PeakSettings], Meta(extra={DEFAULTS: DEFAULT_TABLES})] = field(
        default_factory=lambda: dict(_DEFAULTS)
    )

    def enabled_properties(self) -> dict[str, PeakSettings]:
        """The observed properties that are detected on: the one answer for whoever detects, examines or counts."""
        return {name: settings for name, settings in self.property.items() if settings.on}
