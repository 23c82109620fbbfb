"""The quarantine for operators: payloads of their areas, each can be shown, retried and deleted.

The area of a payload is the one in its topic. A payload of an area that is not registered is for operators of every
area only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.database import QUERIES
from gateway.operator.errors import OperatorError, RefusalKind

_SHOWN_BYTES = 4096
_MAX_RECORDED_IDS = 100  # in one entry of the audit log, which has their number too


class QuarantineEntry(Struct, frozen=True, kw_only=True):
    """A payload without its bytes. `outcome`: of the newest retry."""

    id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str
    size: int
    replay_asked_at: datetime | None
    outcome: str | None


class QuarantinedPayload(Struct, frozen=True, kw_only=True):
    """A payload as it was received, with its retry."""

    id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str
    payload: bytes
    replay_asked_at: datetime | None
    replay_asked_by: str | None
    replayed_at: datetime | None
    outcome: str | None

    @property
    def shown_text(self) -> str:
        """The first bytes as text; bytes that are no UTF-8 as escapes."""
        return self.payload[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")

    @property
    def hidden_bytes(self) -> int:
        """Number of bytes that `shown_text` leaves out."""
        return max(0, len(self.payload) - _SHOWN_BYTES)


class _RetryRow(Struct, frozen=True, kw_only=True):
    id: int
    area: str | None


class ReasonCount(Struct, frozen=True, kw_only=True):
    """Number of payloads that were rejected for one reason, and when."""

    reason: str
    count: int
    first_at: datetime
    last_at: datetime


def list_payloads(
    connection: psycopg.Connection,
    actor: Actor,
    limit: int,
    *,
    reason: str | None = None,
    since: datetime | None = None,
) -> list[QuarantineEntry]:
    """Return the newest payloads of the actor's areas."""
    values = {"areas": actor.area_filter, "reason": reason, "since": since, "limit": limit}
    cursor = connection.cursor(row_factory=class_row(QuarantineEntry))
    return cursor.execute(QUERIES["list_quarantine"], values).fetchall()


def count_reasons(connection: psycopg.Connection, actor: Actor) -> list[ReasonCount]:
    """Return the number of payloads in the actor's areas by reason."""
    cursor = connection.cursor(row_factory=class_row(ReasonCount))
    return cursor.execute(QUERIES["count_quarantine_by_reason"], {"areas": actor.area_filter}).fetchall()


def get_payload(connection: psycopg.Connection, actor: Actor, id_: int) -> QuarantinedPayload:
    """Return one payload. Raises OperatorError if there is none, or it is of another area."""
    cursor = connection.cursor(row_factory=class_row(QuarantinedPayload))
    payload = cursor.execute(QUERIES["select_quarantine_entry"], {"id": id_}).fetchone()
    if payload is None:
        raise OperatorError(RefusalKind.MISSING, "no_payload", id=id_)
    actor.require_area(area_of_topic(payload.topic))
    return payload


def request_retry(connection: psycopg.Connection, actor: Actor, ids: Sequence[int]) -> int:
    """Let the running gateway decode these payloads again; return how many it will.

    Raises OperatorError if a payload is missing or of another area; then none is retried.
    """
    for id_ in ids:
        get_payload(connection, actor, id_)
    return _request(connection, actor, {"ids": list(ids), "reason": None})


def request_retry_of_reason(connection: psycopg.Connection, actor: Actor, reason: str) -> int:
    """The same for all payloads of the actor's areas that were rejected for this reason."""
    return _request(connection, actor, {"ids": [], "reason": reason})


def delete_payloads(connection: psycopg.Connection, actor: Actor, before: datetime, reason: str | None) -> int:
    """Delete payloads of the actor's areas; id, topic, reason and hash of each stay on record. Return how many."""
    values = {"before": before, "reason": reason, "by": actor.name, "areas": actor.area_filter}
    with connection.transaction():
        count = connection.execute(QUERIES["delete_quarantine"], values).rowcount
        after = {"before": before, "reason": reason, "count": count}
        record_act(connection, actor, Act(action="empty-quarantine", object="quarantine", area=None, after=after))
    return count


def area_of_topic(topic: str) -> str | None:
    """Return the area that a topic names, None if it names none."""
    parts = topic.split("/")
    return parts[2] if len(parts) > 2 and parts[2] else None


def _request(connection: psycopg.Connection, actor: Actor, chosen: dict[str, Any]) -> int:
    values = {**chosen, "by": actor.name, "areas": actor.area_filter}
    with connection.transaction():
        rows = connection.cursor(row_factory=class_row(_RetryRow)).execute(QUERIES["request_replay"], values).fetchall()
        for area in sorted({row.area or "" for row in rows}):
            ids = [row.id for row in rows if (row.area or "") == area]
            after = {"reason": chosen["reason"], "payloads": ids[:_MAX_RECORDED_IDS], "count": len(ids)}
            record_act(
                connection, actor, Act(action="retry-payloads", object="quarantine", area=area or None, after=after)
            )
    return len(rows)
