"""Contacts and their subscriptions, for the pages: ask, confirm, change, export, erase. psycopg.Error passes through.

Every change needs the id of the contact, which only a signed link has. A form gets the same answer whether its address
is new, known or throttled.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from uuid import UUID

import psycopg
from msgspec import Struct

from alerting.record.page_database import PageDatabase
from alerting.rows import fetch_all, fetch_one, fetch_value
from alerting.sql import load_queries
from alerting.subscriptions.decision import NoticeReason
from alerting.subscriptions.links import LinkPayload, LinkPurpose, sign_link, verify_link
from alerting.subscriptions.providers import MAIL
from alerting.subscriptions.subscription import NoticeSubscription, PlaceKind, SubscriptionRow
from alerting.vocabulary import Language

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
MAX_SUBSCRIPTIONS = 10  # of one contact
_CONFIRMATION_PAUSE = 600.0  # seconds between two mails to confirm to one address


class Contact(Struct, frozen=True, kw_only=True):
    """A contact as its own page shows it."""

    id: UUID
    kind: str
    address: str
    language: Language
    created_at: datetime
    confirmed_at: datetime | None
    paused_at: datetime | None


class StoredSubscription(SubscriptionRow, frozen=True, kw_only=True):
    """A subscription with its id; `place` holds the name of the place. `confirmed_at` None: it waits."""

    id: UUID
    confirmed_at: datetime | None


class DeliveredNotice(Struct, frozen=True, kw_only=True):
    """A notice that was sent to a contact."""

    at: datetime
    channel: str
    reason: str
    plume: str
    outcome: str
    text: str | None


class BrowserKeys(Struct, frozen=True, kw_only=True):
    """A browser's public key (65 bytes) and secret (16 bytes)."""

    key: bytes
    secret: bytes


class ContactStore:
    """The pages' queries to the database at `dsn`."""

    def __init__(self, dsn: str, *, confirmation_pause: float = _CONFIRMATION_PAUSE) -> None:
        self._database, self._confirmation_pause = PageDatabase(dsn, "piekwacht subscriptions page"), confirmation_pause

    async def ask_confirmation(self, address: str, language: Language, subscription: NoticeSubscription) -> None:
        """Store the subscription and queue the mail that asks to confirm it; do nothing if the address had enough."""
        async with self._database.connect() as connection:
            contact = await fetch_value(
                connection, UUID, _QUERIES["upsert_email_contact"], {"address": address, "language": language}
            )
            limits = {"contact": contact, "pause": self._confirmation_pause, "most": MAX_SUBSCRIPTIONS}
            if contact is None or await fetch_value(connection, UUID, _QUERIES["take_confirmation"], limits) is None:
                return
            subscription_id = await _insert_subscription(connection, contact, subscription, is_confirmed=False)
            if subscription_id is not None:
                await _insert_notice(connection, contact, MAIL, NoticeReason.CONFIRM, subscription_id)

    async def subscribe_browser(
        self, endpoint: str, keys: BrowserKeys, provider: str, language: Language, subscription: NoticeSubscription
    ) -> UUID | None:
        """Store the browser and its subscription, and queue its first notice; None if it has too many subscriptions.

        The browser asked its user. Only the browser knows its endpoint, so that knowing it proves who asks.
        """
        async with self._database.connect() as connection:
            values = {"address": endpoint, "key": keys.key, "secret": keys.secret, "language": language}
            contact = await fetch_value(connection, UUID, _QUERIES["upsert_push_contact"], values)
            if contact is None:
                return None
            subscription_id = await _insert_subscription(connection, contact, subscription, is_confirmed=True)
            if subscription_id is None:
                return None
            await _insert_notice(connection, contact, provider, NoticeReason.WELCOME, None)
            return contact

    async def renew_browser(self, former: str, endpoint: str, keys: BrowserKeys, provider: str) -> None:
        """Let a browser keep its subscriptions after its endpoint changed; do nothing if the former one is unknown.

        Only the browser knows its former endpoint, so that knowing it proves who asks.
        """
        values = {
            "former": former,
            "address": endpoint,
            "key": keys.key,
            "secret": keys.secret,
            "provider": provider,
        }
        async with self._database.connect() as connection:
            await connection.execute(_QUERIES["renew_browser"], values)

    async def verify(self, purpose: LinkPurpose, token: str) -> LinkPayload | None:
        """Return what a link names; None if it is forged, expired, or of another purpose."""
        now = datetime.now(UTC)
        payload = verify_link(purpose, token, await self._database.fetch_keys(now), now)
        return None if payload is None or not _is_uuid(payload.contact) else payload

    async def sign(self, purpose: LinkPurpose, contact: UUID) -> str:
        """Return the token of a link of this contact."""
        return sign_link(purpose, LinkPayload(contact=str(contact)), await self._database.fetch_keys(datetime.now(UTC)))

    async def find_pending(self, payload: LinkPayload) -> StoredSubscription | None:
        """Return the subscription that a link to confirm names; None if it is not there any more."""
        if not _is_uuid(payload.subscription):
            return None
        async with self._database.connect() as connection:
            return await fetch_one(connection, StoredSubscription, _QUERIES["select_pending"], _key_of(payload))

    async def confirm(self, payload: LinkPayload) -> UUID | None:
        """Confirm the subscription and return its contact; None if it is not there any more."""
        if not _is_uuid(payload.subscription):
            return None
        async with self._database.connect() as connection:
            return await fetch_value(connection, UUID, _QUERIES["confirm"], _key_of(payload))

    async def fetch_contact(self, contact: str) -> tuple[Contact, list[StoredSubscription]] | None:
        """Return a contact and its subscriptions; None if it was erased."""
        key = {"contact": contact}
        async with self._database.connect() as connection:
            stored = await fetch_one(connection, Contact, _QUERIES["select_contact"], key)
            if stored is None:
                return None
            return stored, await fetch_all(connection, StoredSubscription, _QUERIES["select_subscriptions"], key)

    async def fetch_deliveries(self, contact: str) -> list[DeliveredNotice]:
        """Return the notices of the last 90 days, the newest first."""
        async with self._database.connect() as connection:
            return await fetch_all(connection, DeliveredNotice, _QUERIES["select_deliveries"], {"contact": contact})

    async def set_paused(self, contact: str, *, paused: bool) -> None:
        """Pause all notices but corrections, or go on."""
        async with self._database.connect() as connection:
            await connection.execute(_QUERIES["set_paused"], {"contact": contact, "paused": paused})

    async def update_subscription(self, contact: str, subscription_id: str, subscription: NoticeSubscription) -> None:
        """Change level, cadence and quiet hours; the place and property stay."""
        if _is_uuid(subscription_id):
            values = {**_subscription_values(subscription), "contact": contact, "subscription": subscription_id}
            async with self._database.connect() as connection:
                await connection.execute(_QUERIES["update_subscription"], values)

    async def delete_subscription(self, contact: str, subscription_id: str) -> None:
        """Delete one subscription."""
        if _is_uuid(subscription_id):
            async with self._database.connect() as connection:
                values = {"contact": contact, "subscription": subscription_id}
                await connection.execute(_QUERIES["delete_subscription"], values)

    async def erase(self, contact: str) -> None:
        """Delete the contact with all that is stored of it; the record of deliveries holds a pseudonym."""
        async with self._database.connect() as connection:
            await connection.execute(_QUERIES["erase_contact"], {"contact": contact})


