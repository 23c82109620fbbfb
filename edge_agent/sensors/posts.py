"""Read the posts of foreign sensor boards, value by value. Pure.

Two formats: SenML (RFC 8428), which ESPHome can be configured to send, and airRohr's JSON ("send data to own API").
A post is a pack of independent values: a value that is none costs itself and has a reason; the others are read.

The name of a value is a quantity, or a quantity of a named instrument: `BME280_humidity` in airRohr's JSON,
`bme280/humidity` in SenML. Quantities that no property of ours measures are left out in silence.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct

from edge_agent.recordings.units import Conversion, divided_by, find_conversion, same
from edge_agent.sensor_models import CODES_OF_NO_VALUE, UNNAMED, SensorModel, find_model

# Tokens of JSON outside its strings, and a colon without a value: what a board writes for "no number" is not JSON.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.]?[A-Za-z0-9_][\w.+-]*|:\s*(?=[,}\]])', re.ASCII)
_JSON_TOKEN = re.compile(r"true|false|null|-?(0|[1-9]\d{0,300})(\.\d+)?([eE][-+]?\d{1,2})?", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_AIRROHR_NAME = re.compile(
    r"(?:([A-Za-z0-9]+)_)?(P[0124]|temperature|humidity|pressure|co2_ppm|noise_LA(?:eq|_min|_max))"
)
AIRROHR_QUANTITIES = {
    "P0": ("pm1", same),
    "P1": ("pm10", same),
    "P2": ("pm2_5", same),
    "P4": ("pm4", same),
    "temperature": ("temperature", same),
    "humidity": ("humidity", same),
    "pressure": ("pressure", divided_by(100)),
    "co2_ppm": ("co2", same),
    "noise_LAeq": ("sound_laeq", same),
    "noise_LA_min": ("sound_lmin", same),
    "noise_LA_max": ("sound_lmax", same),
}
_HPM_QUANTITIES = {"P1": "pm2_5", "P2": "pm10"}  # the firmware names these two the other way round than all others
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
    COUNTERS_DISAGREE = "contradicted by the second counter of the same air"


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
    """A post that could be read. `values` has each name once, in the order of the post.

    unnamed  number of its items that name no value: they are of nothing that could be stored
    """

    sender: str
    values: tuple[PostedValue, ...]
    unnamed: int = 0


class _Repeated:
    """The value of a key that stands twice in its object: two numbers for one value are none."""


def decode(body: bytes) -> Post:
    """Read a post. Raises only UnreadablePostError."""
    content = parse_json(body)
    try:
        return _read_senml(content) if isinstance(content, list) else _read_airrohr(content)
    except ValueError as error:
        raise UnreadablePostError(f"neither SenML nor airRohr's JSON: {error}") from None


def _decode_text(body: bytes) -> str:
    """UTF-8, or UTF-16 with its mark; bytes that are neither are Latin-1, in which boards write µg/m³."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def parse_json(body: bytes) -> object:
    """JSON, and what boards write that is nearly JSON: nan, 1e400, a word without quotes, or nothing for a value.

    Raises UnreadablePostError.
    """
    text = _decode_text(body)
    try:
        return _load_json(text)
    except (ValueError, RecursionError):
        pass
    try:
        return _load_json(_TOKEN.sub(_quote_token, text))
    except (ValueError, RecursionError) as error:
        raise UnreadablePostError(f"not JSON: {error}") from None


def _load_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_build_object, parse_constant=str)


def _build_object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, in which a key that stands there twice has no value instead of the last one."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        content.update({key: _Repeated() for key in content if keys.count(key) > 1})
    return content


def _quote_token(match: re.Match[str]) -> str:
    token = match[0]
    if token.startswith(":"):
        return ":null"
    return token if token.startswith('"') or _JSON_TOKEN.fullmatch(token) else f'"{token}"'


class _Base(NamedTuple):
    """Base fields of SenML that hold for the records after them."""

    unit: str = ""
    value: object = 0.0


def _read_senml(records: list[Any]) -> Post:
    """A pack in which the base name is the board's and each name a quantity, or instrument/quantity."""
    if not any(isinstance(record, dict) for record in records):
        raise ValueError("none of its records is an object")
    sender, base, unnamed = None, _Base(), 0
    values: list[PostedValue] = []
    for record in records:
        if not isinstance(record, dict):
            unnamed += 1
            continue
        name = _read_name(record.get("bn", sender or ""), "bn")
        if sender not in {None, name}:
            raise ValueError(f"two base names, {sender!r} and {name!r}: one board, one post")
        sender, base = name, _Base(str(record.get("bu", base.unit)), record.get("bv", base.value))
        if isinstance(record.get("n", ""), str):
            values += _read_senml_record(record, base)
        else:
            unnamed += 1
    return Post(sender=(sender or "").rstrip(":/"), values=tuple(mark_repeated(values)), unnamed=unnamed)


