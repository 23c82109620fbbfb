"""Values of saved files: answers of the APIs, and the tables of KNMI and Luchtmeetnet that `backtest` reads as well.

An hourly table has the end of each hour as its time.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording
from edge_agent.recordings.recording import Recording
from gateway.context.knmi import parse_coverage
from gateway.context.luchtmeetnet import parse_page
from gateway.context.values import ContextError, ContextSource, ContextValue
from gateway.model.properties import PROPERTIES
from gateway.model.timestamps import from_ms
from gateway.model.validity import valid_value

_HOUR = timedelta(hours=1)
_GAS_UNIT = "ug/m3"  # of substances that no station here measures


def read_file(path: Path, source: ContextSource, station: str | None) -> list[ContextValue]:
    """Return the values of a file. `station`: of a file that names none. Raises ContextError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContextError(f"{path}: cannot be read ({error.strerror})") from None
    if content.lstrip()[:1] == b"{":
        if source is ContextSource.LUCHTMEETNET:
            return parse_page(content, station or "").values
        if station is None:
            raise ContextError(f"{path}: an answer of KNMI names no station; give --station")
        return parse_coverage(content, station)
    try:
        recording = read_recording(path, RecordingOptions(format=source.value, station=station))
    except ConfigurationError as error:
        raise ContextError(str(error)) from None
    return values_of(recording)


def values_of(recording: Recording) -> list[ContextValue]:
    """Return the values of a recorded table that count."""
    values = []
    for row in recording.values:
        value = valid_value(row.value, row.flags)
        if value is None:
            continue
        end: datetime = from_ms(row.at).astimezone(UTC)
        own_property = PROPERTIES.get(row.observed_property)
        values.append(
            ContextValue(
                station=row.station,
                observed_property=row.observed_property,
                start=end - _HOUR,
                seconds=3_600,
                value=value,
                unit=_GAS_UNIT if own_property is None else own_property.unit,
            )
        )
    return values
