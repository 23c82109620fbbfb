"""The dispatcher: decides for each alert in the inbox who is told, and sends what is due.

Several may run. An inbox row is decided by one worker in one transaction (FOR UPDATE SKIP LOCKED); a
notification is claimed in a transaction of its own before it is sent, with a lease and a fencing
token, so that a worker that died or slept cannot finish what another has taken over.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert, Severity
from alerting.dedup import Told
from alerting.delivery import email, webhook
from alerting.delivery.channel import Attempt, Finished, Outcome, after
from alerting.notification import cloud_event, digest
from alerting.pipeline import decide
from alerting.queries import load
from alerting.settings import AlertingSettings, EmailSettings, ReceiverSettings

_LOG = logging.getLogger(__name__)
_QUERIES = load(Path(__file__).with_name("queries.sql"))
_POLL = 2.0  # seconds: how long a lost wake-up can delay anything
_PAUSE = 1.0  # seconds between attempts while the database is away


class Claimed(Struct, frozen=True, kw_only=True):
    """One notification that is ours to send until the lease ends."""

    id: int
    receiver: str
    channel: str
    message_id: str
    attempts: int
    fence: int
    alert: Alert


async def run(settings: AlertingSettings, dsn: str) -> None:
    """Until cancelled; comes back by itself when the database was away."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="piekwacht alerting"
            ) as connection:
                await _work(settings, connection)
        except psycopg.OperationalError as error:
            _LOG.warning("database is away: %s", " ".join(str(error).split()))
            await asyncio.sleep(_PAUSE)


async def _work(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> None:
    await connection.execute("LISTEN piekwacht_alerting")
    while True:
        decided = await decide_waiting(settings, connection)
        sent = await send_next(settings, connection)
        row = await (await connection.execute(_QUERIES["sizes"])).fetchone()
        if row is not None:
            telemetry.QUEUE.labels("inbox").set(row[0])
            telemetry.QUEUE.labels("outbox").set(row[1])
        if not decided and not sent:
            async for _ in connection.notifies(timeout=_POLL, stop_after=1):
                pass


async def decide_waiting(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> int:
    """Decide what waits in the inbox; returns how many alerts that were."""
    receivers = {receiver.name: receiver for receiver in settings.receiver}
    async with connection.transaction():
        rows = await (await connection.execute(_QUERIES["take_inbox"])).fetchall()
        for (text,) in rows:
            await _decide_one(json.decode(text, type=Alert), settings, receivers, connection)
    return len(rows)


async def _decide_one(
    alert: Alert,
    settings: AlertingSettings,
    receivers: Mapping[str, ReceiverSettings],
    connection: psycopg.AsyncConnection,
) -> None:
    key = {"event": alert.event_id, "revision": alert.revision}
    told = {name: found for name in receivers if (found := await _told(alert, name, connection)) is not None}
    for verdict in decide(alert, settings.route, told):
        telemetry.DECISIONS.labels(verdict.reason.value).inc()
        decision = {**key, "receiver": verdict.receiver, "told": verdict.told, "reason": verdict.reason.value}
        await connection.execute(_QUERIES["decide"], decision)
        for channel in _channels(receivers[verdict.receiver]) if verdict.told else []:
            message = f"{alert.event_id}-{alert.revision}-{verdict.receiver}-{channel.replace(':', '-')}"
            await connection.execute(
                _QUERIES["queue"], {**key, "receiver": verdict.receiver, "channel": channel, "message": message}
            )
    await connection.execute(_QUERIES["dispatched"], key)


async def _told(alert: Alert, receiver: str, connection: psycopg.AsyncConnection) -> Told | None:
    cursor = await connection.execute(_QUERIES["told"], {"event": alert.event_id, "receiver": receiver})
    severities = [Severity(row[0]) for row in await cursor.fetchall()]
    return Told(severity=max(severities, key=lambda severity: severity.rank)) if severities else None


def _channels(receiver: ReceiverSettings) -> list[str]:
    return [f"email:{i}" for i in range(len(receiver.email))] + [f"webhook:{i}" for i in range(len(receiver.webhook))]


async def send_next(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> bool:
    """Claim one notification that is due, send it, record what came of it; False where none is due."""
    row = await (await connection.execute(_QUERIES["claim"])).fetchone()
    if row is None:
        return False
    claimed = Claimed(
        id=row[0],
        receiver=row[1],
        channel=row[2],
        message_id=row[3],
        attempts=row[4],
        fence=row[5],
        alert=json.decode(row[6], type=Alert),
    )
    began = datetime.now(UTC)
    attempt = await _attempt(claimed, settings, began)
    await _record(claimed, attempt, began, connection)
    return True


async def _attempt(claimed: Claimed, settings: AlertingSettings, now: datetime) -> Attempt:
    kind, _, index = claimed.channel.partition(":")
    receiver = next((r for r in settings.receiver if r.name == claimed.receiver), None)
    channels = [] if receiver is None else receiver.email if kind == "email" else receiver.webhook
    if int(index) >= len(channels):
        return Attempt(outcome=Outcome.REFUSED, detail="the channel is no longer configured")
    channel = channels[int(index)]
    if isinstance(channel, EmailSettings):
        message = email.compose(
            claimed.alert,
            channel=channel,
            smtp=settings.smtp,
            public_url=settings.public_url,
            message_id=claimed.message_id,
            repeat=claimed.attempts > 1,
            at=now,
        )
        return await email.send(message, settings.smtp)
    body = cloud_event(claimed.alert, source=settings.source, public_url=settings.public_url, at=now)
    return await webhook.send(
        body, channel=channel, message_id=claimed.message_id, at=now, allow_private=settings.allow_private
    )


async def _record(claimed: Claimed, attempt: Attempt, began: datetime, connection: psycopg.AsyncConnection) -> None:
    now = datetime.now(UTC)
    next_ = after(attempt, attempts=claimed.attempts, now=now)
    async with connection.transaction():
        await connection.execute(
            _QUERIES["record"],
            {
                "id": claimed.id,
                "attempt": claimed.attempts,
                "began": began,
                "outcome": attempt.outcome.value,
                "detail": attempt.detail[:1000].replace("\x00", ""),
                "sha256": digest(attempt.content),
            },
        )
        await connection.execute(
            _QUERIES["finish"],
            {
                "id": claimed.id,
                "fence": claimed.fence,
                "state": next_.state.value if isinstance(next_, Finished) else "pending",
                "next": None if isinstance(next_, Finished) else next_.at,
            },
        )
    kind = claimed.channel.partition(":")[0]
    telemetry.DELIVERIES.labels(kind, attempt.outcome.value).inc()
    if attempt.outcome is Outcome.DELIVERED:
        telemetry.HANDED_OVER.observe(max(0.0, (now - claimed.alert.detected_at).total_seconds()))
    else:
        _LOG.warning("%s to %s: %s: %s", kind, claimed.receiver, attempt.outcome.value, attempt.detail)
