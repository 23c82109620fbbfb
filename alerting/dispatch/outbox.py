"""The outbox: notifications with their leases and attempts; the delivery worker calls it.

A notification is leased in a short transaction before it is delivered. The lease has a fencing token: a worker that
died or slept cannot finish what another has taken over. psycopg.Error passes through.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json, structs

from alerting import inbox
from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import DecisionReason
from alerting.delivery.addressees import combine_with_settled, has_reached_anybody, iter_outcomes
from alerting.delivery.channel import WAITING_OUTCOMES, Delivery, DeliveryOutcome
from alerting.delivery.retry import FinalState, NextAttempt
from alerting.message.notification import OriginalNotification, hash_content
from alerting.rows import fetch_all, fetch_one, fetch_value
from alerting.settings import AlertingSettings, ReceiverSettings
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_ATTEMPT_SECONDS = 50.0  # of an attempt, without the answer to a whole mail
_RECORDING_SECONDS = 10.0  # to record the attempt before the lease ends
_MAX_DETAIL = 1000  # characters
_REFUSING_OUTCOMES = frozenset({DeliveryOutcome.REFUSED, DeliveryOutcome.GONE, DeliveryOutcome.ABANDONED})


class OutboxLease(Struct, frozen=True, kw_only=True):
    """One notification that this worker may deliver until the lease ends.

    `settled`: the addressees that earlier attempts delivered to, or that refused for good. `may_be_repeat`: what came
    of an earlier attempt is unknown, so this one may arrive a second time.
    """

    id: int
    receiver: str
    channel: str
    notification_id: str
    attempts: int
    fencing_token: int
    alert: Alert
    reason: DecisionReason
    received_at: datetime
    detail: str = ""
    decided_at: datetime | None = None
    gathered: tuple[Alert, ...] = ()
    settled: Mapping[str, DeliveryOutcome] = {}
    may_be_repeat: bool = False


class _LeaseRow(Struct, frozen=True, kw_only=True):
    id: int
    receiver: str
    channel: str
    notification_id: str
    attempts: int
    fencing_token: int
    alert: str
    reason: str
    detail: str
    received_at: datetime
    decided_at: datetime
    gathers: bool


class _GatheredRow(Struct, frozen=True, kw_only=True):
    alert: str
    reason: str


class _AddresseeRow(Struct, frozen=True, kw_only=True):
    addressee: str
    outcome: str


class _EarlierAttempts(Struct, frozen=True, kw_only=True):
    """`are_uncertain`: of at least one it is unknown what came of it."""

    are_uncertain: bool = False
    settled: Mapping[str, DeliveryOutcome] = {}


class _OriginalRow(Struct, frozen=True, kw_only=True):
    id: str
    sent_at: datetime
    received_at: datetime
    decided_at: datetime
    severity: str


def attempt_seconds(settings: AlertingSettings) -> float:
    """Return the seconds that an attempt may take, on any channel: a mail may take longest."""
    return _ATTEMPT_SECONDS + settings.smtp.answer_timeout


async def acquire_lease(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> OutboxLease | None:
    """Lease the next notification that is due, with those that a storm left waiting for the same channel."""
    async with connection.transaction():
        await connection.execute(_QUERIES["lock_outbox"])
        lease_seconds = attempt_seconds(settings) + _RECORDING_SECONDS
        limits = {"burst": settings.burst, "gather": settings.gather_seconds, "lease": lease_seconds}
        row = await fetch_one(connection, _LeaseRow, _QUERIES["lease_notification"], limits)
        if row is None:
            return None
        if row.gathers:
            await connection.execute(_QUERIES["gather_pending"], {"id": row.id})
        gathered = await fetch_all(connection, _GatheredRow, _QUERIES["select_gathered"], {"id": row.id})
        earlier = await _select_earlier_attempts(row, connection)
    return OutboxLease(
        id=row.id,
        receiver=row.receiver,
        channel=row.channel,
        notification_id=row.notification_id,
        attempts=row.attempts,
        fencing_token=row.fencing_token,
        alert=_decode_alert(row),
        reason=DecisionReason(row.reason),
        detail=row.detail,
        received_at=row.received_at,
        decided_at=row.decided_at,
        gathered=tuple(_decode_alert(gathered_row) for gathered_row in gathered),
        settled=earlier.settled,
        may_be_repeat=earlier.are_uncertain,
    )


def _decode_alert(row: _LeaseRow | _GatheredRow) -> Alert:
    """Return the alert; after a false alarm as one that was voided, because the inspector speaks, not the detector."""
    alert = json.decode(row.alert, type=Alert)
    is_false_alarm = row.reason == DecisionReason.FALSE_ALARM.value
    return structs.replace(alert, change=Change.VOIDED) if is_false_alarm else alert


async def _select_earlier_attempts(row: _LeaseRow, connection: psycopg.AsyncConnection) -> _EarlierAttempts:
    key = {"id": row.id}
    if row.attempts == 1:
        return _EarlierAttempts()
    certain = await fetch_value(connection, int, _QUERIES["count_certain_attempts"], key) or 0
    addressees = await fetch_all(connection, _AddresseeRow, _QUERIES["select_addressees"], key)
    outcomes = {entry.addressee: DeliveryOutcome(entry.outcome) for entry in addressees}
    return _EarlierAttempts(
        are_uncertain=row.attempts - 1 > certain,
        settled={name: outcome for name, outcome in outcomes.items() if outcome not in WAITING_OUTCOMES},
    )


async def select_original(lease: OutboxLease, connection: psycopg.AsyncConnection) -> OriginalNotification | None:
    """Return the first delivered notification of the same event, receiver and channel; None if this is the first."""
    row = await fetch_one(connection, _OriginalRow, _QUERIES["select_original"], {"id": lease.id})
    if row is None:
        return None
    return OriginalNotification(
        id=row.id,
        sent_at=row.sent_at,
        received_at=row.received_at,
        decided_at=row.decided_at,
        severity=Severity(row.severity),
    )


async def find_disabled_target(url: str, connection: psycopg.AsyncConnection) -> Delivery | None:
    """Return a refusal if the target was disabled because it answered 410."""
    since = await fetch_value(connection, datetime, _QUERIES["select_disabled_target"], {"target": url})
    if since is None:
        return None
    return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.GONE, at=since))


async def disable_target(url: str, connection: psycopg.AsyncConnection) -> None:
    """Deliver nothing more to this target, until `piekwacht alerts enable`."""
    await connection.execute(_QUERIES["disable_target"], {"target": url})


async def finish_attempt(
    lease: OutboxLease,
    delivery: Delivery,
    began_at: datetime,
    receiver: ReceiverSettings | None,
    connection: psycopg.AsyncConnection,
    *,
    next_step: NextAttempt | FinalState,
) -> None:
    """Store the attempt, and the notification's new state if the lease is still ours."""
    async with connection.transaction():
        await _insert_delivery(lease, delivery, began_at, connection)
        state = next_step.state.value if isinstance(next_step, FinalState) else "pending"
        next_attempt_at = None if isinstance(next_step, FinalState) else next_step.at
        parameters: Mapping[str, object] = {
            "id": lease.id,
            "fencing_token": lease.fencing_token,
            "state": state,
            "next_attempt_at": next_attempt_at,
        }
        cursor = await connection.execute(_QUERIES["finish_attempt"], parameters)
        if receiver is not None and lease.channel in receiver.channels:
            await _update_refusals(lease, delivery, connection)
        if cursor.rowcount and receiver is not None and receiver.order:
            await _advance_channel_order(lease, delivery, receiver, connection)


