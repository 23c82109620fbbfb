"""From events to alerts: which change of an event is told, and how bad it is. Pure."""

from collections.abc import Sequence
from math import atan2, cos, degrees, hypot, radians

from alerting.alert import Alert, Change, NearSite, Place, Severity
from gateway.model.event import Change as EventChange
from gateway.model.event import Event, Kind
from gateway.model.registry import ObservedProperty, Registry, Station

_TOLD = {Kind.PEAK, Kind.REGIONAL}  # glitches and humidity are kept as events and shown, never sent


_NEAR = 15_000.0  # metres within which a watched facility is named
_DEGREE = 111_195.0  # metres of a degree of latitude on a sphere of 6,371 km


def severity(event: Event, observed_property: ObservedProperty) -> Severity:
    """The highest level whose excess is reached; a property without levels is always minor."""
    levels = observed_property.severity or ()
    reached = sum(event.excess >= level for level in levels)
    return list(Severity)[max(0, reached - 1)]


_CHANGES = {EventChange.MERGED: Change.ENDED}  # what it was the beginning of is told as an event of its own


def to_alerts(events: Sequence[Event], registry: Registry) -> list[Alert]:
    """One alert for each change that somebody may have to act on."""
    return [_alert(event, registry) for event in events if event.kind in _TOLD]


def _alert(event: Event, registry: Registry) -> Alert:
    station = registry.stations[event.station]
    observed_property = registry.properties[event.observed_property]
    return Alert(
        event_id=event.id,
        revision=event.revision,
        change=_CHANGES.get(event.change) or Change(event.change.value),
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
        sentence=event.words,
        sites=near(station, registry),
        detector=event.detector,
        detected_late=event.detected_late,
    )


def near(station: Station, registry: Registry) -> tuple[NearSite, ...]:
    """The area's watched facilities within fifteen kilometres, the nearest first. On a plane: right to a percent."""
    found = []
    for site in registry.sites:
        north = (site.latitude - station.latitude) * _DEGREE
        east = (site.longitude - station.longitude) * _DEGREE * cos(radians(station.latitude))
        if site.area == station.area and hypot(north, east) <= _NEAR:
            bearing = degrees(atan2(east, north)) % 360
            found.append(NearSite(name=site.name, bearing=round(bearing) % 360, distance=round(hypot(north, east), -1)))
    return tuple(sorted(found, key=lambda one: one.distance))
