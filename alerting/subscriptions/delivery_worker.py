"""Sends the notices of one provider: leases some, sends several at a time at the provider's rate, records the outcomes.

The service runs one worker per provider, so that a provider that hangs delays no other. psycopg.Error passes through.
A notice that was sent and not recorded is sent again under the same push id.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import psycopg
from msgspec import Struct

from alerting import telemetry
from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.log import get_logger
from alerting.record.signing_keys import select_signing_keys
from alerting.subscriptions.notice_lease import (
    NoticeLease,
    SentNotice,
    fetch_queue_state,
    lease_notices,
    record_notices,
)
from alerting.subscriptions.notice_loader import NoticeLoader
from alerting.subscriptions.notice_sender import settle
from alerting.subscriptions.notice_text import NoticeText

_LOG = get_logger("alerting.subscriptions")
_LEASE_FACTOR = 4  # notices that are leased, in multiples of those that are sent at the same time
_KEYS_MAX_AGE = 60.0  # seconds
_STATE_INTERVAL = 5.0  # seconds between measurements of the queue


class Sender(Protocol):
    """Sends one notice, and raises nothing."""

    async def send(self, lease: NoticeLease, text: NoticeText, keys: Mapping[int, bytes]) -> SentNotice:
        """Send once."""


class ProviderLimits(Struct, frozen=True, kw_only=True):
    """Notices per second, and notices at the same time."""

    per_second: float
    parallel: int


class DeliveryWorker:
    """Sends to one provider. `loader` is shared by all providers, so that each text is written once."""

    def __init__(self, provider: str, sender: Sender, limits: ProviderLimits, loader: NoticeLoader) -> None:
        self._provider, self._sender, self._limits, self._loader = provider, sender, limits, loader
        self._leased: deque[NoticeLease] = deque()
        self._running: set[asyncio.Task[SentNotice]] = set()
        self._keys: Mapping[int, bytes] = {}
        self._keys_read_at = self._state_read_at = float("-inf")
        self._next_send_at = 0.0
        self._session: psycopg.AsyncConnection | None = None

    async def step(self, connection: psycopg.AsyncConnection) -> bool:
        """Lease, send and record some notices; return whether there were any."""
        if connection is not self._session:
            await self._begin_session(connection)
        if len(self._leased) < self._limits.parallel:
            missing = _LEASE_FACTOR * self._limits.parallel - len(self._leased)
            self._leased.extend(await lease_notices(connection, self._provider, missing))
        await self._report_queue(connection)
        finished: list[SentNotice] = []
        while self._leased and len(self._running) < self._limits.parallel and self._may_send():
            await self._start(self._leased.popleft(), connection, finished)
        if self._running:
            done, self._running = await asyncio.wait(self._running, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
            finished.extend(task.result() for task in done)
        elif self._leased:
            await asyncio.sleep(max(0.0, self._next_send_at - time.monotonic()))
        await record_notices(connection, finished)
        return bool(finished or self._leased or self._running)

    async def close(self) -> None:
        """Stop what is being sent."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _begin_session(self, connection: psycopg.AsyncConnection) -> None:
        """Leases belong to a session: after it has ended they are free, and somebody may have them."""
        self._session = connection
        self._leased.clear()
        await self.close()
        self._running = set()

    async def _start(self, lease: NoticeLease, connection: psycopg.AsyncConnection, finished: list[SentNotice]) -> None:
        if time.monotonic() - self._keys_read_at > _KEYS_MAX_AGE:
            self._keys, self._keys_read_at = await select_signing_keys(connection), time.monotonic()
        text = await self._loader.load_text(lease, self._keys, connection)
        if text is None:
            refused = Delivery(outcome=DeliveryOutcome.REFUSED, detail="")
            finished.append(settle(lease, None, refused, "nothing to say", datetime.now(UTC)))
            return
        self._next_send_at = max(self._next_send_at, time.monotonic() - 1.0) + 1 / self._limits.per_second
        self._running.add(asyncio.create_task(self._sender.send(lease, text, self._keys)))

    def _may_send(self) -> bool:
        """Whether the rate permits the next notice: a second's worth may go at once."""
        return self._next_send_at <= time.monotonic()

    async def _report_queue(self, connection: psycopg.AsyncConnection) -> None:
        if time.monotonic() - self._state_read_at < _STATE_INTERVAL:
            return
        self._state_read_at = time.monotonic()
        state = await fetch_queue_state(connection)
        telemetry.NOTICE_QUEUE_SIZE.set(state.waiting)
        telemetry.NOTICE_QUEUE_DELAY.set(state.delay)
