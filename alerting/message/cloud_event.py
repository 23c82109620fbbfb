"""A notification for machines: a CloudEvent of the NL GOV profile 1.0. Pure."""

from datetime import datetime

from msgspec import json, to_builtins

from alerting.alert import Alert, Change
from alerting.decide.routing import DecisionReason
from alerting.message.notification import Notification

_CHANGE_TYPES = {
    Change.OPENED: "gedetecteerd",
    Change.UPDATED: "bijgewerkt",
    Change.ENDED: "beeindigd",
    Change.VOIDED: "ingetrokken",
}
_REASON_TYPES = {
    DecisionReason.REMINDED: "herinnerd",
    DecisionReason.ESCALATED: "geescaleerd",
    DecisionReason.EASED: "afgenomen",
    DecisionReason.NO_DATA: "zonder-gegevens",
    DecisionReason.FALSE_ALARM: "ingetrokken",
    DecisionReason.REINSTATED: "hervat",
}
_MAX_LISTED = 400  # alerts in the CloudEvent about many, which may be 64 KB


def build_cloud_event(notification: Notification, *, source: str, public_url: str, at: datetime) -> bytes:
    """Return the notification in JSON; the same bytes at every attempt."""
    alert = notification.alert
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{alert.event_id}-{alert.revision}",
        "source": source,
        "type": f"nl.piekwacht.pieken.{_CHANGE_TYPES[alert.change]}.v1",
        "subject": alert.event_id,
        "time": at,
        "datacontenttype": "application/json",
        "dataref": f"{public_url.rstrip('/')}/api/v1/events/{alert.event_id}",
        "data": _event_data(notification),
    }
    if notification.reason in _REASON_TYPES:
        event |= {"id": notification.id, "type": f"nl.piekwacht.pieken.{_REASON_TYPES[notification.reason]}.v1"}
    if alert.is_about_network:
        event |= {"type": f"nl.piekwacht.stiltes.{_CHANGE_TYPES[alert.change]}.v1", "data": _network_data(alert)}
    if alert.is_test:
        event |= {"type": "nl.piekwacht.proef.v1"}
    if notification.gathered or notification.reason is DecisionReason.DIGEST:
        alerts = [alert, *notification.gathered]
        kind = "dagoverzicht" if notification.reason is DecisionReason.DIGEST else "verzameld"
        event |= {
            "id": notification.id,
            "type": f"nl.piekwacht.pieken.{kind}.v1",
            "dataref": f"{public_url.rstrip('/')}/api/v1/events",
            "data": {
                "count": len(alerts),
                "alerts": [
                    {
                        "event_id": listed_alert.event_id,
                        "revision": listed_alert.revision,
                        "change": listed_alert.change,
                        "severity": listed_alert.severity,
                    }
                    for listed_alert in alerts[:_MAX_LISTED]
                ],
            },
        }
    return json.encode(event)


def _event_data(notification: Notification) -> dict[str, object]:
    """Return the alert, what its peak is (`raw`: a single reading), the health advice, and the plume if it is over."""
    alert = notification.alert
    data = {**to_builtins(alert), "peak_averaging": alert.peak_averaging}
    if notification.health is not None:
        data["health"] = notification.health
    return data if notification.plume is None else data | {"plume": notification.plume}


def _network_data(alert: Alert) -> dict[str, object]:
    """Return a network alert without its concentrations: they are zeros, which would look measured."""
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
