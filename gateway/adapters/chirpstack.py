"""ChirpStack v4 (LoRaWAN), event `up` by HTTP or MQTT. A mapping file names the fields of the device's payload.

The time is that of the network server. `rxInfo` has the place of the receiving gateway, which is not the device's.
"""

from gateway.adapters.foreign import (
    ForeignMessage,
    ForeignReading,
    RefusedError,
    parse_instant,
    read_member,
    read_object,
    read_sender,
    require_values,
)
from gateway.adapters.mapping import FieldMapping

TITLE = "ChirpStack"


def parse(message: ForeignMessage, mapping: FieldMapping) -> list[ForeignReading]:
    """An event `up`; the other events (join, status, ack) hold no reading."""
    content = read_object(message, TITLE)
    device = read_member(content, "deviceInfo", TITLE)
    if "fCnt" not in content and "data" not in content and "object" not in content:
        return []
    payload = content.get("object")
    if not isinstance(payload, dict):
        raise RefusedError(f"an uplink of {TITLE} without object: set a codec in the device's profile there")
    return [
        ForeignReading(
            sender=read_sender(device, "devEui", format_title=TITLE),
            values=require_values(mapping.read(payload), TITLE, mapping.describe_miss()),
            at=parse_instant(content.get("time")),
            message_id=str(content.get("deduplicationId", "")),
        )
    ]
