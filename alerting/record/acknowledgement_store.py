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
from alerting.record.acknowledgement import Answer, Invitation, Refusal, Said
from alerting.sql import load

_QUERIES = load(Path(__file__).with_name("acknowledgement_store.sql"))
_FRESH = 60.0  # seconds for which keys are believed to be the newest


class Page(Struct, frozen=True, kw_only=True):
    """What to show; `status` is HTTP's."""

    html: str
    status: int = 200


class Answers:
    """The page's questions to the database at `dsn`. Raises psycopg.Error where that does not answer."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._keys: Mapping[int, bytes] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)

    async def ask(self, token: str) -> Page:
        """The page with the button. Changes nothing, however often a scanner opens it."""
        invitation = await self._read(token)
        if isinstance(invitation, Refusal):
            return _refused(invitation)
        async with await self._connect() as connection:
            row = await (await connection.execute(_QUERIES["asked"], {"event": invitation.event})).fetchone()
            rows = await (await connection.execute(_QUERIES["said"], {"event": invitation.event})).fetchall()
        if row is None:
            return _refused(Refusal.FORGED)
        alert = json.decode(row[0], type=Alert)
        said = [Said(who=who, note=note, at=at) for who, note, at in rows]
        return Page(html=acknowledgement.question(invitation, alert, said, token=token, over=not alert.firing))

    async def record(self, token: str, body: bytes) -> Page | None:
        """Write down the answer; None where that is done (or was already), else the page that says what is wrong."""
        invitation, answer = await self._read(token), acknowledgement.answer(body)
        if isinstance(invitation, Refusal):
            return _refused(invitation)
        if answer is None:
            return await self.ask(token)
        async with await self._connect() as connection:
            await connection.execute(_QUERIES["acknowledge"], _row(invitation, answer))
        telemetry.ANSWERS.labels("acknowledged").inc()
        return None

    async def _read(self, token: str) -> Invitation | Refusal:
        now = datetime.now(UTC)
        if (now - self._read_at).total_seconds() > _FRESH:
            async with await self._connect() as connection:
                self._keys = dict(await (await connection.execute(_QUERIES["keys"])).fetchall())
            self._read_at = now
        return acknowledgement.read(token, self._keys, now)

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self._dsn, connect_timeout=5, application_name="piekwacht answers", options="-c statement_timeout=5000"
        )


def _row(invitation: Invitation, answer: Answer) -> Mapping[str, str]:
    who = answer.name or invitation.receiver
    return {
        "event": invitation.event,
        "message": invitation.message,
        "receiver": invitation.receiver,
        "who": who,
        "note": answer.note,
    }


def _refused(reason: Refusal) -> Page:
    telemetry.ANSWERS.labels(reason.value).inc()
    return Page(html=acknowledgement.refused(reason), status=410 if reason is Refusal.EXPIRED else 404)
