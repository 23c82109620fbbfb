"""Sends what is due, one notification at a time, and records what came of it.

A notification is claimed in a transaction of its own before it is sent, with a lease and a fencing
token, so that a worker that died or slept cannot finish what another has taken over.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert, Severity
from alerting.decide.reason_detail import DetailCode, describe_detail, encode_detail
from alerting.decide.routing import DecisionReason
from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome, FinalState, plan_next_attempt
from alerting.dispatch.deliver import deliver
from alerting.log import get_logger
from alerting.message.notification import Notification, OriginalNotification, hash_content
from alerting.message.time_series import TimeSeries, TimeSeriesPoint, select_window
from alerting.record.acknowledgement import VALIDITY, TokenPayload, sign_token
from alerting.settings import AlertingSettings, ChannelSettings, ReceiverSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_DELIVERY_TIMEOUT = 50.0  # seconds an attempt may take: less than the lease


class OutboxLease(Struct, frozen=True, kw_only=True):
    """One notification that is ours to send until the lease ends."""

    id: int
    receiver: str
    channel: str
    notification_id: str
    attempts: int
    fencing_token: int
    alert: Alert
    reason: DecisionReason
    received_at: datetime
    gathered: tuple[Alert, ...] = ()


async def deliver_next(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> bool:
    """Claim one notification that is due, send it, record what came of it; False where none is due."""
    lease = await acquire_lease(settings, connection)
    if lease is None:
        return False
    began_at = datetime.now(UTC)
    delivery = await _try_delivery(lease, settings, connection, began_at)
    await _record_delivery(lease, delivery, began_at, _find_receiver(lease, settings), connection)
    return True


async def acquire_lease(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> OutboxLease | None:
    """Take the next that is due, with all that a storm left waiting for the same channel."""
    async with connection.transaction():
        await connection.execute(_QUERIES["lock_outbox"])
        limits = {"burst": settings.burst, "gather": settings.gather_seconds}
        row = await (await connection.execute(_QUERIES["lease_notification"], limits)).fetchone()
        if row is None:
            return None
        if row[9]:
            await connection.execute(_QUERIES["gather_pending"], {"id": row[0]})
        gathered_rows = await (await connection.execute(_QUERIES["select_gathered"], {"id": row[0]})).fetchall()
    return OutboxLease(
        id=row[0],
        receiver=row[1],
        channel=row[2],
        notification_id=row[3],
        attempts=row[4],
        fencing_token=row[5],
        alert=json.decode(row[6], type=Alert),
        reason=DecisionReason(row[7]),
        received_at=row[8],
        gathered=tuple(json.decode(alert_json, type=Alert) for (alert_json,) in gathered_rows),
    )


async def _try_delivery(
    lease: OutboxLease, settings: AlertingSettings, connection: psycopg.AsyncConnection, now: datetime
) -> Delivery:
    receiver = _find_receiver(lease, settings)
    channel = receiver.channels.get(lease.channel) if receiver else None
    if receiver is None or channel is None:
        return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.UNCONFIGURED))
    context = DeliveryContext(
        public_url=settings.public_url,
        source=settings.source,
        allow_private=settings.allow_private,
        received_at=lease.received_at,
    )
    try:
        async with asyncio.timeout(_DELIVERY_TIMEOUT):
            refused_delivery = await _find_disabled_target(channel, connection)
            if refused_delivery is not None:
                return refused_delivery
            notification = await _build_notification(lease, receiver, settings, connection, now)
            delivery = await deliver(notification, channel, settings, context, at=now)
    except TimeoutError:
        return Delivery(
            outcome=DeliveryOutcome.UNKNOWN, detail=encode_detail(DetailCode.TOO_SLOW, seconds=_DELIVERY_TIMEOUT)
        )
    except psycopg.Error:
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever is wrong with one message or one channel (an unreadable secret, a broken template, an
        # odd answer) must stop no other; it is tried again, counted and told.
        telemetry.FAILURES.labels("channel").inc()
        _LOG.exception("delivery raised an error", channel=lease.channel, receiver=lease.receiver)
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=f"{type(error).__name__}: {error}")
    if delivery.outcome is DeliveryOutcome.GONE:
        await _disable_target(channel, connection)
    return delivery


async def _build_notification(
    lease: OutboxLease,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> Notification:
    """What is said, with all that a person wants beside it."""
    alert = lease.alert
    since, until = select_window(alert, now)
    parameters = {"station": alert.station, "property": alert.observed_property, "since": since, "until": until}
    points = await (await connection.execute(_QUERIES["select_time_series"], parameters)).fetchall()
    original_row = await (await connection.execute(_QUERIES["select_original"], {"id": lease.id})).fetchone()
    acknowledge_url = await _build_acknowledge_url(lease, receiver, settings, connection, now) if alert.firing else None
    return Notification(
        alert=alert,
        gathered=lease.gathered,
        repeat=lease.attempts > 1,
        reason=lease.reason,
        id=lease.notification_id,
        language=receiver.language,
        acknowledge_url=acknowledge_url,
        time_series=TimeSeries(
            points=tuple(TimeSeriesPoint(at=at, value=value, flags=flags) for at, value, flags in points)
        ),
        original=_original_from_row(original_row) if original_row else None,
    )


def _original_from_row(row: tuple[str, datetime, datetime, str]) -> OriginalNotification:
    return OriginalNotification(id=row[0], sent_at=row[1], received_at=row[2], severity=Severity(row[3]))


async def _build_acknowledge_url(
    lease: OutboxLease,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> str:
    keys: dict[int, bytes] = dict(await (await connection.execute(_QUERIES["select_signing_keys"])).fetchall())
    payload = TokenPayload(
        event=lease.alert.event_id,
        receiver=receiver.name,
        notification_id=lease.notification_id,
        expires=int((now + VALIDITY).timestamp()),
        language=receiver.language,
    )
    return f"{settings.public_url.rstrip('/')}/acknowledge/{sign_token(payload, keys)}"


async def _find_disabled_target(channel: ChannelSettings, connection: psycopg.AsyncConnection) -> Delivery | None:
    """Why nothing is sent to a target that does not want to hear from us."""
    url = getattr(channel, "url", None)
    if url is None:
        return None
    row = await (await connection.execute(_QUERIES["select_disabled_target"], {"target": url})).fetchone()
    if row is None:
        return None
    return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.GONE, at=row[0]))


async def _disable_target(channel: ChannelSettings, connection: psycopg.AsyncConnection) -> None:
    url = getattr(channel, "url", None)
    if url is not None:
        _LOG.warning("target answered 410 and is disabled; `piekwacht alerts enable` undoes it", url=url)
        await connection.execute(_QUERIES["disable_target"], {"target": url})


def _find_receiver(lease: OutboxLease, settings: AlertingSettings) -> ReceiverSettings | None:
    return next((receiver for receiver in settings.receiver if receiver.name == lease.receiver), None)


async def _record_delivery(
    lease: OutboxLease,
    delivery: Delivery,
    began_at: datetime,
    receiver: ReceiverSettings | None,
    connection: psycopg.AsyncConnection,
) -> None:
    now = datetime.now(UTC)
    next_step = plan_next_attempt(delivery, attempts=lease.attempts, now=now)
    async with connection.transaction():
        await _insert_delivery(lease, delivery, began_at, connection)
        state = next_step.state.value if isinstance(next_step, FinalState) else "pending"
        next_attempt_at = None if isinstance(next_step, FinalState) else next_step.at
        values = {"id": lease.id, "fence": lease.fencing_token, "state": state, "next": next_attempt_at}
        cursor = await connection.execute(_QUERIES["finish_attempt"], values)
        if cursor.rowcount and receiver is not None and receiver.order:
            await _advance_channel_order(lease, delivery, receiver, connection)
    _report_delivery(lease, delivery, now, is_final=isinstance(next_step, FinalState))


async def _insert_delivery(
    lease: OutboxLease, delivery: Delivery, began_at: datetime, connection: psycopg.AsyncConnection
) -> None:
    """Put down the attempt, and the bytes that were sent."""
    if delivery.content:
        await connection.execute(
            _QUERIES["insert_content"], {"sha256": hash_content(delivery.content), "content": delivery.content}
        )
    parameters: Mapping[str, object] = {
        "id": lease.id,
        "attempt": lease.attempts,
        "began": began_at,
        "outcome": delivery.outcome.value,
        "detail": delivery.detail[:1000].replace("\x00", ""),
        "sha256": hash_content(delivery.content),
        "bytes": len(delivery.content),
    }
    await connection.execute(_QUERIES["insert_delivery"], parameters)


def _report_delivery(lease: OutboxLease, delivery: Delivery, now: datetime, *, is_final: bool) -> None:
    """The metrics and the log."""
    kind = lease.channel.partition(":")[0]
    telemetry.DELIVERIES.labels(kind, delivery.outcome.value).inc()
    log = _LOG.bind(
        channel=kind,
        receiver=lease.receiver,
        event_id=lease.alert.event_id,
        revision=lease.alert.revision,
        notification_id=lease.notification_id,
    )
    if delivery.outcome is DeliveryOutcome.DELIVERED:
        telemetry.DELIVERY_DELAY.observe(max(0.0, (now - lease.received_at).total_seconds()))
        log.info("delivery succeeded")
    else:
        detail = describe_detail(delivery.detail, "en")
        log.warning("delivery failed", outcome=delivery.outcome.value, detail=detail, final=is_final)


async def _advance_channel_order(
    lease: OutboxLease, delivery: Delivery, receiver: ReceiverSettings, connection: psycopg.AsyncConnection
) -> None:
    """The next channel of the order after one that did not deliver; no other after one that did."""
    next_channel, parameters = receiver.next_channel(lease.channel), {"id": lease.id}
    await connection.execute(_QUERIES["lock_channel_order"], parameters)
    if delivery.outcome is DeliveryOutcome.DELIVERED:
        await connection.execute(_QUERIES["skip_other_channels"], parameters)
    elif (await connection.execute(_QUERIES["skip_this_channel"], parameters)).rowcount:
        return
    elif next_channel is not None:
        await connection.execute(_QUERIES["insert_next_channel"], {"id": lease.id, "channel": next_channel})
        await connection.execute(_QUERIES["notify_workers"])
