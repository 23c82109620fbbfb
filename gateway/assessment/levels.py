"""Published levels of means, read from levels.toml when the module is imported. Pure.

They apply to reference instruments at representative places. The mean of a sensor is at or above the level of such a
document, which is an indication and no assessment. A file that cannot be read raises ConfigurationError.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_agent.configuration import load_toml

Text = Annotated[str, Meta(min_length=1)]


class LevelAveraging(StrEnum):
    """Time over which a level averages; `8h`: the highest running mean of a legal day; days are legal days."""

    TEN_MINUTES = "10min"
    HOUR = "1h"
    EIGHT_HOURS = "8h"
    DAY = "day"
    YEAR = "year"


class LevelTitle(Struct, frozen=True, kw_only=True):
    """The name of a level in both languages."""

    nl: Text
    en: Text


class PublishedLevel(Struct, frozen=True, kw_only=True):
    """A level of a mean, in ug/m3; levels.toml explains each field. None of the source fields may be empty."""

    id: Text
    substance: Text
    averaging: LevelAveraging
    value: Annotated[float, Meta(gt=0)]
    kind: Literal["guideline", "limit", "information", "alert"]
    title: LevelTitle
    source: Text
    edition: Text
    published: date
    allowed: int | None = None
    consecutive_hours: Annotated[int, Meta(ge=1)] = 1


class _LevelFile(Struct, frozen=True, kw_only=True):
    level: list[PublishedLevel]


LEVELS: Mapping[str, PublishedLevel] = {
    level.id: level for level in load_toml(Path(__file__).with_name("levels.toml"), _LevelFile).level
}
CONDITION_AVERAGINGS = frozenset({LevelAveraging.DAY, LevelAveraging.HOUR})  # of conditions of a route
PARTICULATE_MATTER = frozenset({"pm10", "pm2_5"})


def levels_of(substance: str, averaging: LevelAveraging | None = None) -> Sequence[PublishedLevel]:
    """Return the levels of a substance, in the order of the file; with `averaging` only those of such means."""
    return [level for level in LEVELS.values() if level.substance == substance and averaging in {None, level.averaging}]
