"""A notification for machines: a CloudEvent of the NL GOV profile 1.0. Pure."""

from datetime import datetime

from msgspec import json

from alerting.alert import Alert, Change
from alerting.decide.routing import Reason
from alerting.message.notification import Notification

_TYPES = {
    Change.OPENED: "gedetecteerd",
    Change.UPDATED: "bijgewerkt",
    Change.ENDED: "beeindigd",
    Change.VOIDED: "ingetrokken",
}
_AGAIN = {
    Reason.REMINDED: "herinnerd",
    Reason.ESCALATED: "geescaleerd",
    Reason.EASED: "afgenomen",
    Reason.NO_DATA: "zonder-gegevens",
}
_LISTED = 400  # alerts in the CloudEvent of a storm, which may be 64 KB


def cloud_event(notification: Notification, *, source: str, public_url: str, at: datetime) -> bytes:
    """The notification in JSON. The same bytes at every attempt."""
    alert = notification.alert
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{alert.event_id}-{alert.revision}",
        "source": source,
        "type": f"nl.piekwacht.pieken.{_TYPES[alert.change]}.v1",
        "subject": alert.event_id,
        "time": at,
        "datacontenttype": "application/json",
        "dataref": f"{public_url.rstrip('/')}/api/v1/events/{alert.event_id}",
        "data": alert,
    }
    if notification.reason in _AGAIN:
        event |= {"id": notification.id, "type": f"nl.piekwacht.pieken.{_AGAIN[notification.reason]}.v1"}
    if alert.quiet:
        event |= {"type": f"nl.piekwacht.stiltes.{_TYPES[alert.change]}.v1", "data": _quiet(alert)}
    if notification.gathered or notification.reason is Reason.DIGEST:
        everything = [alert, *notification.gathered]
        kind = "dagoverzicht" if notification.reason is Reason.DIGEST else "verzameld"
        event |= {
            "id": notification.id,
            "type": f"nl.piekwacht.pieken.{kind}.v1",
            "dataref": f"{public_url.rstrip('/')}/api/v1/events",
            "data": {
                "count": len(everything),
                "alerts": [
                    {"event_id": one.event_id, "revision": one.revision, "change": one.change, "severity": one.severity}
                    for one in everything[:_LISTED]
                ],
            },
        }
    return json.encode(event)


def _quiet(alert: Alert) -> dict[str, object]:
    """A silence has no concentrations; zeros would look like some."""
    return {
        "event_id": alert.event_id,
        "revision": alert.revision,
        "change": alert.change,
        "kind": alert.kind,
        "name": alert.place.name,
        "area": alert.area,
        "since": alert.onset,
        "until": alert.end,
        "sentence": alert.sentence,
    }
