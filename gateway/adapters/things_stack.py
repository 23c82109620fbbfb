"""The Things Stack v3 (LoRaWAN), uplinks by webhook or MQTT. A mapping file names the fields of the device's payload.

The time is that of the network server. A message that arrives by several gateways, or twice, has one session key and
one frame counter.
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

TITLE = "The Things Stack"


def parse(message: ForeignMessage, mapping: FieldMapping) -> list[ForeignReading]:
    """An uplink; other events of the webhook hold no reading."""
    content = read_object(message, TITLE)
    device = read_member(content, "end_device_ids", TITLE)
    if "uplink_message" not in content:
        return []
    uplink = read_member(content, "uplink_message", TITLE)
    payload = uplink.get("decoded_payload")
    if not isinstance(payload, dict):
        raise RefusedError(
            f"an uplink of {TITLE} without decoded_payload: set a payload formatter for the device there"
        )
    sender = read_sender(device, "dev_eui", "device_id", format_title=TITLE)
    return [
        ForeignReading(
            sender=sender,
            values=require_values(mapping.read(payload), TITLE, mapping.describe_miss()),
            at=parse_instant(uplink.get("received_at") or content.get("received_at")),
            message_id=f"{sender}/{uplink.get('session_key_id', '')}/{uplink.get('f_cnt', 0)}",
        )
    ]