def _read_senml_record(record: Mapping[str, Any], base: _Base) -> Iterator[PostedValue]:
    name = str(record.get("n", ""))
    instrument, _, quantity = name.rpartition("/")
    if quantity in QUANTITIES:
        unit = str(record.get("u", base.unit))
        convert = find_conversion(unit, quantity) if unit else same
        model = find_instrument(instrument, quantity) if instrument else UNNAMED
        yield read_value(name, quantity, model, record.get("v"), convert=convert, base_value=base.value)


def _read_airrohr(content: object) -> Post:
    """value_type is <instrument>_<quantity>, or the quantity alone for a DHT22; values are text."""
    if not isinstance(content, dict):
        raise ValueError("a post is a list of records, or an object with esp8266id and sensordatavalues")  # noqa: TRY004 - of the post
    sender = _read_name(content.get("esp8266id") or content.get("esp32id"), "esp8266id")
    items = content.get("sensordatavalues")
    if not isinstance(items, list):
        raise ValueError("sensordatavalues is no list of values")  # noqa: TRY004 - of the post
    named = [item for item in items if isinstance(item, dict) and isinstance(item.get("value_type"), str)]
    matches = [(item, _AIRROHR_NAME.fullmatch(item["value_type"])) for item in named]
    values = [_read_airrohr_item(match, item.get("value")) for item, match in matches if match is not None]
    return Post(sender=sender, values=tuple(mark_repeated(values)), unnamed=len(items) - len(named))


def _read_name(value: object, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{key} is no name of a board: give it once, as text or as a whole number")  # noqa: TRY004
    return str(value)


def _read_airrohr_item(match: re.Match[str], value: object) -> PostedValue:
    quantity, convert = AIRROHR_QUANTITIES[match[2]]
    if match[1] == "HPM":
        quantity = _HPM_QUANTITIES.get(match[2], quantity)
    # P1 and P2 without an instrument are particles that a PPD42NS counted: no mass, and no row in the table
    return read_value(match[0], quantity, find_instrument(match[1] or "DHT22", quantity), value, convert=convert)


def find_instrument(name: str, quantity: str) -> SensorModel | None:
    """The model that a board calls so, if a post may name it and it measures this quantity."""
    model = find_model(name)
    return model if model is not None and model.posted and quantity in model.measurements else None


def read_value(
    name: str,
    quantity: str,
    model: SensorModel | None,
    value: object,
    *,
    convert: Conversion | None,
    base_value: object = 0.0,
) -> PostedValue:
    """A value of JSON -> the value in the unit of its quantity, or the reason why there is none.

    model: None if the table has no row; convert: None if the unit is not read.
    """
    if model is None:
        return PostedValue(name, quantity, model, None, Refusal.UNKNOWN_INSTRUMENT)
    if convert is None:
        return PostedValue(name, quantity, model, None, Refusal.UNKNOWN_UNIT)
    number, base = parse_number(value), parse_number(base_value)
    if isinstance(number, Refusal) or isinstance(base, Refusal):
        return PostedValue(name, quantity, model, None, number if isinstance(number, Refusal) else Refusal.NOT_A_NUMBER)
    converted = convert(round(base + number, 9) if base else number)
    # a code for "no value" is none in any unit: 65535 Pa are no 655 hPa
    if converted != number and number in CODES_OF_NO_VALUE:
        return PostedValue(name, quantity, model, None, Refusal.NO_VALUE)
    return PostedValue(name, quantity, model, converted)


def parse_number(value: object) -> float | Refusal:
    """A value of JSON -> a finite number, or the reason why it is none. Text is read as boards write numbers."""
    if value is None or value == "":
        return Refusal.NO_VALUE
    if isinstance(value, _Repeated):
        return Refusal.REPEATED
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return Refusal.NOT_A_NUMBER
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return Refusal.NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return Refusal.TOO_LARGE
    return number if math.isfinite(number) else Refusal.TOO_LARGE


def mark_repeated(values: Sequence[PostedValue]) -> Iterator[PostedValue]:
    """One quantity of one instrument that comes again: the first value counts, and the others are refused."""
    seen_sources: set[tuple[str, str]] = set()
    for value in values:
        source = (value.quantity, value.name if value.model is None else value.model.name)
        yield value if source not in seen_sources else value._replace(value=None, refusal=Refusal.REPEATED)
        seen_sources.add(source)
