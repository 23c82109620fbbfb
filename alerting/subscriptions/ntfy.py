"""Topics of areas on an ntfy server: a topic is a contact with one subscription, and has the same rules and records.

Anybody can follow a topic with the app, without an address at our side. `synchronize_topics` makes the contacts equal
to the settings, which the worker that decides does once; psycopg.Error passes through.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from msgspec import json

from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.connection_pool import ConnectionPool
from alerting.sql import load_queries
from alerting.subscriptions.decision import NoticeReason
from alerting.subscriptions.notice_lease import NoticeLease, SentNotice
from alerting.subscriptions.notice_sender import settle
from alerting.subscriptions.notice_text import NoticeText
from alerting.subscriptions.settings import NtfySettings

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
# https://docs.ntfy.sh/publish/#message-priority: 4 makes a longer sound, 3 is the default, 2 makes none.
_PRIORITIES: Mapping[NoticeReason, int] = {
    NoticeReason.FIRST: 4,
    NoticeReason.WORSE: 4,
    NoticeReason.REOPENED: 4,
    NoticeReason.CORRECTED: 3,
    NoticeReason.LATE: 3,
    NoticeReason.ENDED: 2,
}


async def synchronize_topics(connection: psycopg.AsyncConnection, settings: NtfySettings | None) -> None:
    """Store a contact for each topic of the settings, and erase those of topics that are not there any more."""
    topics = {} if settings is None else {settings.address_of(area): area for area in settings.topics}
    values = {
        "addresses": list(topics),
        "areas": list(topics.values()),
        "level": None if settings is None else settings.level.value,
        "language": None if settings is None else settings.language,
    }
    async with connection.transaction():
        for query in ("delete_former_topics", "upsert_topics", "delete_former_subscriptions", "upsert_subscriptions"):
            await connection.execute(_QUERIES[query], values)


class NtfySender:
    """Publishes notices on topics of one server."""

    def __init__(self, settings: NtfySettings, pool: ConnectionPool) -> None:
        self._settings, self._pool = settings, pool

    async def send(self, lease: NoticeLease, text: NoticeText, keys: Mapping[int, bytes]) -> SentNotice:
        """Publish once. `keys` are of links of a contact, which a topic has none of."""
        del keys
        began_at = datetime.now(UTC)
        try:
            content = build_message(lease, text)
            reply = await self._pool.post(f"{self._settings.server}/", content=content, headers=self._build_headers())
        except TimeoutError:
            delivery = Delivery(outcome=DeliveryOutcome.UNKNOWN, detail="")
            return settle(lease, text, delivery, "HTTP without answer", began_at)
        except OSError:  # no connection, or the file with the token
            delivery = Delivery(outcome=DeliveryOutcome.FAILED, detail="")
            return settle(lease, text, delivery, "HTTP not connected", began_at)
        delivery = Delivery(outcome=decide_outcome(reply.status), detail="", retry_after=reply.retry_after)
        return settle(lease, text, delivery, f"HTTP {reply.status}", began_at)

    def _build_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self._settings.token_file is not None:
            headers["authorization"] = f"Bearer {self._settings.token_file.read_text().strip()}"
        return headers


def build_message(lease: NoticeLease, text: NoticeText) -> bytes:
    """Return the message as ntfy takes it at the root of its server (https://docs.ntfy.sh/publish/#publish-as-json)."""
    return json.encode(
        {
            "topic": urlsplit(lease.address).path.lstrip("/"),
            "title": text.title,
            "message": text.summary,
            "click": text.url,
            "priority": _PRIORITIES.get(lease.reason, 3),
        }
    )


def decide_outcome(status: int) -> DeliveryOutcome:
    """Return the outcome for a status. Every other answer is tried again: the operator can mend a token or a limit."""
    return DeliveryOutcome.DELIVERED if 200 <= status < 300 else DeliveryOutcome.FAILED
