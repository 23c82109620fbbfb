"""Delivers the notifications that are due, one at a time, and records each attempt; run by the dispatcher.

A failure of one notification or one channel is recorded and retried, and stops no other. psycopg.Error passes
through; the dispatcher then reconnects, and the lease ends with the session.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import json

from alerting import telemetry
from alerting.decide.reason_detail import DetailCode, describe_detail, encode_detail
from alerting.delivery.addressees import has_reached_anybody, iter_outcomes
from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome
from alerting.delivery.retry import FinalState, abandon_waiting, plan_next_attempt
from alerting.dispatch import outbox
from alerting.dispatch.deliver import deliver
from alerting.dispatch.outbox import OutboxLease
from alerting.errors import one_line
from alerting.log import get_logger
from alerting.message.health import describe_advice
from alerting.message.notification import Notification
from alerting.message.plume import PlumeSummary
from alerting.message.time_series import TimeSeries, TimeSeriesPoint, select_window
from alerting.record.acknowledgement import VALIDITY, TokenPayload, sign_token
from alerting.record.signing_keys import select_signing_keys
from alerting.rows import fetch_all, fetch_column, fetch_value
from alerting.settings import AlertingSettings, ChannelSettings, ReceiverSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


async def deliver_next(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> bool:
    """Lease one notification that is due, deliver it, record the attempt; False if none is due."""
    lease = await outbox.acquire_lease(settings, connection)
    if lease is None:
        return False
    began_at = datetime.now(UTC)
    delivery = await _try_delivery(lease, settings, connection, began_at)
    await record_delivery(lease, delivery, began_at, settings.find_receiver(lease.receiver), connection)
    return True


async def _try_delivery(
    lease: OutboxLease, settings: AlertingSettings, connection: psycopg.AsyncConnection, now: datetime
) -> Delivery:
    receiver = settings.find_receiver(lease.receiver)
    channel = receiver.channels.get(lease.channel) if receiver else None
    if receiver is None or channel is None:
        return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.UNCONFIGURED))
    context = DeliveryContext(
        public_url=settings.public_url,
        source=settings.source,
        allow_private=settings.allow_private,
        received_at=lease.received_at,
        decided_at=lease.decided_at,
        settled=lease.settled,
    )
    attempt_seconds = outbox.attempt_seconds(settings)
    try:
        async with asyncio.timeout(attempt_seconds):
            url = _target_url(channel)
            refused_delivery = await outbox.find_disabled_target(url, connection) if url is not None else None
            if refused_delivery is not None:
                return refused_delivery
            notification = await _build_notification(lease, receiver, settings, connection, now)
            delivery = await deliver(notification, channel, settings, context, at=now)
    except TimeoutError:
        return Delivery(
            outcome=DeliveryOutcome.UNKNOWN, detail=encode_detail(DetailCode.TOO_SLOW, seconds=attempt_seconds)
        )
    except psycopg.Error:
        raise
    except Exception as error:  # noqa: BLE001 - an unreadable secret or an odd answer must stop no other delivery
        telemetry.FAILURES.labels("channel").inc()
        _LOG.exception("delivery raised an error", channel=lease.channel, receiver=lease.receiver)
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=f"{type(error).__name__}: {error}")
    if delivery.outcome is DeliveryOutcome.GONE and url is not None:
        _LOG.warning("target answered 410 and is disabled; `piekwacht alerts enable` undoes it", url=url)
        await outbox.disable_target(url, connection)
    return delivery


async def _build_notification(
    lease: OutboxLease,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> Notification:
    """Return the notification with the values around the peak and the acknowledgement link."""
    alert = lease.alert
    since, until = select_window(alert, now)
    parameters = {"station": alert.station, "property": alert.observed_property, "since": since, "until": until}
    points = await fetch_all(connection, TimeSeriesPoint, _QUERIES["select_time_series"], parameters)
    original = await outbox.select_original(lease, connection)
    key = {"event": alert.event_id, "receiver": lease.receiver}
    summary = await fetch_value(connection, str, _QUERIES["select_plume_summary"], key) if not alert.firing else None
    also_told = await fetch_column(connection, str, _QUERIES["select_other_receivers"], key)
    acknowledge_url = await _build_acknowledge_url(lease, receiver, settings, connection, now) if alert.firing else None
    return Notification(
        alert=alert,
        gathered=lease.gathered,
        repeat=lease.may_be_repeat,
        reason=lease.reason,
        detail=lease.detail,
        id=lease.notification_id,
        language=receiver.language,
        acknowledge_url=acknowledge_url,
        time_series=TimeSeries(points=tuple(points)),
        original=original,
        plume=None if summary is None else json.decode(summary, type=PlumeSummary),
        also_told=tuple(also_told),
        health=describe_advice(receiver.health, alert, receiver.language),
    )


async def _build_acknowledge_url(
    lease: OutboxLease,
    receiver: ReceiverSettings,
    settings: AlertingSettings,
    connection: psycopg.AsyncConnection,
    now: datetime,
) -> str | None:
    """Return the link; None if it would be refused for its length: the mail then goes without."""
    payload = TokenPayload(
        event=lease.alert.event_id,
        receiver=receiver.name,
        notification_id=lease.notification_id,
        expires=int((now + VALIDITY).timestamp()),
        language=receiver.language,
    )
    try:
        token = sign_token(payload, await select_signing_keys(connection))
    except ValueError as error:
        _LOG.error("no link to acknowledge", receiver=receiver.name, error=one_line(error))
        return None
    return f"{settings.public_url.rstrip('/')}/acknowledge/{token}"


def _target_url(channel: ChannelSettings) -> str | None:
    url: str | None = getattr(channel, "url", None)
    return url


async def record_delivery(
    lease: OutboxLease,
    delivery: Delivery,
    began_at: datetime,
    receiver: ReceiverSettings | None,
    connection: psycopg.AsyncConnection,
) -> None:
    """Store the attempt and what follows from it; count it and log it."""
    now = datetime.now(UTC)
    next_step = plan_next_attempt(delivery, attempts=lease.attempts, now=now, settled=lease.settled)
    if isinstance(next_step, FinalState):
        delivery = abandon_waiting(delivery)
    await outbox.finish_attempt(lease, delivery, began_at, receiver, connection, next_step=next_step)
    _report_delivery(lease, delivery, now, is_final=isinstance(next_step, FinalState))


def _report_delivery(lease: OutboxLease, delivery: Delivery, now: datetime, *, is_final: bool) -> None:
    kind = lease.channel.partition(":")[0]
    telemetry.DELIVERIES.labels(kind, delivery.outcome.value).inc()
    log = _LOG.bind(
        channel=kind,
        receiver=lease.receiver,
        event_id=lease.alert.event_id,
        revision=lease.alert.revision,
        notification_id=lease.notification_id,
    )
    if has_reached_anybody(delivery.outcome):
        telemetry.DELIVERY_DELAY.observe(max(0.0, (now - lease.received_at).total_seconds()))
    if delivery.outcome is DeliveryOutcome.DELIVERED:
        log.info("delivery succeeded")
    for addressee, outcome, stored_detail in iter_outcomes(delivery):
        telemetry.ADDRESSEES.labels(kind, outcome.value).inc()
        if outcome is not DeliveryOutcome.DELIVERED:
            detail = describe_detail(stored_detail, "en")
            log.warning("delivery failed", addressee=addressee, outcome=outcome.value, detail=detail, final=is_final)
