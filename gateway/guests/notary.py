"""The notary: turns waiting messages of guests into signed batches, which take the same path as those of any node.

Ingest calls it between its transactions, on the same connection. A turn has three steps, and a process that dies after
any of them loses and doubles nothing:

1. The batches are signed and stored beside their messages, in one transaction.
2. `process` stores them as it stores the batches of nodes; the ledger drops those that it knows.
3. The messages are deleted.

A message that cannot be read goes into quarantine with its reason, within the same limits as payloads of nodes.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from edge_agent.wire import TOPIC_PREFIX, Signer, Topic, TopicKind
from gateway.decoding.decode import Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.guests.batch import PRIVATE_FORMATS, build_batch, sign_batch
from gateway.guests.guest import Guest, GuestMessage
from gateway.guests.inbox import QUERIES
from gateway.guests.reception import Reception, judge_message
from gateway.store import quarantine
from gateway.store.connection import Store, Transaction, fetch_all

T = TypeVar("T")
MESSAGES_PER_TURN = 1_000
_KEYS_INTERVAL = 60.0  # s between two deletions of expired keys


class WaitingMessage(Struct, frozen=True, kw_only=True):
    """A message of the inbox with what the notary needs of its guest. `signed`: its batch, if it is signed already."""

    id: int
    node: str
    received_at: datetime
    topic: str
    headers: Mapping[str, str]
    body: bytes
    signed: bytes | None
    area: str
    format: str
    mapping: str | None
    sender: str
    incarnation: str
    last_seq: int

    @property
    def message(self) -> GuestMessage:
        """The message as it was received."""
        return GuestMessage(
            node=self.node, received_at=self.received_at, topic=self.topic, headers=self.headers, body=bytes(self.body)
        )

    def build_payload(self, signed: bytes) -> Payload:
        """Return the signed batch as the payload that a node would have sent."""
        topic = Topic(area=self.area, node=self.node, kind=TopicKind.READINGS)
        return Payload(topic=str(topic), body=signed, received_at=self.received_at)

    def build_rejection(self, detail: str) -> RejectedPayload:
        """Return the message for quarantine; its topic names area and node, as those of nodes do."""
        topic = f"{TOPIC_PREFIX}{self.area}/{self.node}/foreign"
        payload = Payload(topic=topic, body=bytes(self.body), received_at=self.received_at)
        return RejectedPayload(payload=payload, reason=RejectionReason.MALFORMED, detail=detail)


class SignedMessage(Struct, frozen=True, kw_only=True):
    """A message with the number and the bytes of its batch."""

    waiting: WaitingMessage
    number: int
    signed: bytes


class SigningPlan(Struct, frozen=True, kw_only=True):
    """The work of one turn on messages that are not signed yet; `ids_without_reading` are deleted."""

    signed: Sequence[SignedMessage]
    rejected: Sequence[tuple[int, RejectedPayload]]
    ids_without_reading: Sequence[int]


def plan_signing(messages: Sequence[WaitingMessage], notary: Signer) -> SigningPlan:
    """Read the messages in their order, number the batches of each guest, and sign them. Pure."""
    signed: list[SignedMessage] = []
    rejected: list[tuple[int, RejectedPayload]] = []
    ids_without_reading: list[int] = []
    last_numbers: dict[str, int] = {}
    guests: dict[str, Guest] = {}
    for waiting in messages:
        guest = guests.setdefault(waiting.node, _build_guest(waiting))
        reception = judge_message(guest, waiting.message.as_foreign())
        if reception.is_refused:
            rejected.append((waiting.id, waiting.build_rejection(reception.detail)))
        elif not reception.readings:
            ids_without_reading.append(waiting.id)
        else:
            number = last_numbers.get(waiting.node, waiting.last_seq) + 1
            last_numbers[waiting.node] = number
            signed.append(_sign(waiting, guest, reception, number, notary))
    return SigningPlan(signed=signed, rejected=rejected, ids_without_reading=ids_without_reading)


def _sign(waiting: WaitingMessage, guest: Guest, reception: Reception, number: int, notary: Signer) -> SignedMessage:
    batch = build_batch(guest, waiting.message, reception.readings, number)
    return SignedMessage(waiting=waiting, number=number, signed=sign_batch(batch, notary))


def _build_guest(waiting: WaitingMessage) -> Guest:
    return Guest(
        node=waiting.node,
        area=waiting.area,
        format=waiting.format,
        mapping=waiting.mapping,
        sender=waiting.sender,
        token_sha256=b"",
        topic=None,
        poll_url=None,
        incarnation=waiting.incarnation,
    )


class GuestNotary:
    """Signs and processes the messages of the areas of one store. Not for concurrent calls."""

    def __init__(
        self,
        store: Store,
        notary: Signer,
        select_for_quarantine: Callable[[Sequence[RejectedPayload], float], list[RejectedPayload]],
    ) -> None:
        """`select_for_quarantine` limits what strangers can store there, as for payloads of nodes."""
        self._store, self._notary, self._select = store, notary, select_for_quarantine
        self._keys_due = 0.0  # monotonic clock
        self._is_recorded = False

    async def run_turn(self, process: Callable[[Sequence[Payload]], Awaitable[T]]) -> T | None:
        """Store the readings of at most MESSAGES_PER_TURN messages; return what `process` returns, None without any.

        Raises psycopg.Error; the next call continues.
        """
        messages = await self._load_messages()
        unsigned = [message for message in messages if message.signed is None]
        payloads = [message.build_payload(bytes(message.signed)) for message in messages if message.signed is not None]
        if unsigned:
            plan = plan_signing(unsigned, self._notary)
            await self._store_plan(plan)
            payloads += [item.waiting.build_payload(item.signed) for item in plan.signed]
        result = await process(payloads) if payloads else None
        await self._delete([message.id for message in messages])
        return result

    async def _load_messages(self) -> list[WaitingMessage]:
        values = {"areas": list(self._store.areas), "limit": MESSAGES_PER_TURN}
        async with self._store.transaction() as tx:
            if not self._is_recorded:
                await tx.execute(QUERIES["record_notary"], {"key": str(self._notary.verifier)})
                self._is_recorded = True
            if time.monotonic() >= self._keys_due:
                self._keys_due = time.monotonic() + _KEYS_INTERVAL
                await tx.execute(QUERIES["delete_expired_keys"])
            return await fetch_all(tx, WaitingMessage, QUERIES["select_waiting_messages"], values)

    async def _store_plan(self, plan: SigningPlan) -> None:
        """Store the signed batches, their numbers, bodies with personal data, and what goes into quarantine."""
        async with self._store.transaction() as tx:
            await tx.execute(
                QUERIES["record_signed"],
                {"ids": [item.waiting.id for item in plan.signed], "signed": [item.signed for item in plan.signed]},
            )
            numbers = {item.waiting.node: item.number for item in plan.signed}
            values: dict[str, Any] = {"nodes": list(numbers), "numbers": list(numbers.values())}
            await tx.execute(QUERIES["record_numbers"], values)
            await _insert_originals(tx, [item for item in plan.signed if item.waiting.format in PRIVATE_FORMATS])
            selected = self._select([rejection for _, rejection in plan.rejected], time.monotonic())
            await quarantine.insert_payloads(tx, selected)
            done = [id_ for id_, _ in plan.rejected] + list(plan.ids_without_reading)
            await tx.execute(QUERIES["delete_messages"], {"ids": done})

    async def _delete(self, ids: Sequence[int]) -> None:
        if ids:
            async with self._store.transaction() as tx:
                await tx.execute(QUERIES["delete_messages"], {"ids": list(ids)})


async def _insert_originals(tx: Transaction, items: Sequence[SignedMessage]) -> None:
    if items:
        values = {
            "nodes": [item.waiting.node for item in items],
            "incarnations": [item.waiting.incarnation for item in items],
            "numbers": [item.number for item in items],
            "received": [item.waiting.received_at for item in items],
            "bodies": [bytes(item.waiting.body) for item in items],
        }
        await tx.execute(QUERIES["insert_originals"], values)
