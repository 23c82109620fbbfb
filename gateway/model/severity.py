"""Severity of an event: a function of its excess and the levels of its property. Pure.

Ingest stores it with the event; `piekwacht verify` computes it again.
"""

from collections.abc import Sequence

from alerting.alert import Severity


def classify_severity(excess: float, levels: Sequence[float] | None) -> Severity:
    """Return the severity of the highest level that the excess reaches; without levels always the lowest.

    `levels`: lowest excess of each severity, ascending, in the unit of the property.
    """
    levels_reached = sum(excess >= level for level in levels or ())
    return list(Severity)[max(0, levels_reached - 1)]
