"""Read the posts of foreign sensor boards, value by value. Pure.

Two formats: SenML (RFC 8428), which ESPHome can be configured to send, and airRohr's JSON ("send data to own API").
A post is a pack of independent values: a value that is none costs itself and has a reason; the others are read.

The name of a value is a quantity, or a quantity of a named instrument: `BME280_humidity` in airRohr's JSON,
`bme280/humidity` in SenML. Quantities that no property of ours measures are left out in silence.
"""

import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from edge_agent.sensor_models import UNNAMED, SensorModel, find_model

# Tokens of JSON outside its strings, and a colon without a value: what a board writes for "no number" is not JSON.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.]?[A-Za-z0-9_][\w.+-]*|:\s*(?=[,}\]])')
_JSON_TOKEN = re.compile(rb"true|false|null|-?(0|[1-9]\d{0,300})(\.\d+)?([eE][-+]?\d{1,2})?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_AIRROHR_NAME = re.compile(r"(?:([A-Za-z0-9]+)_)?(P[0124]|temperature|humidity|pressure|co2_ppm|noise_LAeq)")
_AIRROHR_QUANTITIES = {
    "P0": ("pm1", 1.0),
    "P1": ("pm10", 1.0),
    "P2": ("pm2_5", 1.0),
    "P4": ("pm4", 1.0),
    "temperature": ("temperature", 1.0),
    "humidity": ("humidity", 1.0),
    "pressure": ("pressure", 0.01),
    "co2_ppm": ("co2", 1.0),
    "noise_LAeq": ("sound_laeq", 1.0),
}
_MASS_UNITS = {"ug/m3": 1.0, "ug/m³": 1.0, "µg/m3": 1.0, "µg/m³": 1.0, "μg/m³": 1.0, "mg/m3": 1000.0}
_UNITS: Mapping[str, Mapping[str, float]] = {
    **dict.fromkeys(("pm1", "pm2_5", "pm4", "pm10"), _MASS_UNITS),
    "temperature": {"Cel": 1.0, "°C": 1.0, "degC": 1.0},
    "humidity": {"%RH": 1.0, "%": 1.0},
    "pressure": {"hPa": 1.0, "mbar": 1.0, "Pa": 0.01},
    "co2": {"ppm": 1.0, "[ppm]": 1.0},
    "sound_laeq": {"dB(A)": 1.0, "dBA": 1.0, "dB": 1.0},
}
QUANTITIES = tuple(UNNAMED.measurements)


class UnreadablePostError(ValueError):
    """A post in neither format: one sentence for the person who configured the board."""


class Refusal(StrEnum):
    """Reason why one value of a post is not used."""

    NO_VALUE = "no value"
    NOT_A_NUMBER = "not a number"
    TOO_LARGE = "larger than any number"
    UNKNOWN_INSTRUMENT = "of an instrument that edge_agent/sensor_models.toml lacks"
    UNKNOWN_UNIT = "in an unit that is not read"
    REPEATED = "named twice in one post"


class PostedValue(NamedTuple):
    """One value of a post, in the unit of its quantity; `value` is None if it was refused.

    model  of the instrument; None if the table has no row for it
    """

    name: str
    quantity: str
    model: SensorModel | None
    value: float | None
    refusal: Refusal | None = None


class Post(Struct, frozen=True, kw_only=True):
    """A post that could be read. `values` has each name once, in the order of the post."""

    sender: str
    values: tuple[PostedValue, ...]


def decode(body: bytes) -> Post:
    """Read a post. Raises only UnreadablePostError."""
    content = _parse_json(body)
    try:
        sender, values = _read_senml(content) if isinstance(content, list) else _read_airrohr(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnreadablePostError(f"neither SenML nor airRohr's JSON: {type(error).__name__} {error}") from None
    return Post(sender=sender, values=tuple(_mark_repeated(values)))


def _parse_json(body: bytes) -> object:
    """JSON, and what boards write that is nearly JSON: nan, 1e400, a word without quotes, or nothing for a value."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return msgspec.json.decode(_TOKEN.sub(_quote_token, body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadablePostError(f"not JSON: {error}") from None


def _quote_token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith(b":"):
        return b":null"
    return token if token.startswith(b'"') or _JSON_TOKEN.fullmatch(token) else b'"' + token + b'"'


def _read_senml(records: list[Any]) -> tuple[str, list[PostedValue]]:
    """A pack in which the base name is the board's and each name a quantity, or instrument/quantity."""
    sender: str | None = None
    base_unit, base_value = "", 0.0
    values: list[PostedValue] = []
    for record in records:
        name = str(record.get("bn", sender or ""))
        if sender not in {None, name}:
            raise ValueError(f"two base names, {sender!r} and {name!r}: one board, one post")
        sender, base_unit = name, str(record.get("bu", base_unit))
        base_value = float(record.get("bv", base_value))
        if "n" in record:
            values += _read_senml_record(record, base_unit, base_value)
    return (sender or "").rstrip(":/"), values


def _read_senml_record(record: Mapping[str, Any], base_unit: str, base_value: float) -> Iterator[PostedValue]:
    name = str(record["n"])
    instrument, _, quantity = name.rpartition("/")
    if quantity in QUANTITIES:
        unit = str(record.get("u", base_unit))
        scale = _UNITS[quantity].get(unit) if unit else 1.0
        model = _find_instrument(instrument, quantity) if instrument else UNNAMED
        yield _read_value(name, quantity, model, record.get("v"), scale=scale, base_value=base_value)


def _read_airrohr(content: Any) -> tuple[str, list[PostedValue]]:  # noqa: ANN401 - JSON of anyone
    """value_type is <instrument>_<quantity>, or the quantity alone for a DHT22; values are text."""
    sender = str(content.get("esp8266id") or content["esp32id"])
    items = [item for item in content["sensordatavalues"] if isinstance(item, dict)]
    matches = [(item, _AIRROHR_NAME.fullmatch(str(item.get("value_type")))) for item in items]
    return sender, [_read_airrohr_item(match, item.get("value")) for item, match in matches if match is not None]


def _read_airrohr_item(match: re.Match[str], value: object) -> PostedValue:
    quantity, scale = _AIRROHR_QUANTITIES[match[2]]
    # P1 and P2 without an instrument are particles that a PPD42NS counted: no mass, and no row in the table
    return _read_value(match[0], quantity, _find_instrument(match[1] or "DHT22", quantity), value, scale=scale)


def _find_instrument(name: str, quantity: str) -> SensorModel | None:
    model = find_model(name)
    return model if model is not None and model.posted and quantity in model.measurements else None


def _read_value(
    name: str, quantity: str, model: SensorModel | None, value: object, *, scale: float | None, base_value: float = 0.0
) -> PostedValue:
    number = Refusal.UNKNOWN_INSTRUMENT if model is None else Refusal.UNKNOWN_UNIT if scale is None else parse(value)
    if isinstance(number, Refusal):
        return PostedValue(name, quantity, model, None, number)
    scaled = round((base_value + number) * (scale or 1.0), 9) if (scale, base_value) != (1.0, 0.0) else number
    return PostedValue(name, quantity, model, scaled)


def parse(value: object) -> float | Refusal:
    """A value of JSON -> a finite number, or the reason why it is none. Text is read as boards write numbers."""
    if value is None or value == "":
        return Refusal.NO_VALUE
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return Refusal.NOT_A_NUMBER
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return Refusal.NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return Refusal.TOO_LARGE
    return number if math.isfinite(number) else Refusal.TOO_LARGE


def _mark_repeated(values: list[PostedValue]) -> Iterator[PostedValue]:
    """One quantity of one instrument that comes again: the first value counts, and the others are refused."""
    seen_sources: set[tuple[str, str]] = set()
    for value in values:
        source = (value.quantity, value.name if value.model is None else value.model.name)
        yield value if source not in seen_sources else value._replace(value=None, refusal=Refusal.REPEATED)
        seen_sources.add(source)
