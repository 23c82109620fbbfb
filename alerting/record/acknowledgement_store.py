"""The acknowledgement page at the database: the signing keys, the event that a link names, the stored answer.

The API's acknowledge route calls it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert
from alerting.record import acknowledgement
from alerting.record.acknowledgement import Acknowledgement, AcknowledgementForm, TokenPayload, TokenRejection
from alerting.record.page_database import PageDatabase
from alerting.rows import fetch_all, fetch_value
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class AcknowledgementPage(Struct, frozen=True, kw_only=True):
    """The page and its HTTP status."""

    html: str
    status: int = 200


class AcknowledgementStore:
    """The page's queries to the database at `dsn`. Raises psycopg.Error if it does not answer."""

    def __init__(self, dsn: str) -> None:
        self._database = PageDatabase(dsn, "piekwacht acknowledgement")

    async def render_page(self, token: str) -> AcknowledgementPage:
        """Return the page with the button. Changes nothing, however often a scanner opens it."""
        payload = await self._verify_token(token)
        if isinstance(payload, TokenRejection):
            return _rejection_page(payload)
        key = {"event": payload.event}
        async with self._database.connect() as connection:
            alert_json = await fetch_value(connection, str, _QUERIES["select_newest_alert"], key)
            acknowledgements = await fetch_all(connection, Acknowledgement, _QUERIES["select_acknowledgements"], key)
        if alert_json is None:
            return _rejection_page(TokenRejection.FORGED)
        alert = json.decode(alert_json, type=Alert)
        html = acknowledgement.render_page(payload, alert, acknowledgements, token=token, event_ended=not alert.firing)
        return AcknowledgementPage(html=html)

    async def record(self, token: str, body: bytes) -> AcknowledgementPage | None:
        """Store the acknowledgement; None if it is stored (now or before), otherwise the page with the error."""
        payload, form = await self._verify_token(token), acknowledgement.parse_form(body)
        if isinstance(payload, TokenRejection):
            return _rejection_page(payload)
        if form is None:
            return await self.render_page(token)
        async with self._database.connect() as connection:
            await connection.execute(_QUERIES["insert_acknowledgement"], _sql_parameters(payload, form))
        telemetry.ACKNOWLEDGEMENTS.labels("acknowledged").inc()
        return None

    async def _verify_token(self, token: str) -> TokenPayload | TokenRejection:
        now = datetime.now(UTC)
        return acknowledgement.verify_token(token, await self._database.fetch_keys(now), now)


def _sql_parameters(payload: TokenPayload, form: AcknowledgementForm) -> Mapping[str, str]:
    return {
        "event": payload.event,
        "notification_id": payload.notification_id,
        "receiver": payload.receiver,
        "author": form.name or payload.receiver,
        "note": form.note,
    }


def _rejection_page(reason: TokenRejection) -> AcknowledgementPage:
    telemetry.ACKNOWLEDGEMENTS.labels(reason.value).inc()
    return AcknowledgementPage(
        html=acknowledgement.render_rejection(reason), status=410 if reason is TokenRejection.EXPIRED else 404
    )
