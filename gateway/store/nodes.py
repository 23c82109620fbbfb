"""Node status: the newest status and health message of each node, and when it last sent anything. Called by ingest."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from edge_agent.wire import Topic, TopicKind
from gateway.decoding.decode import BatchHeader
from gateway.model.registry import Registry
from gateway.model.timestamps import to_ms
from gateway.store.connection import QUERIES, Transaction

_MAX_BODY = 16_384  # bytes of a message; longer ones are ignored
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # in JSON: after an even number of backslashes


@dataclass(frozen=True, kw_only=True)
class NodeMessage:
    """One status or health message. A retained message is older and does not show that the node is alive."""

    topic: Topic
    body: bytes
    received_at: datetime
    retained: bool


@dataclass(kw_only=True)
class _NodeStatus:
    """`dated`: whether the stamps of the newest live batch are believed; None: no live batch, `clock_error_ms` too."""

    node_id: str
    last_seen: datetime
    online: bool | None = None
    status: str | None = None
    health: str | None = None
    dated: bool | None = None
    clock_error_ms: int | None = None


async def update_node_status(
    tx: Transaction, messages: Sequence[NodeMessage], headers: Iterable[BatchHeader], registry: Registry
) -> None:
    """Store the messages, and the time of the last batch of each node. Unknown nodes and bad JSON are ignored."""
    entries = merge_messages(messages, headers, registry)
    if entries:
        await tx.execute(
            QUERIES["upsert_node_status"],
            {"entries": msgspec.json.encode(list(entries.values()))},  # psycopg encodes arrays element by element
        )


class Copy(Protocol):
    """Two cards of a node that sent at once."""

    @property
    def node(self) -> str: ...  # noqa: D102 - the fields of ingest.copies.CopySighting
    @property
    def incarnations(self) -> tuple[str, ...]: ...  # noqa: D102 - as above
    @property
    def conflicts(self) -> int: ...  # noqa: D102 - as above


async def record_copies(tx: Transaction, copies: Sequence[Copy]) -> None:
    """Store for the operator that two cards of these nodes sent at once."""
    for copy in copies:
        values = {"node": copy.node, "incarnations": list(copy.incarnations), "conflicts": copy.conflicts}
        await tx.execute(QUERIES["upsert_node_copy"], values)


def merge_messages(
    messages: Sequence[NodeMessage], headers: Iterable[BatchHeader], registry: Registry
) -> dict[str, _NodeStatus]:
    """Merge into one entry per node; the later message wins. Pure."""
    entries: dict[str, _NodeStatus] = {}
    for header in headers:
        received_at = header.payload.received_at
        entry = entries.setdefault(header.node, _NodeStatus(node_id=header.node, last_seen=received_at))
        entry.last_seen = received_at
        if not header.late:
            entry.dated = header.clock_doubt is None
            entry.clock_error_ms = header.latest_ms - to_ms(received_at)
    for message in messages:
        node = registry.nodes.get(message.topic.node)
        content = _decode_object(message.body)
        if node is None or node.area != message.topic.area or content is None:
            continue
        entry = entries.setdefault(node.id, _NodeStatus(node_id=node.id, last_seen=message.received_at))
        text = _NUL.sub(r"\1", msgspec.json.encode(content).decode())  # jsonb cannot hold NUL
        if message.topic.kind is TopicKind.STATUS:
            online = content.get("online")
            entry.online = online if isinstance(online, bool) else entry.online
            entry.status = text
        else:
            entry.health = text
    return entries


def _decode_object(body: bytes) -> dict[str, object] | None:
    if len(body) > _MAX_BODY:
        return None
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
