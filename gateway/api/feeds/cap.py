"""Maps an event or a plume of the API to the CAP 1.2 writer of alerting; called by the CAP feed. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import structs

from alerting.alert import Alert, Change, Place, Severity
from alerting.message.cap import CapMessage, CapReference, CapStatus, describe_alert
from alerting.vocabulary import Language
from gateway.api.data.registry import PublicRegistry
from gateway.api.schemas.events import Event, Revision
from gateway.api.schemas.plumes import Plume, PlumeEvent
from gateway.api.settings import ApiSettings
from gateway.model.properties import order_of_property

_CHANGES = {"merged": Change.ENDED}  # as in the alert that the gateway writes: the regional event goes on
_CANCELLING_CHANGES = {"voided", "merged"}


def map_event(
    event: Event,
    revisions: Sequence[Revision],
    *,
    language: Language,
    description: str,
    registry: PublicRegistry,
    settings: ApiSettings,
    now: datetime,
) -> CapMessage:
    """The newest revision, with a reference to each earlier one.

    The feed shows an open event at every request, so its document is valid for an hour or more from `now`.
    """
    alert = build_alert(event, registry)
    sent = datetime.fromisoformat(event.changed_at)
    info = describe_alert(
        alert,
        language=language,
        description=description,
        public_url=settings.public_url,
        valid_from=_choose_validity_start(event, sent, now),
    )
    return CapMessage(
        identifier=_identifier(event.id, event.revision),
        sender=settings.email,
        sent=sent,
        status=CapStatus.EXERCISE if settings.replay else CapStatus.ACTUAL,
        is_cancelled=event.change in _CANCELLING_CHANGES,
        scope="Public",
        references=[
            CapReference(
                identifier=_identifier(event.id, revision.revision), sent=datetime.fromisoformat(revision.changed_at)
            )
            for revision in revisions
            if revision.revision < event.revision
        ],
        infos=[structs.replace(info, response_type="Monitor", sender_name=settings.operator, contact=settings.contact)],
    )


def map_plume(
    plume: Plume,
    changes: Sequence[datetime],
    number: int,
    *,
    language: Language,
    description: str,
    registry: PublicRegistry,
    settings: ApiSettings,
    now: datetime,
) -> CapMessage:
    """The plume with an info block a station, by its worst event there, and references to earlier states.

    `changes`: when the newest revisions of its events were stored, newest first; `number`: how many there are in all.
    The document after the k-th of all has the number k, so that an identifier never names two states.
    """
    sent = changes[0]
    valid_from = sent if plume.end is not None else _next_hour(sent, now)
    worst = {event.id: event for event in plume.events}
    infos = [
        describe_alert(
            _build_alert(worst[station.leading], plume.area, plume.id, registry),
            language=language,
            description=description,
            public_url=settings.public_url,
            valid_from=valid_from,
        )
        for station in plume.stations
    ]
    return CapMessage(
        identifier=_identifier(f"plume-{plume.id}", number),
        sender=settings.email,
        sent=sent,
        status=CapStatus.EXERCISE if settings.replay else CapStatus.ACTUAL,
        is_cancelled=plume.state == "voided" or plume.merged_into is not None,
        scope="Public",
        references=[
            CapReference(identifier=_identifier(f"plume-{plume.id}", number - age), sent=at)
            for age, at in reversed(list(enumerate(changes)))
            if age > 0
        ],
        infos=[
            structs.replace(info, response_type="Monitor", sender_name=settings.operator, contact=settings.contact)
            for info in infos
        ],
    )


def _choose_validity_start(event: Event, sent: datetime, now: datetime) -> datetime:
    """`sent`; for an open event the next full hour, so that the document changes once an hour at most."""
    if event.end is not None or event.change not in {"opened", "updated"}:
        return sent
    return _next_hour(sent, now)


def _next_hour(sent: datetime, now: datetime) -> datetime:
    return max(sent, now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))


def build_alert(event: Event, registry: PublicRegistry) -> Alert:
    """The event as alerting sees it, without the texts and sites that CAP does not use."""
    return _build_alert(event, event.area, event.plume or "", registry)


def _build_alert(event: Event | PlumeEvent, area: str, plume: str, registry: PublicRegistry) -> Alert:
    station = registry.stations[event.station]
    return Alert(
        event_id=event.id,
        revision=event.revision,
        change=_CHANGES.get(event.change) or Change(event.change),
        area=area,
        station=event.station,
        place=Place(name=event.station_name, latitude=station.latitude, longitude=station.longitude),
        observed_property=event.observed_property,
        plume=plume,
        property_name=registry.properties[event.observed_property].names_in_text,
        property_order=order_of_property(event.observed_property),
        unit=event.unit,
        severity=Severity(event.severity),
        confidence=event.confidence,
        kind=event.kind,
        onset=datetime.fromisoformat(event.onset),
        peak_at=datetime.fromisoformat(event.peak_at),
        detected_at=datetime.fromisoformat(event.detected_at),
        end=None if event.end is None else datetime.fromisoformat(event.end),
        peak=event.peak,
        background=event.background,
        excess=event.excess,
        detector=event.detector,
        detected_late=event.detected_late,
    )


def _identifier(event: str, revision: int) -> str:
    return f"piekwacht-{event}-{revision}"
