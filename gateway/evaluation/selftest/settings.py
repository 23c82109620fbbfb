"""`[selftest]` of piekwacht.toml."""

from typing import Annotated

from msgspec import Meta, Struct


class SelfTestSettings(Struct, frozen=True, kw_only=True):
    """`[selftest]`: synthetic peaks in copies of stored readings, to see which share is detected.

    Nobody is notified of them.

    copies     copies of each hour; each copy gets one peak per property and area
    multiples  heights of the peaks to draw from, in multiples of the noise of the datastream
    """

    copies: Annotated[int, Meta(ge=1, le=20)] = 4
    multiples: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1)] = (5.0, 10.0, 20.0)
