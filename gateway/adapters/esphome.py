"""ESPHome by MQTT (`<device>/sensor/<name>/state`): a number without unit and time. A mapping file explains it."""

import re

from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError
from gateway.adapters.mapping import FieldMapping

TITLE = "ESPHome"
_TOPIC = re.compile(r"(.+)/sensor/([^/]+)/state")


def parse(message: ForeignMessage, mapping: FieldMapping) -> list[ForeignReading]:
    """One value; a name that the mapping lacks holds no reading, because a device has sensors for itself too."""
    topic = _TOPIC.fullmatch(message.topic)
    if topic is None:
        raise RefusedError(f"a message of {TITLE} comes under <device>/sensor/<name>/state, not {message.topic!r}")
    text = message.body.decode("utf-8", "replace").strip()
    values = tuple(mapping.read({topic[2]: text}))
    return [ForeignReading(sender=topic[1], values=values)] if values else []
