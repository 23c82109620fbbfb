"""Input and output of every adapter: a message as it arrived, and the readings in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from edge_agent.recordings.units import Conversion, same
from edge_agent.sensor_models import MODELS, UNNAMED, SensorModel
from edge_agent.sensors.posts import PostedValue, UnreadablePostError, parse_json, read_value


class RefusedError(ValueError):
    """A message that the format does not cover; one sentence for the person who configured the sender."""


class ForeignMessage(Struct, frozen=True, kw_only=True):
    """A message as it arrived: its bytes, the headers of HTTP in small letters, or the topic of MQTT."""

    body: bytes
    headers: Mapping[str, str] = {}
    topic: str = ""


class ForeignReading(Struct, frozen=True, kw_only=True):
    """Values of one device at one time.

    at          ms UTC, only from a clock that the format lets us trust; None: the time of receipt
    message_id  equal for every delivery of the same message; empty: the format has none
    """

    sender: str
    values: tuple[PostedValue, ...]
    at: int | None = None
    message_id: str = ""


Parse = Callable[[ForeignMessage], list[ForeignReading]]
Columns = Mapping[str, tuple[str, Conversion]]  # key of the message -> quantity and conversion to its unit


def read_object(message: ForeignMessage, format_title: str) -> dict[str, object]:
    """The object of JSON in a message. Raises RefusedError."""
    try:
        content = parse_json(message.body)
    except UnreadablePostError as error:
        raise RefusedError(f"no message of {format_title}: {error}") from None
    if not isinstance(content, dict):
        raise RefusedError(f"no message of {format_title}: it is no object of JSON")
    return content


def read_member(content: Mapping[str, object], key: str, format_title: str) -> dict[str, object]:
    """An object inside an object. Raises RefusedError that names the key."""
    member = content.get(key)
    if not isinstance(member, dict):
        raise RefusedError(f"no message of {format_title}: {key} is missing or no object")
    return member


def read_sender(content: Mapping[str, object], *keys: str, format_title: str) -> str:
    """The name of the device: the first of these keys that holds a text or a whole number. Raises RefusedError."""
    for key in keys:
        value = content.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    raise RefusedError(f"no message of {format_title}: {keys[0]} names no device")


def read_columns(content: Mapping[str, object], columns: Columns, model: str) -> Iterator[PostedValue]:
    """The values of a flat object whose keys are known, all of one model."""
    for key, (quantity, convert) in columns.items():
        if key in content:
            yield read_value(key, quantity, MODELS[model], content[key], convert=convert)


def read_named(name: str, quantity: str, value: object, *, model: SensorModel = UNNAMED) -> PostedValue:
    """A value that is in the unit of its quantity already."""
    return read_value(name, quantity, model, value, convert=same)


def parse_instant(text: object) -> int | None:
    """RFC 3339 -> ms UTC; None without an offset, and for what is no time."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
        return None if instant.tzinfo is None else int(instant.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def require_values(values: Sequence[PostedValue], format_title: str, hint: str) -> tuple[PostedValue, ...]:
    """The values, if there are any. Raises RefusedError: a message of which nothing can be stored is a mistake."""
    if not values:
        raise RefusedError(f"no message of {format_title}: {hint}")
    return tuple(values)
