"""Messages of the broker, sorted into one micro-batch: readings, and what nodes report about themselves. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from edge_agent.wire import MalformedError, Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.ingest.speculation import Speculation
from gateway.mqtt.packets import Message
from gateway.store.nodes import NodeMessage

SUBSCRIBED_KINDS = (TopicKind.READINGS, TopicKind.STATUS, TopicKind.HEALTH)
_NODE_MESSAGE_SUFFIXES = tuple(f"/{kind}" for kind in (TopicKind.STATUS, TopicKind.HEALTH))


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """Messages that go into one transaction; none of them is acknowledged yet. `speculation` None: nothing is."""

    messages: Sequence[Message]
    payloads: Sequence[Payload]
    node_messages: Sequence[NodeMessage]
    speculation: Speculation | None = None


def split_messages(messages: Sequence[Message], received_at: datetime) -> tuple[list[Payload], list[NodeMessage]]:
    """Separate readings from status and health messages."""
    payloads, node_messages = [], []
    for message in messages:
        topic = _parse_node_message_topic(message)
        if topic is not None:
            node_messages.append(
                NodeMessage(topic=topic, body=message.payload, received_at=received_at, retained=message.retained)
            )
        else:
            payloads.append(Payload(topic=message.topic, body=message.payload, received_at=received_at))
    return payloads, node_messages


def _parse_node_message_topic(message: Message) -> Topic | None:
    """Return the topic of a status or health message; None for readings and for malformed topics."""
    if not message.topic.endswith(_NODE_MESSAGE_SUFFIXES):
        return None
    try:
        return Topic.parse(message.topic)
    except MalformedError:
        return None
