"""Network alerts about nodes: two cards of one node send at once, or the clock of a node is wrong. Pure.

They go to the receiver that looks after the network, as those about missing data do.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from alerting.alert import Alert, Place, Severity
from alerting.decide.no_data import NetworkFault, build_network_alert
from alerting.vocabulary import LANGUAGES, Language, format_local_time, texts_of

_UNITS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))
_LEAST_COUNT = 2  # of a unit, so that no text needs a singular


class NodeFault(Struct, frozen=True, kw_only=True):
    """A fault of a node in use. `clock_error_ms`: its stamps minus the gateway's clock; None if they are right."""

    node: str
    area: str
    station: str
    latitude: float
    longitude: float
    kind: Literal["copied", "wrong_clock"]
    since: datetime
    clock_error_ms: int | None


def build_node_alerts(faults: Iterable[NodeFault], now: datetime) -> list[Alert]:
    """Return the present faults as opened alerts; kind, node and start make the id, so one fault is one alert."""
    return [build_network_alert(_build_fault(fault), now) for fault in faults]


def _build_fault(fault: NodeFault) -> NetworkFault:
    place = Place(name=f"{fault.node} ({fault.station})", latitude=fault.latitude, longitude=fault.longitude)
    sentence: dict[str, str] = {language: _build_sentence(fault, place.name, language) for language in LANGUAGES}
    return NetworkFault(
        kind=fault.kind, area=fault.area, place=place, severity=Severity.MODERATE, since=fault.since, sentence=sentence
    )


def _build_sentence(fault: NodeFault, name: str, language: Language) -> str:
    texts, since = texts_of("network", language), format_local_time(fault.since, language)
    if fault.kind == "copied":
        return texts["copied"].format(name=name, since=since)
    error_ms = fault.clock_error_ms or 0
    key = "clock_ahead" if error_ms > 0 else "clock_behind"
    return texts[key].format(name=name, since=since, error=describe_duration(abs(error_ms), language))


def describe_duration(milliseconds: int, language: Language) -> str:
    """Return a duration in the largest unit of which there are at least two, rounded down: `14 days`."""
    size, texts = timedelta(milliseconds=milliseconds), texts_of("network", language)
    key, unit = next(((key, unit) for key, unit in _UNITS if size >= _LEAST_COUNT * unit), _UNITS[-1])
    return texts[key].format(count=max(_LEAST_COUNT, size // unit))
