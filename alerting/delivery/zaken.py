"""VNG Zaken API 1.x: a peak opens a zaak; what follows is written into its explanation.

The zaak's `identificatie` is made of the event's id, and the API takes each one once: however often an attempt is
repeated, there is one zaak.
"""

from datetime import datetime
from urllib.parse import urlencode

from msgspec import json

from alerting.delivery import http_client, zgw
from alerting.delivery.channel import Attempt, Origin, Outcome
from alerting.delivery.http_client import Reply, judge
from alerting.delivery.settings import ZakenSettings
from alerting.message.email_content import mail
from alerting.message.notification import Notification
from alerting.vocabulary import LOCAL


async def deliver(notification: Notification, channel: ZakenSettings, origin: Origin, *, at: datetime) -> Attempt:
    """Open the zaak, or write into the one that is there."""
    desk = _Desk(channel, origin, at)
    zaak = _zaak(notification, channel, origin.public_url)
    if notification.alert.revision > 1 or notification.original is not None:
        found = await desk.find(_identification(notification))
        if isinstance(found, Attempt):
            return found
        if found:
            return await desk.explain(found, zaak["toelichting"])
    return await desk.open(zaak)


class _Desk:
    """The requests, with what they have in common."""

    def __init__(self, channel: ZakenSettings, origin: Origin, at: datetime) -> None:
        self._channel, self._origin, self._at = channel, origin, at
        self._url = f"{channel.url.rstrip('/')}/zaken"

    async def find(self, identification: str) -> str | Attempt:
        """URL of the zaak, empty where there is none."""
        query = urlencode({"identificatie": identification, "bronorganisatie": self._channel.bronorganisatie})
        reply = await self._ask("GET", f"{self._url}?{query}", b"")
        if isinstance(reply, Attempt):
            return reply
        if reply.status != 200:
            return Attempt(outcome=judge_not_ok(reply.status), detail=zgw.complaint(reply.status, reply.body))
        results = zgw.decoded(reply.body).get("results", [])
        return str(results[0].get("url", "")) if results and isinstance(results[0], dict) else ""

    async def open(self, zaak: dict[str, object]) -> Attempt:
        """201, or it was opened by an attempt whose answer we did not get."""
        body = json.encode(zaak)
        reply = await self._ask("POST", self._url, body)
        if isinstance(reply, Attempt):
            return reply
        if reply.status == 400 and "identificatie-niet-uniek" in zgw.codes(reply.body):
            return Attempt(outcome=Outcome.DELIVERED, detail="the zaak is there already", content=body)
        return _judged(reply, body)

    async def explain(self, url: str, words: object) -> Attempt:
        """Write the newest into the zaak; only where the answer pointed into the same API."""
        body = json.encode({"toelichting": words})
        if not url.startswith(f"{self._url}/"):
            return Attempt(outcome=Outcome.REFUSED, detail=f"the zaak is said to be elsewhere: {url}", content=body)
        reply = await self._ask("PATCH", url, body)
        return reply if isinstance(reply, Attempt) else _judged(reply, body)

    async def _ask(self, method: str, url: str, body: bytes) -> Reply | Attempt:
        headers = zgw.headers(self._channel.client_id, self._channel.secret_file, self._at)
        crs = {"accept-crs": "EPSG:4326", "content-crs": "EPSG:4326"}
        return await http_client.request(
            method,
            url,
            content=body,
            headers=headers | crs,
            timeout=self._channel.timeout,
            allow_private=self._origin.allow_private,
        )


def judge_not_ok(status: int) -> Outcome:
    """A question that was not answered with 200 has not delivered anything."""
    outcome = judge(status)
    return Outcome.FAILED if outcome is Outcome.DELIVERED else outcome


def _judged(reply: Reply, body: bytes) -> Attempt:
    outcome = judge(reply.status)
    detail = f"HTTP {reply.status}" if outcome is Outcome.DELIVERED else zgw.complaint(reply.status, reply.body)
    return Attempt(outcome=outcome, detail=detail, content=body)


def _identification(notification: Notification) -> str:
    return f"PW-{notification.alert.event_id}"[:40]


def _zaak(notification: Notification, channel: ZakenSettings, public_url: str) -> dict[str, object]:
    alert, contents = notification.alert, mail(notification, public_url=public_url)
    return {
        "identificatie": _identification(notification),
        "bronorganisatie": channel.bronorganisatie,
        "verantwoordelijkeOrganisatie": channel.verantwoordelijke_organisatie,
        "zaaktype": channel.zaaktype,
        "startdatum": alert.onset.astimezone(LOCAL).date(),
        "omschrijving": contents.subject[:80],
        "toelichting": contents.text[:1000],
        "zaakgeometrie": {"type": "Point", "coordinates": [alert.place.longitude, alert.place.latitude]},
    }
