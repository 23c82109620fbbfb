"""Parses a request for the live feed; server-sent events and WebSocket have the same parameters. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

from gateway.api.live.frames import Subscription

_PARAMETERS = ("area", "station", "property", "lastEventId")


@dataclass(frozen=True)
class LiveRequest:
    """The subscription of a viewer, and the last commit that it saw."""

    subscription: Subscription
    last_id: int | None


def parse_live_request(query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> LiveRequest | str:
    """The parsed request, or one sentence with the error in it."""
    parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, values in parameters.items():
        if name not in _PARAMETERS:
            return f"unknown query parameter {name[:80]!r}; there are: {', '.join(_PARAMETERS)}"
        if len(values) > 1 or len(values[0]) > 100 or not values[0].isprintable():
            return f"{name}: must be given once, in at most 100 characters"
    last_id_text = next((value.decode("latin-1") for name, value in headers if name.lower() == b"last-event-id"), "")
    last_id_text = last_id_text or parameters.get("lastEventId", [""])[0]
    if last_id_text and not (last_id_text.isascii() and last_id_text.isdecimal() and len(last_id_text) < 19):
        return f"Last-Event-ID: {last_id_text[:40]!r} is not an id that this feed gave out"
    subscription = Subscription(*(parameters.get(name, [None])[0] for name in _PARAMETERS[:3]))
    return LiveRequest(subscription, int(last_id_text) if last_id_text else None)
