"""What nodes say of themselves: the newest status and health of each, and when it was last heard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge_agent.wire import Kind, Topic
from gateway.decoding.decode import Heading
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction

_LONGEST = 16_384


@dataclass(frozen=True, kw_only=True)
class Word:
    """One status or health message. A retained one was said earlier and is no sign of life."""

    topic: Topic
    body: bytes
    said_at: datetime
    retained: bool


@dataclass(kw_only=True)
class _Entry:
    seen: datetime
    online: bool | None = None
    status: str | None = None
    health: str | None = None


async def touch(tx: Transaction, words: Sequence[Word], batches: Iterable[Heading], registry: Registry) -> None:
    """Note the words, and that the senders of these batches were heard. Unknown nodes and bad JSON are passed over."""
    entries = digest(words, batches, registry)
    if entries:
        await tx.execute(
            QUERIES["touch_nodes"],
            {
                "nodes": list(entries),
                "seen": [e.seen for e in entries.values()],
                "online": [e.online for e in entries.values()],
                "status": [e.status for e in entries.values()],
                "health": [e.health for e in entries.values()],
            },
        )


def digest(words: Sequence[Word], batches: Iterable[Heading], registry: Registry) -> dict[str, _Entry]:
    """One entry a node, the later word winning. Pure."""
    entries: dict[str, _Entry] = {}
    for heading in batches:
        seen = heading.payload.received_at
        entries.setdefault(heading.node, _Entry(seen=seen)).seen = seen
    for word in words:
        node = registry.nodes.get(word.topic.node)
        said = _object(word.body)
        if node is None or node.area != word.topic.area or said is None:
            continue
        entry = entries.setdefault(node.id, _Entry(seen=word.said_at))
        text = msgspec.json.encode(said).decode().replace("\\u0000", "")
        if word.topic.kind is Kind.STATUS:
            online = said.get("online")
            entry.online = online if isinstance(online, bool) else entry.online
            entry.status = text
        else:
            entry.health = text
    return entries


def _object(body: bytes) -> dict[str, object] | None:
    if len(body) > _LONGEST:
        return None
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
