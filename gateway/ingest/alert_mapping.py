"""Maps events to alerts: which changes are alerted. Pure."""

from collections.abc import Collection, Mapping, Sequence
from math import hypot

from alerting.alert import Alert, AlertWind, Change, Corroboration, NearSite, Place
from edge_agent.wire import is_guest
from gateway.model.event import Event, EventChange, EventKind, Wind
from gateway.model.geodesy import bearing_degrees, offset_metres
from gateway.model.properties import average_of, order_of_property
from gateway.model.registry import Registry, Station
from gateway.model.severity import classify_severity

_ALERTED_KINDS = {EventKind.PEAK, EventKind.REGIONAL}  # glitches and humidity are stored and shown, never sent
_NEAR_METRES = 15_000.0  # metres within which a watched facility is named


_ALERT_CHANGES = {EventChange.MERGED: Change.ENDED}  # the regional event is alerted separately


def build_alerts(events: Sequence[Event], registry: Registry, plumes: Mapping[str, str]) -> list[Alert]:
    """Build one alert for each change that somebody may have to act on. `plumes`: event id -> plume id."""
    return [_build_alert(event, registry, plumes.get(event.id, "")) for event in events if event.kind in _ALERTED_KINDS]


def _build_alert(event: Event, registry: Registry, plume: str) -> Alert:
    station = registry.stations[event.station]
    observed_property = registry.properties[event.observed_property]
    return Alert(
        event_id=event.id,
        revision=event.revision,
        change=_ALERT_CHANGES.get(event.change) or Change(event.change.value),
        plume=plume,
        area=station.area,
        station=station.id,
        place=Place(name=station.name, latitude=round(station.latitude, 3), longitude=round(station.longitude, 3)),
        observed_property=event.observed_property,
        property_name=dict(observed_property.names_in_text),
        property_order=order_of_property(event.observed_property),
        unit=observed_property.unit,
        averaging=average_of(event.observed_property),
        severity=classify_severity(event.excess, observed_property.severity_levels),
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
        sites=find_near_sites(station, registry, {site.name for site in event.upwind}),
        wind=_map_wind(event.wind),
        neighbours=_map_neighbours(event),
        detector=event.detector,
        detected_late=event.detected_late,
        only_guests=is_seen_by_guests_only(event),
    )


def is_seen_by_guests_only(event: Event) -> bool:
    """Whether no station of the network itself saw the event: neither its own nor one that rose with it."""
    others = event.neighbours.stations if event.neighbours is not None else ()
    return is_guest(event.station) and all(is_guest(station) for station in others)


def _map_wind(wind: Wind | None) -> AlertWind | None:
    return None if wind is None else AlertWind(direction=wind.direction, speed=wind.speed)


def _map_neighbours(event: Event) -> Corroboration | None:
    if event.neighbours is None:
        return None
    return Corroboration(risen=event.neighbours.risen, total=event.neighbours.fresh, window=event.neighbours.window)


def find_near_sites(station: Station, registry: Registry, upwind_names: Collection[str] = ()) -> tuple[NearSite, ...]:
    """The area's watched facilities within fifteen kilometres, the nearest first. On a plane: right to a percent."""
    sites = []
    for site in registry.sites:
        east, north = offset_metres(station.latitude, station.longitude, site.latitude, site.longitude)
        if site.area == station.area and hypot(north, east) <= _NEAR_METRES:
            bearing = round(bearing_degrees(east, north)) % 360
            distance, is_upwind = round(hypot(north, east), -1), site.name in upwind_names
            sites.append(NearSite(name=site.name, bearing=bearing, distance=distance, is_upwind=is_upwind))
    return tuple(sorted(sites, key=lambda near_site: near_site.distance))
