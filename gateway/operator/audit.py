"""Acts of operators in the audit log, written in the transaction of the act itself.

So no act is without a record, and no record is of an act that failed. Refused attempts are recorded by the API.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from gateway.operator.actor import Actor
from gateway.operator.database import QUERIES

_MAX_OBJECT = 256
_DONE = "done"


Fields = Mapping[str, object] | None


class Act(Struct, frozen=True, kw_only=True):
    """An act and its object. `before` and `after`: the fields that changed; None: there was nothing, or no change."""

    action: str
    object: str
    area: str | None
    before: Fields = None
    after: Fields = None


class AuditedAct(Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: datetime
    who: str
    action: str
    object: str
    area: str | None
    address: str
    outcome: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def record_act(connection: psycopg.Connection, actor: Actor, act: Act) -> None:
    """Record an act that is being done."""
    values = {
        "who": actor.name,
        "action": act.action,
        "object": act.object[:_MAX_OBJECT],
        "area": act.area,
        "address": actor.address,
        "outcome": _DONE,
        "before": _encode(act.before),
        "after": _encode(act.after),
    }
    connection.execute(QUERIES["insert_act"], values)


def list_acts(connection: psycopg.Connection, actor: Actor, limit: int, node: str | None = None) -> list[AuditedAct]:
    """Return the newest entries about things in the actor's areas; all entries if these are all areas."""
    values = {"areas": actor.area_filter, "limit": limit, "node": node}
    return connection.cursor(row_factory=class_row(AuditedAct)).execute(QUERIES["list_acts"], values).fetchall()


def _encode(fields: Fields) -> str | None:
    return None if fields is None else msgspec.json.encode(fields).decode()
