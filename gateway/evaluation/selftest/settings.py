"""`[selftest]` of piekwacht.toml."""

from typing import Annotated

from msgspec import Meta, Struct


class SelfTestSettings(Struct, frozen=True, kw_only=True):
    """Synthetic peaks in copies of live streams; nobody is alerted of them.

    copies     of each hour; in each one peak a property and area
    multiples  heights to draw from, in units of the stream's own noise
    """

    copies: Annotated[int, Meta(ge=1, le=20)] = 4
    multiples: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1)] = (5.0, 10.0, 20.0)
