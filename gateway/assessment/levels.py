"""Published levels of day means, read from levels.toml when the module is imported. Pure.

They apply to reference instruments at representative places. A sensor's day mean is at or above the level of such a
document, which is an indication and no assessment. A file that cannot be read raises ConfigurationError.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from msgspec import Struct

from edge_agent.configuration import load_toml


class LevelTitle(Struct, frozen=True, kw_only=True):
    """The name of a level in both languages."""

    nl: str
    en: str


class DayLevel(Struct, frozen=True, kw_only=True):
    """A level of the mean over a legal day, in ug/m3; levels.toml explains each field."""

    observed_property: str
    value: float
    allowed_days: int
    title: LevelTitle
    source: str
    published: date


class _LevelFile(Struct, frozen=True, kw_only=True):
    level: list[DayLevel]


DAY_LEVELS: Sequence[DayLevel] = tuple(load_toml(Path(__file__).with_name("levels.toml"), _LevelFile).level)


def levels_of(observed_property: str) -> Sequence[DayLevel]:
    """Return the levels of a property, in the order of the file; empty for a property without one."""
    return [level for level in DAY_LEVELS if level.observed_property == observed_property]


def count_days_at_or_above(means: Iterable[float], level: DayLevel) -> int:
    """Return on how many of these days the mean was at or above the level. `means`: of complete days, in ug/m3."""
    return sum(mean >= level.value for mean in means)
