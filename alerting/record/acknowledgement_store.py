"""The shell around `acknowledgement`: its keys, what it asks of the database, and the answer it writes there.

Used by whatever serves the page; a connection a question, because these are few, and none is made for a forged link.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert
from alerting.record import acknowledgement
from alerting.record.acknowledgement import Acknowledgement, AcknowledgementForm, TokenPayload, TokenRejection
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("acknowledgement_store.sql"))
_KEYS_MAX_AGE = 60.0  # seconds for which keys are believed to be the newest


class AcknowledgementPage(Struct, frozen=True, kw_only=True):
    """What to show; `status` is HTTP's."""

    html: str
    status: int = 200


class AcknowledgementStore:
    """The page's questions to the database at `dsn`. Raises psycopg.Error where that does not answer."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._keys: Mapping[int, bytes] = {}
        self._keys_read_at = datetime.min.replace(tzinfo=UTC)

    async def render_page(self, token: str) -> AcknowledgementPage:
        """The page with the button. Changes nothing, however often a scanner opens it."""
        payload = await self._verify_token(token)
        if isinstance(payload, TokenRejection):
            return _rejection_page(payload)
        async with await self._connect() as connection:
            row = await (await connection.execute(_QUERIES["select_newest_alert"], {"event": payload.event})).fetchone()
            rows = await (
                await connection.execute(_QUERIES["select_acknowledgements"], {"event": payload.event})
            ).fetchall()
        if row is None:
            return _rejection_page(TokenRejection.FORGED)
        alert = json.decode(row[0], type=Alert)
        acknowledgements = [Acknowledgement(who=who, note=note, at=at) for who, note, at in rows]
        return AcknowledgementPage(
            html=acknowledgement.render_page(
                payload, alert, acknowledgements, token=token, event_ended=not alert.firing
            )
        )

    async def record(self, token: str, body: bytes) -> AcknowledgementPage | None:
        """Write down the answer; None where that is done (or was already), else the page that says what is wrong."""
        payload, form = await self._verify_token(token), acknowledgement.parse_form(body)
        if isinstance(payload, TokenRejection):
            return _rejection_page(payload)
        if form is None:
            return await self.render_page(token)
        async with await self._connect() as connection:
            await connection.execute(_QUERIES["insert_acknowledgement"], _sql_parameters(payload, form))
        telemetry.ACKNOWLEDGEMENTS.labels("acknowledged").inc()
        return None

    async def _verify_token(self, token: str) -> TokenPayload | TokenRejection:
        now = datetime.now(UTC)
        if (now - self._keys_read_at).total_seconds() > _KEYS_MAX_AGE:
            async with await self._connect() as connection:
                self._keys = dict(await (await connection.execute(_QUERIES["select_signing_keys"])).fetchall())
            self._keys_read_at = now
        return acknowledgement.verify_token(token, self._keys, now)

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self._dsn, connect_timeout=5, application_name="piekwacht answers", options="-c statement_timeout=5000"
        )


def _sql_parameters(payload: TokenPayload, form: AcknowledgementForm) -> Mapping[str, str]:
    who = form.name or payload.receiver
    return {
        "event": payload.event,
        "message": payload.notification_id,
        "receiver": payload.receiver,
        "who": who,
        "note": form.note,
    }


def _rejection_page(reason: TokenRejection) -> AcknowledgementPage:
    telemetry.ACKNOWLEDGEMENTS.labels(reason.value).inc()
    return AcknowledgementPage(
        html=acknowledgement.render_rejection(reason), status=410 if reason is TokenRejection.EXPIRED else 404
    )
