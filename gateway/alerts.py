"""From events to alerts: which change of an event is told, and how bad it is. Pure."""

from collections.abc import Sequence

from alerting.alert import Alert, Change, Place, Severity
from gateway.event import Event, Kind
from gateway.registry import ObservedProperty, Registry

_TOLD = {Kind.PEAK, Kind.REGIONAL}  # glitches and humidity are kept as events and shown, never sent


def severity(event: Event, observed_property: ObservedProperty) -> Severity:
    """The highest level whose excess is reached; a property without levels is always minor."""
    levels = observed_property.severity or ()
    reached = sum(event.excess >= level for level in levels)
    return list(Severity)[max(0, reached - 1)]


def to_alerts(events: Sequence[Event], registry: Registry) -> list[Alert]:
    """One alert for each change that somebody may have to act on."""
    return [_alert(event, registry) for event in events if event.kind in _TOLD]


def _alert(event: Event, registry: Registry) -> Alert:
    station = registry.stations[event.station]
    observed_property = registry.properties[event.observed_property]
    return Alert(
        event_id=event.id,
        revision=event.revision,
        change=Change(event.change.value),
        area=station.area,
        station=station.id,
        place=Place(name=station.name, latitude=round(station.latitude, 3), longitude=round(station.longitude, 3)),
        observed_property=event.observed_property,
        unit=observed_property.unit,
        severity=severity(event, observed_property),
        confidence=event.confidence,
        kind=event.kind.value,
        onset=event.onset,
        peak_at=event.peak_at,
        detected_at=event.detected_at,
        end=event.end,
        peak=event.peak,
        background=event.background,
        excess=event.excess,
        reasons=event.reasons,
        detector=event.detector,
        detected_late=event.detected_late,
    )
