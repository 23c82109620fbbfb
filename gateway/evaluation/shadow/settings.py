"""`[shadow]` of piekwacht.toml."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from gateway.detection.settings import DetectionSettings


class ShadowSettings(Struct, frozen=True, kw_only=True):
    """`[shadow]`: a second detector on the same readings. It alerts nobody.

    Its detector has the tables `[shadow.detection.property.<name>]`, as `[detection]`.

    name          name under which its events are stored; if its settings change under the same name, it starts again
    detection     detection settings, as `[detection]`: tables `[shadow.detection.property.<name>]`
    begin_hours   age of the stored readings that it starts with
    poll_seconds  pause between two queries for new batches
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"seconds": "poll_seconds"}

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]
    detection: DetectionSettings = DetectionSettings()
    begin_hours: Annotated[float, Meta(ge=0)] = 6.0
    poll_seconds: Annotated[float, Meta(gt=0)] = 10.0
