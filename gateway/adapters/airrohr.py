"""airRohr ("send data to own API"): every 145 s one post with all instruments of a device. Numbers are texts."""

from edge_agent.sensors.posts import UnreadablePostError, decode
from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError, require_values

TITLE = "airRohr"


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """`{"esp8266id": .., "sensordatavalues": [..]}`; the header X-Sensor, if present, must name the same device."""
    try:
        post = decode(message.body)
    except UnreadablePostError as error:
        raise RefusedError(f"no message of {TITLE}: {error}") from None
    header = message.headers.get("x-sensor", "")
    if header and header.rpartition("-")[2] != post.sender:
        raise RefusedError(
            f"the header X-Sensor names {header}, and the message {post.sender}; both must name one device"
        )
    values = require_values(post.values, TITLE, "sensordatavalues has no quantity that is stored")
    return [ForeignReading(sender=post.sender, values=values)]
