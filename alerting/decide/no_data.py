"""Network alerts: no data from an area or around a site, or notifications that reach nobody or are refused. Pure.

A data gap is not an event and never ends one; it alerts network operations. Stored alerts spell the kind of missing
data `silent`: event ids and an index of the database hold that value, so it stays.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import cos, hypot, radians
from typing import Annotated

from msgspec import Meta, Struct, structs

from alerting.alert import Alert, Change, Place, Severity
from alerting.decide.reason_detail import describe_detail
from alerting.vocabulary import LANGUAGES, format_time_of_day, texts_of

_SITE_RADIUS = 5_000.0  # metres: stations within it watch a site
_METRES_PER_DEGREE = 111_195.0  # metres
_END_TEXTS = {"silent": "data_again", "copied": "copy_over", "wrong_clock": "clock_right"}


class NoDataSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.no_data]`: alerts if an area, the surroundings of a site or a receiver cannot be reached.

    receiver       receiver or roster that looks after the network
    after_minutes  time without data before the alert
    """

    receiver: str
    after_minutes: Annotated[float, Meta(ge=1)] = 15.0


class StationContact(Struct, frozen=True, kw_only=True):
    """A station and when it last sent anything."""

    station: str
    area: str
    latitude: float
    longitude: float
    last_heard: datetime


class WatchedSite(Struct, frozen=True, kw_only=True):
    """A watched site."""

    name: str
    area: str
    latitude: float
    longitude: float


class UnreachableReceiver(Struct, frozen=True, kw_only=True):
    """A receiver to which nothing was delivered since then."""

    receiver: str
    since: datetime


class RefusedDelivery(Struct, frozen=True, kw_only=True):
    """An addressee that has refused notifications since then; empty: the channel as a whole. `detail`: its answer."""

    receiver: str
    channel: str
    addressee: str
    since: datetime
    detail: str


def find_network_alerts(
    contacts: Sequence[StationContact],
    sites: Iterable[WatchedSite],
    unreachable: Iterable[UnreachableReceiver],
    now: datetime,
    timeout: timedelta,
    *,
    refusals: Iterable[RefusedDelivery] = (),
) -> list[Alert]:
    """Return the present faults as opened alerts; kind, area, name and start make the id, so one fault is one alert."""
    faults: list[NetworkFault] = []
    areas = {contact.area: [other for other in contacts if other.area == contact.area] for contact in contacts}
    areas_without_data = {area for area, stations in areas.items() if _has_no_data(stations, now, timeout)}
    faults += [_build_no_data_fault(area, area, areas[area], Severity.SEVERE) for area in sorted(areas_without_data)]
    sites_in_other_areas = [site for site in sites if site.area not in areas_without_data]
    faults += _find_site_faults(contacts, sites_in_other_areas, now, timeout)
    faults += [_build_unreachable_fault(receiver) for receiver in unreachable]
    faults += [_build_refusal_fault(refusal) for refusal in refusals]
    return [build_network_alert(fault, now) for fault in faults]


def end_network_alert(alert: Alert, revision: int, now: datetime) -> Alert:
    """Return the alert's next revision: the fault is over."""
    key = _END_TEXTS.get(alert.kind, "deliverable_again")
    sentence: dict[str, str] = {
        language: texts_of("network", language)[key].format(name=alert.place.name) for language in LANGUAGES
    }
    return structs.replace(alert, revision=revision, change=Change.ENDED, end=now, detected_at=now, sentence=sentence)


def _has_no_data(stations: Sequence[StationContact], now: datetime, timeout: timedelta) -> bool:
    return bool(stations) and all(now - contact.last_heard >= timeout for contact in stations)


def _distance(contact: StationContact, site: WatchedSite) -> float:
    east = (contact.longitude - site.longitude) * _METRES_PER_DEGREE * cos(radians(site.latitude))
    return hypot((contact.latitude - site.latitude) * _METRES_PER_DEGREE, east)


class NetworkFault(Struct, frozen=True, kw_only=True):
    """A fault that goes on, about which an alert is made."""

    kind: str
    area: str
    place: Place
    severity: Severity
    since: datetime
    sentence: dict[str, str]


def _find_site_faults(
    contacts: Sequence[StationContact], sites: Sequence[WatchedSite], now: datetime, timeout: timedelta
) -> list[NetworkFault]:
    faults = []
    for site in sites:
        nearby = [contact for contact in contacts if _distance(contact, site) <= _SITE_RADIUS]
        if _has_no_data(nearby, now, timeout):
            faults.append(_build_no_data_fault(site.name, site.area, nearby, Severity.MODERATE))
    return faults


def _build_no_data_fault(name: str, area: str, stations: Sequence[StationContact], severity: Severity) -> NetworkFault:
    since, count = max(contact.last_heard for contact in stations), len(stations)
    place = Place(
        name=name,
        latitude=sum(contact.latitude for contact in stations) / count,
        longitude=sum(contact.longitude for contact in stations) / count,
    )
    count_text = f"{count} {'station' if count == 1 else 'stations'}"
    sentence = {
        "nl": f"Geen gegevens uit {name} sinds {format_time_of_day(since)} ({count_text})",
        "en": f"No data from {name} since {format_time_of_day(since)} ({count_text})",
    }
    return NetworkFault(kind="silent", area=area, place=place, severity=severity, since=since, sentence=sentence)


def _build_unreachable_fault(unreachable: UnreachableReceiver) -> NetworkFault:
    sentence = {
        "nl": f"Meldingen aan {unreachable.receiver} komen sinds {format_time_of_day(unreachable.since)} niet aan",
        "en": f"Alerts to {unreachable.receiver} have not arrived since {format_time_of_day(unreachable.since)}",
    }
    place = Place(name=unreachable.receiver, latitude=0.0, longitude=0.0)
    return NetworkFault(
        kind="undeliverable", area="", place=place, severity=Severity.SEVERE, since=unreachable.since, sentence=sentence
    )


def _build_refusal_fault(refusal: RefusedDelivery) -> NetworkFault:
    sentence: dict[str, str] = {}
    at, kind = format_time_of_day(refusal.since), refusal.channel.partition(":")[0]
    name = refusal.addressee or f"{refusal.receiver} ({refusal.channel})"
    for language in LANGUAGES:
        channel = texts_of("channel", language).get(kind) or kind
        answer = describe_detail(refusal.detail, language)
        sentence[language] = texts_of("network", language)["refused"].format(
            name=name, receiver=refusal.receiver, channel=channel, since=at, answer=answer
        )
    place = Place(name=name, latitude=0.0, longitude=0.0)
    return NetworkFault(
        kind="undeliverable", area="", place=place, severity=Severity.SEVERE, since=refusal.since, sentence=sentence
    )


def build_network_alert(fault: NetworkFault, now: datetime) -> Alert:
    """Return the fault as an opened alert; its id is the same at every check."""
    text = f"{fault.kind}\n{fault.area}\n{fault.place.name}\n{fault.since.isoformat()}"
    return Alert(
        event_id=f"{fault.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}",
        revision=1,
        change=Change.OPENED,
        area=fault.area,
        station="",
        place=fault.place,
        observed_property="",
        unit="",
        severity=fault.severity,
        confidence=1.0,
        kind=fault.kind,
        onset=fault.since,
        peak_at=fault.since,
        detected_at=now,
        peak=0.0,
        background=0.0,
        excess=0.0,
        sentence=fault.sentence,
        detector="silence@1",
    )
