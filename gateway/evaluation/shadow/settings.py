"""`[shadow]` of piekwacht.toml."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from gateway.detection.settings import DetectionSettings


class ShadowSettings(Struct, frozen=True, kw_only=True):
    """A second detector that runs beside the live one and alerts nobody.

    name          what its events are kept under; other settings under the same name begin anew
    detection     as `[detection]`: the tables `[shadow.detection.property.<name>]`
    begin_hours   how far back in what is stored it begins
    seconds       between two looks at what was committed
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"seconds": "poll_seconds"}

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]
    detection: DetectionSettings = DetectionSettings()
    begin_hours: Annotated[float, Meta(ge=0)] = 6.0
    poll_seconds: Annotated[float, Meta(gt=0)] = 10.0
