"""Where nothing is heard any more: an area, the surroundings of a site, or a receiver whom no message reaches. Pure.

Silence is no event of the air, and never ends one: it is told to who looks after the network, as an alert of its own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import cos, hypot, radians
from typing import Annotated

from msgspec import Meta, Struct, structs

from alerting.alert import Alert, Change, Place, Severity
from alerting.vocabulary import short_clock

_NEAR = 5_000.0  # metres: stations that watch a site
_DEGREE = 111_195.0  # metres


class SilentSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.silent]`: who looks after the network; told of what has been silent for `after_minutes`."""

    receiver: str
    after_minutes: Annotated[float, Meta(ge=1)] = 15.0


class HeartbeatSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.heartbeat]`: `url` is called every `seconds`, unless an alert has waited for `stale_seconds`."""

    url: str
    seconds: Annotated[float, Meta(gt=0)] = 60.0
    stale_seconds: Annotated[float, Meta(gt=0)] = 120.0


class Heard(Struct, frozen=True, kw_only=True):
    """A station and when anything last came from it."""

    station: str
    area: str
    latitude: float
    longitude: float
    last_heard: datetime


class Facility(Struct, frozen=True, kw_only=True):
    """A watched site."""

    name: str
    area: str
    latitude: float
    longitude: float


class Unreached(Struct, frozen=True, kw_only=True):
    """A receiver to whom nothing could be delivered since then."""

    receiver: str
    since: datetime


def quiet(
    heard: Sequence[Heard], sites: Iterable[Facility], unreached: Iterable[Unreached], now: datetime, after: timedelta
) -> list[Alert]:
    """What is silent now, as opened alerts whose id says what and since when, so that the same silence is one alert."""
    found: list[_Silence] = []
    areas = {one.area: [h for h in heard if h.area == one.area] for one in heard}
    silent = {area for area, stations in areas.items() if _silent(stations, now, after)}
    found += [_silence(area, area, areas[area], Severity.SEVERE) for area in sorted(silent)]
    for site in sites:
        near = [one for one in heard if _distance(one, site) <= _NEAR]
        if site.area not in silent and _silent(near, now, after):
            found.append(_silence(site.name, site.area, near, Severity.MODERATE))
    found += [_told_to_nobody(one) for one in unreached]
    return [_alert(one, now) for one in found]


def ended(alert: Alert, revision: int, now: datetime) -> Alert:
    """The same silence, broken."""
    name = alert.place.name
    words = {
        "nl": f"Weer gegevens uit {name}" if alert.kind == "silent" else f"Weer berichten bezorgd bij {name}",
        "en": f"Data from {name} again" if alert.kind == "silent" else f"Messages reach {name} again",
    }
    return structs.replace(alert, revision=revision, change=Change.ENDED, end=now, detected_at=now, sentence=words)


def _silent(stations: Sequence[Heard], now: datetime, after: timedelta) -> bool:
    return bool(stations) and all(now - one.last_heard >= after for one in stations)


def _distance(one: Heard, site: Facility) -> float:
    east = (one.longitude - site.longitude) * _DEGREE * cos(radians(site.latitude))
    return hypot((one.latitude - site.latitude) * _DEGREE, east)


class _Silence(Struct, frozen=True, kw_only=True):
    kind: str
    area: str
    place: Place
    severity: Severity
    since: datetime
    words: dict[str, str]


def _silence(name: str, area: str, stations: Sequence[Heard], severity: Severity) -> _Silence:
    since, many = max(one.last_heard for one in stations), len(stations)
    place = Place(
        name=name,
        latitude=sum(one.latitude for one in stations) / many,
        longitude=sum(one.longitude for one in stations) / many,
    )
    counted = f"{many} {'station' if many == 1 else 'stations'}"
    words = {
        "nl": f"Geen gegevens uit {name} sinds {short_clock(since)} ({counted})",
        "en": f"No data from {name} since {short_clock(since)} ({counted})",
    }
    return _Silence(kind="silent", area=area, place=place, severity=severity, since=since, words=words)


def _told_to_nobody(one: Unreached) -> _Silence:
    words = {
        "nl": f"Meldingen aan {one.receiver} komen sinds {short_clock(one.since)} niet aan",
        "en": f"Alerts to {one.receiver} have not arrived since {short_clock(one.since)}",
    }
    place = Place(name=one.receiver, latitude=0.0, longitude=0.0)
    return _Silence(kind="undeliverable", area="", place=place, severity=Severity.SEVERE, since=one.since, words=words)


def _alert(one: _Silence, now: datetime) -> Alert:
    text = f"{one.kind}\n{one.area}\n{one.place.name}\n{one.since.isoformat()}"
    return Alert(
        event_id=f"{one.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}",
        revision=1,
        change=Change.OPENED,
        area=one.area,
        station="",
        place=one.place,
        observed_property="",
        unit="",
        severity=one.severity,
        confidence=1.0,
        kind=one.kind,
        onset=one.since,
        peak_at=one.since,
        detected_at=now,
        peak=0.0,
        background=0.0,
        excess=0.0,
        sentence=one.words,
        detector="silence@1",
    )
