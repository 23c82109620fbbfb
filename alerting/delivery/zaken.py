"""VNG Zaken API 1.x: a peak opens a zaak; later notifications replace its explanation (`toelichting`).

The zaak's `identificatie` is made of the event's id, and the API accepts each one once: repeated attempts make one
zaak.
"""

from datetime import datetime
from urllib.parse import urlencode

from msgspec import json

from alerting.delivery import http_client, zgw
from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome
from alerting.delivery.http_client import Reply, delivery_from_reply, outcome_from_status
from alerting.delivery.settings import ZakenSettings
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.vocabulary import LOCAL_TIMEZONE


async def deliver(
    notification: Notification, channel: ZakenSettings, context: DeliveryContext, *, at: datetime
) -> Delivery:
    """Open the zaak, or update the existing one. A test message opens none: it only asks whether the API answers."""
    client = _ZakenClient(channel, context, at)
    if notification.alert.is_test:
        answer = await client.find(_identification(notification))
        opened = "the API answers; a test opens no zaak"
        return answer if isinstance(answer, Delivery) else Delivery(outcome=DeliveryOutcome.DELIVERED, detail=opened)
    zaak = _build_zaak(notification, channel, context.public_url)
    if notification.alert.revision > 1 or notification.original is not None:
        url = await client.find(_identification(notification))
        if isinstance(url, Delivery):
            return url
        if url:
            return await client.update_explanation(url, zaak["toelichting"])
    return await client.open(zaak)


class _ZakenClient:
    """The requests to the Zaken API, with their common parameters."""

    def __init__(self, channel: ZakenSettings, context: DeliveryContext, at: datetime) -> None:
        self._channel, self._context, self._at = channel, context, at
        self._url = f"{channel.url.rstrip('/')}/zaken"

    async def find(self, identification: str) -> str | Delivery:
        """Return the URL of the zaak, empty if there is none."""
        query = urlencode({"identificatie": identification, "bronorganisatie": self._channel.bronorganisatie})
        reply = await self._request("GET", f"{self._url}?{query}", b"")
        if isinstance(reply, Delivery):
            return reply
        if reply.status != 200 or not reply.is_complete:
            detail = zgw.describe_problem(reply.status, reply.body)
            outcome = outcome_from_query_status(reply.status)
            return Delivery(outcome=outcome, detail=detail, retry_after=reply.retry_after)
        results = zgw.decode_object(reply.body).get("results", [])
        return str(results[0].get("url", "")) if results and isinstance(results[0], dict) else ""

    async def open(self, zaak: dict[str, object]) -> Delivery:
        """Open the zaak; it counts as delivered if an earlier attempt, without an answer, opened it."""
        body = json.encode(zaak)
        reply = await self._request("POST", self._url, body)
        if isinstance(reply, Delivery):
            return reply
        if reply.status == 400 and "identificatie-niet-uniek" in zgw.error_codes(reply.body):
            return Delivery(outcome=DeliveryOutcome.DELIVERED, detail="the zaak is there already", content=body)
        return _delivery_from_reply(reply, body)

    async def update_explanation(self, url: str, explanation: object) -> Delivery:
        """Replace the zaak's explanation; refused if the zaak's URL points outside this API."""
        body = json.encode({"toelichting": explanation})
        if not url.startswith(f"{self._url}/"):
            return Delivery(
                outcome=DeliveryOutcome.REFUSED, detail=f"the zaak is said to be elsewhere: {url}", content=body
            )
        reply = await self._request("PATCH", url, body)
        return reply if isinstance(reply, Delivery) else _delivery_from_reply(reply, body)

    async def _request(self, method: str, url: str, body: bytes) -> Reply | Delivery:
        headers = zgw.build_headers(self._channel.client_id, self._channel.secret_file, self._at)
        crs = {"accept-crs": "EPSG:4326", "content-crs": "EPSG:4326"}
        return await http_client.request(
            method,
            url,
            content=body,
            headers=headers | crs,
            timeout=self._channel.timeout,
            allow_private=self._context.allow_private,
        )


def outcome_from_query_status(status: int) -> DeliveryOutcome:
    """Return the outcome of a query without a whole answer 200: nothing was delivered."""
    outcome = outcome_from_status(status)
    return DeliveryOutcome.FAILED if outcome is DeliveryOutcome.DELIVERED else outcome


def _delivery_from_reply(reply: Reply, body: bytes) -> Delivery:
    outcome = outcome_from_status(reply.status)
    detail = (
        f"HTTP {reply.status}"
        if outcome is DeliveryOutcome.DELIVERED
        else zgw.describe_problem(reply.status, reply.body)
    )
    return delivery_from_reply(reply, detail, body)


def _identification(notification: Notification) -> str:
    return f"PW-{notification.alert.event_id}"[:40]


def _build_zaak(notification: Notification, channel: ZakenSettings, public_url: str) -> dict[str, object]:
    alert, contents = notification.alert, render_email(notification, public_url=public_url)
    return {
        "identificatie": _identification(notification),
        "bronorganisatie": channel.bronorganisatie,
        "verantwoordelijkeOrganisatie": channel.verantwoordelijke_organisatie,
        "zaaktype": channel.zaaktype,
        "startdatum": alert.onset.astimezone(LOCAL_TIMEZONE).date(),
        "omschrijving": contents.subject[:80],
        "toelichting": contents.text[:1000],
        "zaakgeometrie": {"type": "Point", "coordinates": [alert.place.longitude, alert.place.latitude]},
    }
