"""AirGradient, its local server's names: raw values, never the compensated ones. Times are those of receipt.

A station with two counters of the same air (`channels`) sends their mean at the top; where it does not, the first
counter is read.
"""

from edge_agent.recordings.units import same
from gateway.adapters.foreign import (
    Columns,
    ForeignMessage,
    ForeignReading,
    read_columns,
    read_object,
    read_sender,
    require_values,
)

TITLE = "AirGradient"
_COLUMNS: Columns = {
    "pm01": ("pm1", same),
    "pm02": ("pm2_5", same),
    "pm10": ("pm10", same),
    "rco2": ("co2", same),
    "atmp": ("temperature", same),
    "rhum": ("humidity", same),
    "tvocRaw": ("voc_raw", same),
    "noxRaw": ("nox_raw", same),
}


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """The object that a station publishes or posts; the topic or the path names the station if the object does not."""
    content = read_object(message, TITLE)
    channels = content.get("channels")
    first = channels.get("1") if isinstance(channels, dict) else None
    merged = {**first, **content} if isinstance(first, dict) else content
    named = {"topic": message.topic.rpartition("/")[2], **merged}
    values = require_values(
        list(read_columns(merged, _COLUMNS, "airgradient")), TITLE, f"it has none of {', '.join(_COLUMNS)}"
    )
    return [ForeignReading(sender=read_sender(named, "serialno", "topic", format_title=TITLE), values=values)]
