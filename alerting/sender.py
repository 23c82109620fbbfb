"""Sends what is due, one notification at a time, and records what came of it.

A notification is claimed in a transaction of its own before it is sent, with a lease and a fencing
token, so that a worker that died or slept cannot finish what another has taken over.
"""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert
from alerting.delivery import email, webhook
from alerting.delivery.channel import Attempt, Finished, Outcome, after
from alerting.notification import Notification, cloud_event, digest
from alerting.queries import load
from alerting.routing import Reason
from alerting.settings import AlertingSettings, EmailSettings, WebhookSettings

_LOG = logging.getLogger(__name__)
_QUERIES = load(Path(__file__).with_name("queries.sql"))
_LONGEST = 50.0  # seconds an attempt may take: less than the lease


class Claimed(Struct, frozen=True, kw_only=True):
    """One notification that is ours to send until the lease ends."""

    id: int
    receiver: str
    channel: str
    message_id: str
    attempts: int
    fence: int
    alert: Alert
    reason: Reason
    received_at: datetime
    gathered: tuple[Alert, ...] = ()

    @property
    def notification(self) -> Notification:
        """What is said."""
        return Notification(
            alert=self.alert, gathered=self.gathered, repeat=self.attempts > 1, reason=self.reason, id=self.message_id
        )


async def send_next(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> bool:
    """Claim one notification that is due, send it, record what came of it; False where none is due."""
    claimed = await claim(settings, connection)
    if claimed is None:
        return False
    began = datetime.now(UTC)
    attempt = await _attempt(claimed, settings, connection, began)
    await _record(claimed, attempt, began, connection)
    return True


async def claim(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> Claimed | None:
    """Take the next that is due, with all that a storm left waiting for the same channel."""
    async with connection.transaction():
        await connection.execute(_QUERIES["claim_alone"])
        limits = {"burst": settings.burst, "gather": settings.gather_seconds}
        row = await (await connection.execute(_QUERIES["claim"], limits)).fetchone()
        if row is None:
            return None
        if row[9]:
            await connection.execute(_QUERIES["gather"], {"id": row[0]})
        gathered = await (await connection.execute(_QUERIES["gathered"], {"id": row[0]})).fetchall()
    return Claimed(
        id=row[0],
        receiver=row[1],
        channel=row[2],
        message_id=row[3],
        attempts=row[4],
        fence=row[5],
        alert=json.decode(row[6], type=Alert),
        reason=Reason(row[7]),
        received_at=row[8],
        gathered=tuple(json.decode(text, type=Alert) for (text,) in gathered),
    )


async def _attempt(
    claimed: Claimed, settings: AlertingSettings, connection: psycopg.AsyncConnection, now: datetime
) -> Attempt:
    receiver = next((one for one in settings.receiver if one.name == claimed.receiver), None)
    channel = receiver.channels.get(claimed.channel) if receiver else None
    if channel is None:
        return Attempt(outcome=Outcome.REFUSED, detail="the channel is no longer configured")
    try:
        async with asyncio.timeout(_LONGEST):
            if isinstance(channel, EmailSettings):
                return await _mail(claimed, channel, settings, now)
            return await _call(claimed, channel, settings, connection, now)
    except TimeoutError:
        return Attempt(outcome=Outcome.UNKNOWN, detail=f"no answer within {_LONGEST:.0f} s")
    except psycopg.Error:
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever is wrong with one message or one channel (an unreadable secret, a broken template, an
        # odd answer) must stop no other; it is tried again, counted and told.
        telemetry.TROUBLE.labels("channel").inc()
        _LOG.exception("%s to %s", claimed.channel, claimed.receiver)
        return Attempt(outcome=Outcome.FAILED, detail=f"{type(error).__name__}: {error}")


async def _mail(claimed: Claimed, channel: EmailSettings, settings: AlertingSettings, now: datetime) -> Attempt:
    message = email.compose(
        claimed.notification, channel=channel, smtp=settings.smtp, public_url=settings.public_url, at=now
    )
    return await email.send(message, settings.smtp)


async def _call(
    claimed: Claimed,
    channel: WebhookSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> Attempt:
    target = {"target": channel.url}
    gone = await (await connection.execute(_QUERIES["gone"], target)).fetchone()
    if gone is not None:
        return Attempt(outcome=Outcome.REFUSED, detail=f"disabled: it answered 410 at {gone[0].isoformat()}")
    body = cloud_event(
        claimed.notification, source=settings.source, public_url=settings.public_url, at=claimed.received_at
    )
    attempt = await webhook.send(
        body, channel=channel, message_id=claimed.message_id, at=now, allow_private=settings.allow_private
    )
    if attempt.outcome is Outcome.GONE:
        _LOG.warning("%s answered 410 and is disabled; `piekwacht alerts enable` undoes it", channel.url)
        await connection.execute(_QUERIES["is_gone"], target)
    return attempt


async def _record(claimed: Claimed, attempt: Attempt, began: datetime, connection: psycopg.AsyncConnection) -> None:
    now = datetime.now(UTC)
    next_ = after(attempt, attempts=claimed.attempts, now=now)
    done = isinstance(next_, Finished)
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
        telemetry.HANDED_OVER.observe(max(0.0, (now - claimed.received_at).total_seconds()))
    else:
        _LOG.warning(
            "%s to %s: %s: %s%s", kind, claimed.receiver, attempt.outcome.value, attempt.detail, "; final" * done
        )
