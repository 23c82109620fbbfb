"""What the detector is set to, one table a property, with shipped defaults."""

from typing import Annotated

from msgspec import Meta, Struct, field

Positive = Annotated[float, Meta(gt=0)]


class PeakSettings(Struct, frozen=True, kw_only=True):
    """How peaks of one property are found. Times in minutes, values in the property's unit."""

    background_minutes: Positive = 30.0
    noise_minutes: Positive = 40.0
    drift: Positive = 0.9
    threshold: Positive = 3.4
    clip: Positive = 3.0
    noise_absolute: Annotated[float, Meta(ge=0)] = 0.41
    noise_relative: Annotated[float, Meta(ge=0)] = 0.04
    smallest: Positive = 1.5
    polarity: int = 1


_DEFAULTS = {
    "pm1": PeakSettings(),
    "pm2_5": PeakSettings(),
    "pm10": PeakSettings(noise_absolute=0.8, smallest=3.0),
    "ch4": PeakSettings(noise_absolute=0.02, noise_relative=0.005, smallest=0.1),
}


class DetectionSettings(Struct, frozen=True, kw_only=True):
    """`[detection]` of piekwacht.toml."""

    property: dict[str, PeakSettings] = field(default_factory=lambda: dict(_DEFAULTS))