async def _insert_subscription(
    connection: psycopg.AsyncConnection, contact: UUID, subscription: NoticeSubscription, *, is_confirmed: bool
) -> UUID | None:
    values = {
        **_subscription_values(subscription),
        "contact": contact,
        "confirmed": is_confirmed,
        "most": MAX_SUBSCRIPTIONS,
    }
    return await fetch_value(connection, UUID, _QUERIES["insert_subscription"], values)


async def _insert_notice(
    connection: psycopg.AsyncConnection, contact: UUID, provider: str, reason: NoticeReason, subscription: UUID | None
) -> None:
    values = {
        "push_id": secrets.token_hex(16),
        "contact": contact,
        "provider": provider,
        "reason": reason.value,
        "subscription": subscription,
    }
    await connection.execute(_QUERIES["insert_notice"], values)
    await connection.execute(_QUERIES["notify_senders"])


def _subscription_values(subscription: NoticeSubscription) -> dict[str, object]:
    place, quiet = subscription.place, subscription.quiet
    is_circle = place.kind is PlaceKind.CIRCLE
    quiet_hours: tuple[time | None, time | None] = (None, None) if quiet is None else (quiet.begin, quiet.end)
    return {
        "place_kind": place.kind.value,
        "place": place.id,
        "latitude": place.latitude if is_circle else None,
        "longitude": place.longitude if is_circle else None,
        "radius": place.radius if is_circle else None,
        "property": subscription.observed_property,
        "level": subscription.level.value,
        "cadence": subscription.cadence.value,
        "quiet_from": quiet_hours[0],
        "quiet_until": quiet_hours[1],
        "wakes": subscription.wakes,
    }


def _key_of(payload: LinkPayload) -> Mapping[str, object]:
    return {"contact": payload.contact, "subscription": payload.subscription}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