async def _insert_delivery(
    lease: OutboxLease, delivery: Delivery, began_at: datetime, connection: psycopg.AsyncConnection
) -> None:
    """Store the attempt, and the bytes that were sent."""
    if delivery.content:
        await connection.execute(
            _QUERIES["insert_content"], {"sha256": hash_content(delivery.content), "content": delivery.content}
        )
    parameters: Mapping[str, object] = {
        "id": lease.id,
        "attempt": lease.attempts,
        "began_at": began_at,
        "outcome": delivery.outcome.value,
        "detail": _clean(delivery.detail),
        "sha256": hash_content(delivery.content),
        "bytes": len(delivery.content),
    }
    await connection.execute(_QUERIES["insert_delivery"], parameters)
    for entry in delivery.addressees:
        outcome = {"addressee": _clean(entry.addressee), "outcome": entry.outcome.value, "detail": _clean(entry.detail)}
        await connection.execute(_QUERIES["insert_addressee_outcome"], {**parameters, **outcome})


async def _update_refusals(lease: OutboxLease, delivery: Delivery, connection: psycopg.AsyncConnection) -> None:
    """Note who refuses, for the operator, and who no longer does."""
    key = {"receiver": lease.receiver, "channel": lease.channel}
    for addressee, outcome, detail in iter_outcomes(delivery):
        values = {**key, "addressee": _clean(addressee), "detail": _clean(detail)}
        if outcome in _REFUSING_OUTCOMES:
            await connection.execute(_QUERIES["insert_refusal"], values)
        elif outcome is DeliveryOutcome.DELIVERED:
            await connection.execute(_QUERIES["delete_refusal"], values)


def _clean(text: str) -> str:
    """PostgreSQL stores neither NUL nor half a character in a text."""
    return text[:_MAX_DETAIL].replace("\x00", "").encode("utf-8", "replace").decode()


async def _advance_channel_order(
    lease: OutboxLease, delivery: Delivery, receiver: ReceiverSettings, connection: psycopg.AsyncConnection
) -> None:
    """Queue the next channel of the order after one that did not deliver; skip the others after one that did."""
    next_channel, parameters = receiver.next_channel(lease.channel), {"id": lease.id}
    await connection.execute(_QUERIES["lock_channel_order"], parameters)
    if has_reached_anybody(combine_with_settled(delivery, lease.settled)):
        await connection.execute(_QUERIES["skip_other_channels"], parameters)
    elif (await connection.execute(_QUERIES["skip_this_channel"], parameters)).rowcount:
        return
    elif next_channel is not None:
        await connection.execute(_QUERIES["insert_next_channel"], {"id": lease.id, "channel": next_channel})
        await inbox.notify_workers(connection)
