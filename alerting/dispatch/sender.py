"""Sends what is due, one notification at a time, and records what came of it.

A notification is claimed in a transaction of its own before it is sent, with a lease and a fencing
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
from alerting.decide.reason_detail import Code, kept, worded
from alerting.decide.routing import Reason
from alerting.delivery.channel import Attempt, Finished, Origin, Outcome, after
from alerting.dispatch.deliver import attempt
from alerting.message.notification import Notification, Original, digest
from alerting.message.time_series import Curve, Point, window
from alerting.record.acknowledgement import VALID, Invitation, sign
from alerting.settings import AlertingSettings, ChannelSettings, ReceiverSettings
from alerting.sql import load

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


async def send_next(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> bool:
    """Claim one notification that is due, send it, record what came of it; False where none is due."""
    claimed = await claim(settings, connection)
    if claimed is None:
        return False
    began = datetime.now(UTC)
    made = await _attempt(claimed, settings, connection, began)
    await _record(claimed, made, began, _receiver(claimed, settings), connection)
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
    receiver = _receiver(claimed, settings)
    channel = receiver.channels.get(claimed.channel) if receiver else None
    if receiver is None or channel is None:
        return Attempt(outcome=Outcome.REFUSED, detail=kept(Code.UNCONFIGURED))
    origin = Origin(
        public_url=settings.public_url,
        source=settings.source,
        allow_private=settings.allow_private,
        received_at=claimed.received_at,
    )
    try:
        async with asyncio.timeout(_LONGEST):
            gone = await _gone(channel, connection)
            if gone is not None:
                return gone
            notification = await _notification(claimed, receiver, settings, connection, now)
            made = await attempt(notification, channel, settings, origin, at=now)
    except TimeoutError:
        return Attempt(outcome=Outcome.UNKNOWN, detail=kept(Code.TOO_SLOW, seconds=_LONGEST))
    except psycopg.Error:
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever is wrong with one message or one channel (an unreadable secret, a broken template, an
        # odd answer) must stop no other; it is tried again, counted and told.
        telemetry.TROUBLE.labels("channel").inc()
        _LOG.exception("%s to %s", claimed.channel, claimed.receiver)
        return Attempt(outcome=Outcome.FAILED, detail=f"{type(error).__name__}: {error}")
    if made.outcome is Outcome.GONE:
        await _disable(channel, connection)
    return made


async def _notification(
    claimed: Claimed,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> Notification:
    """What is said, with all that a person wants beside it."""
    alert = claimed.alert
    since, until = window(alert, now)
    where = {"station": alert.station, "property": alert.observed_property, "since": since, "until": until}
    points = await (await connection.execute(_QUERIES["curve"], where)).fetchall()
    first = await (await connection.execute(_QUERIES["original"], {"id": claimed.id})).fetchone()
    link = await _link(claimed, receiver, settings, connection, now) if alert.firing else None
    return Notification(
        alert=alert,
        gathered=claimed.gathered,
        repeat=claimed.attempts > 1,
        reason=claimed.reason,
        id=claimed.message_id,
        language=receiver.language,
        acknowledge=link,
        curve=Curve(points=tuple(Point(at=at, value=value, flags=flags) for at, value, flags in points)),
        original=_original(first) if first else None,
    )


def _original(row: tuple[str, datetime, datetime, str]) -> Original:
    return Original(id=row[0], sent_at=row[1], received_at=row[2], severity=Severity(row[3]))


async def _link(
    claimed: Claimed,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> str:
    keys: dict[int, bytes] = dict(await (await connection.execute(_QUERIES["keys"])).fetchall())
    invitation = Invitation(
        event=claimed.alert.event_id,
        receiver=receiver.name,
        message=claimed.message_id,
        expires=int((now + VALID).timestamp()),
        language=receiver.language,
    )
    return f"{settings.public_url.rstrip('/')}/acknowledge/{sign(invitation, keys)}"


async def _gone(channel: ChannelSettings, connection: psycopg.AsyncConnection) -> Attempt | None:
    """Why nothing is sent to a target that does not want to hear from us."""
    url = getattr(channel, "url", None)
    if url is None:
        return None
    row = await (await connection.execute(_QUERIES["gone"], {"target": url})).fetchone()
    if row is None:
        return None
    return Attempt(outcome=Outcome.REFUSED, detail=kept(Code.GONE, at=row[0]))


async def _disable(channel: ChannelSettings, connection: psycopg.AsyncConnection) -> None:
    url = getattr(channel, "url", None)
    if url is not None:
        _LOG.warning("%s answered 410 and is disabled; `piekwacht alerts enable` undoes it", url)
        await connection.execute(_QUERIES["is_gone"], {"target": url})


def _receiver(claimed: Claimed, settings: AlertingSettings) -> ReceiverSettings | None:
    return next((one for one in settings.receiver if one.name == claimed.receiver), None)


async def _record(
    claimed: Claimed,
    made: Attempt,
    began: datetime,
    receiver: ReceiverSettings | None,
    connection: psycopg.AsyncConnection,
) -> None:
    now = datetime.now(UTC)
    next_ = after(made, attempts=claimed.attempts, now=now)
    async with connection.transaction():
        await _keep(claimed, made, began, connection)
        state = next_.state.value if isinstance(next_, Finished) else "pending"
        again = None if isinstance(next_, Finished) else next_.at
        values = {"id": claimed.id, "fence": claimed.fence, "state": state, "next": again}
        finished = await connection.execute(_QUERIES["finish"], values)
        if finished.rowcount and receiver is not None and receiver.order:
            await _follow_order(claimed, made, receiver, connection)
    _tell(claimed, made, now, done=isinstance(next_, Finished))


async def _keep(claimed: Claimed, made: Attempt, began: datetime, connection: psycopg.AsyncConnection) -> None:
    """Put down the attempt, and the bytes that were sent."""
    if made.content:
        await connection.execute(_QUERIES["keep"], {"sha256": digest(made.content), "content": made.content})
    attempt_: Mapping[str, object] = {
        "id": claimed.id,
        "attempt": claimed.attempts,
        "began": began,
        "outcome": made.outcome.value,
        "detail": made.detail[:1000].replace("\x00", ""),
        "sha256": digest(made.content),
        "bytes": len(made.content),
    }
    await connection.execute(_QUERIES["record"], attempt_)


def _tell(claimed: Claimed, made: Attempt, now: datetime, *, done: bool) -> None:
    """The metrics and the log."""
    kind = claimed.channel.partition(":")[0]
    telemetry.DELIVERIES.labels(kind, made.outcome.value).inc()
    about = {"event": claimed.alert.event_id, "revision": claimed.alert.revision, "message": claimed.message_id}
    if made.outcome is Outcome.DELIVERED:
        telemetry.HANDED_OVER.observe(max(0.0, (now - claimed.received_at).total_seconds()))
        _LOG.info("%s to %s: delivered", kind, claimed.receiver, extra={"about": about})
    else:
        words = (kind, claimed.receiver, made.outcome.value, worded(made.detail, "en"), "; final" * done)
        _LOG.warning("%s to %s: %s: %s%s", *words, extra={"about": about})


async def _follow_order(
    claimed: Claimed, made: Attempt, receiver: ReceiverSettings, connection: psycopg.AsyncConnection
) -> None:
    """The next channel of the order after one that did not deliver; no other after one that did."""
    following, this = receiver.after(claimed.channel), {"id": claimed.id}
    await connection.execute(_QUERIES["order_alone"], this)
    if made.outcome is Outcome.DELIVERED:
        await connection.execute(_QUERIES["spare"], this)
    elif (await connection.execute(_QUERIES["spare_self"], this)).rowcount:
        return
    elif following is not None:
        await connection.execute(_QUERIES["queue_next"], {"id": claimed.id, "channel": following})
        await connection.execute(_QUERIES["wake"])
