"""Receives messages of guests for every way in: finds the guest, applies its limit, stores, and answers.

The API, the MQTT receiver and the poller share it. A message with a valid token is stored before anything is answered,
also one that cannot be read: the operator finds it in quarantine.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import psycopg
from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.access.attempt_delays import AttemptDelays, DelaySettings
from gateway.access.rate_limit import TokenBuckets, rate_limit_key
from gateway.guests.guest import KEPT_HEADERS, MAX_BODY_BYTES, Guest, GuestMessage, hash_token
from gateway.guests.inbox import REPEAT_BY_ID, REPEAT_OF_POST, GuestInbox, InboxMessage, InboxUnavailableError
from gateway.guests.reception import Reception, derive_message_key, judge_message
from gateway.guests.settings import GuestSettings
from gateway.guests.telemetry import MESSAGES

_LOG = get_logger("gateway.guests")
_REFRESH_SECONDS = 5.0  # a revoked guest is received at most this much longer
_MIN_REFRESH_SECONDS = 1.0  # between two loads for a token that is not known yet
_MAX_HEADER = 200  # characters
_MAX_TOPIC = 500  # characters


class ReceiptState(StrEnum):
    """Outcome of a message; also a label of metrics."""

    STORED = "stored"
    REPEATED = "repeated"
    REFUSED = "refused"  # stored for the operator, and no reading
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a state
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"


class Receipt(Struct, frozen=True, kw_only=True):
    """The answer to a sender. `wait_seconds`: when to try again."""

    state: ReceiptState
    detail: str = ""
    values: int = 0
    wait_seconds: float = 0.0


class GuestReceiver:
    """Receives for all guests of the installation."""

    def __init__(self, inbox: GuestInbox, settings: GuestSettings) -> None:
        self._inbox = inbox
        self._buckets = TokenBuckets(settings.messages_per_minute)
        self._wrong_tokens = AttemptDelays(DelaySettings(free=20, first_seconds=5.0))
        self._guests: Mapping[bytes, Guest] = {}
        self._loaded_at = -_REFRESH_SECONDS
        self._loading = asyncio.Lock()

    async def receive_post(
        self, token: str, body: bytes, *, headers: Mapping[str, str], path: str, address: str
    ) -> Receipt:
        """Receive a post. `headers` in small letters; `path`: what follows the token in the address."""
        source, now = rate_limit_key(address), time.monotonic()
        wait = self._wrong_tokens.wait(source, now)
        if wait:
            return _refuse(ReceiptState.RATE_LIMITED, "too many wrong tokens came from this address", wait)
        try:
            guest = await self._find_by_token(token)
        except psycopg.Error:
            return _refuse(ReceiptState.UNAVAILABLE, "the database does not answer; try again", 5.0)
        if guest is None:
            self._wrong_tokens.count(source, now)
            return _refuse(
                ReceiptState.WRONG_TOKEN, "no guest has this token; the operator of this site gives a new one"
            )
        return await self.receive(guest, body, headers=headers, topic=derive_topic(path))

    async def receive(
        self,
        guest: Guest,
        body: bytes,
        *,
        headers: Mapping[str, str],
        topic: str,
        repeat: timedelta = REPEAT_OF_POST,
    ) -> Receipt:
        """Store a message of a known guest. `topic`: of MQTT, or what stands for it in the path of a post.

        `repeat`: for how long the same bytes are a repetition, if the format has no id of a message.
        """
        if len(body) > MAX_BODY_BYTES:
            return _refuse(ReceiptState.TOO_LARGE, f"a message may have at most {MAX_BODY_BYTES} bytes")
        wait = self._buckets.take_token(guest.node, time.monotonic())
        if wait:
            return _refuse(ReceiptState.RATE_LIMITED, f"too many messages of {guest.node}", wait)
        message = GuestMessage(
            node=guest.node,
            received_at=datetime.now(UTC),
            topic=topic[:_MAX_TOPIC],
            headers={name: headers[name][:_MAX_HEADER] for name in KEPT_HEADERS if name in headers},
            body=body,
        )
        reception = judge_message(guest, message.as_foreign())
        try:
            is_new = await self._inbox.store(_build_inbox_message(message, reception, repeat))
        except InboxUnavailableError as error:
            return _refuse(ReceiptState.UNAVAILABLE, str(error), 5.0)
        if reception.is_refused:
            return _refuse(ReceiptState.REFUSED, reception.detail)
        state = ReceiptState.STORED if is_new else ReceiptState.REPEATED
        MESSAGES.labels(state.value).inc()
        return Receipt(state=state, values=sum(len(reading.values) for reading in reception.readings))

    async def list_guests(self) -> Sequence[Guest]:
        """Return the guests whose messages are received, at most some seconds old. Raises psycopg.Error."""
        await self._refresh(_REFRESH_SECONDS)
        return list(self._guests.values())

    async def _find_by_token(self, token: str) -> Guest | None:
        key = hash_token(token)
        try:
            await self._refresh(_REFRESH_SECONDS)
        except psycopg.Error as error:
            _LOG.warning("guests not loaded", error=one_line(error))
            if key not in self._guests:
                raise
        if key not in self._guests:
            await self._refresh(_MIN_REFRESH_SECONDS)
        return self._guests.get(key)

    async def _refresh(self, max_age: float) -> None:
        if time.monotonic() - self._loaded_at < max_age:
            return
        async with self._loading:
            if time.monotonic() - self._loaded_at < max_age:
                return
            guests = await self._inbox.load_guests()
            self._guests = {bytes(guest.token_sha256): guest for guest in guests}
            self._loaded_at = time.monotonic()


def derive_topic(path: str) -> str:
    """Return what names the device in the path of a post, as the topic of MQTT does.

    AirGradient posts to `sensors/airgradient:<serial>/measures`, and its body lacks the serial number.
    """
    device = path.partition("sensors/airgradient:")[2].partition("/")[0]
    return f"airgradient/readings/{device}" if device else path


def _build_inbox_message(message: GuestMessage, reception: Reception, repeat: timedelta) -> InboxMessage:
    return InboxMessage(
        row=message,
        key=derive_message_key(reception, message.as_foreign()),
        repeat=REPEAT_BY_ID if reception.message_id else repeat,
    )


def _refuse(state: ReceiptState, detail: str, wait_seconds: float = 0.0) -> Receipt:
    MESSAGES.labels(state.value).inc()
    return Receipt(state=state, detail=detail, wait_seconds=wait_seconds)
