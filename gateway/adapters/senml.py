"""SenML (RFC 8428) in JSON and CBOR: a pack of records, each with a separate time.

The name of a record is `<device>:<quantity>` or `<device>/<quantity>`, also with an instrument of the table of sensor
models between them. Absolute times are trusted; relative ones count from the time of receipt, and are left to it.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import cbor2

from edge_agent.recordings.units import find_conversion, same
from edge_agent.sensor_models import UNNAMED
from edge_agent.sensors.posts import (
    QUANTITIES,
    PostedValue,
    UnreadablePostError,
    find_instrument,
    mark_repeated,
    parse_json,
    parse_number,
    read_value,
)
from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError, require_values

TITLE = "SenML"
_LABELS = {-2: "bn", -3: "bt", -4: "bu", -5: "bv", 0: "n", 1: "u", 2: "v", 6: "t"}
_ABSOLUTE = 2**28  # s: smaller times are relative (RFC 8428, 4.5.3)
_NAME = re.compile(r"(.*?)[:/]?([a-z0-9_]+)")


class _Record(NamedTuple):
    """A resolved record: its device, its time (ms UTC or None), its value."""

    sender: str
    at: int | None
    value: PostedValue


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """Readings by device and time, in the order of the pack."""
    records = list(_resolve(_decode(message)))
    groups: dict[tuple[str, int | None], list[PostedValue]] = {}
    for record in records:
        groups.setdefault((record.sender, record.at), []).append(record.value)
    require_values([record.value for record in records], TITLE, f"no record is named {', '.join(QUANTITIES)}")
    return [
        ForeignReading(sender=sender, at=at, values=tuple(mark_repeated(values)))
        for (sender, at), values in groups.items()
    ]


def _decode(message: ForeignMessage) -> Sequence[Mapping[str, object]]:
    try:
        content = _decode_cbor(message.body) if _is_cbor(message) else parse_json(message.body)
    except (UnreadablePostError, cbor2.CBORDecodeError, RecursionError) as error:
        raise RefusedError(f"no message of {TITLE}: {error}") from None
    records = [record for record in content if isinstance(record, dict)] if isinstance(content, list) else []
    if not records:
        raise RefusedError(f"no message of {TITLE}: it is no list of records")
    return records


def _is_cbor(message: ForeignMessage) -> bool:
    """By the content type; without one by the first byte: a list of CBOR begins with 0x80 to 0x9f."""
    content_type = message.headers.get("content-type", "")
    return "cbor" in content_type or ("json" not in content_type and message.body[:1] >= b"\x80")


def _decode_cbor(body: bytes) -> object:
    stream = io.BytesIO(body)
    content = cbor2.CBORDecoder(stream).decode()
    if stream.read(1):
        raise RefusedError(f"no message of {TITLE}: bytes follow its end")
    if not isinstance(content, list):
        return content
    return [
        {_LABELS.get(label, str(label)): value for label, value in record.items()}
        for record in content
        if isinstance(record, dict)
    ]


def _resolve(records: Sequence[Mapping[str, object]]) -> Iterator[_Record]:
    base: dict[str, object] = {"bn": "", "bt": 0, "bu": "", "bv": 0}
    for record in records:
        base |= {key: record[key] for key in base if key in record}
        name = _NAME.fullmatch(f"{base['bn']}{record.get('n', '')}")
        if name is not None and name[2] in QUANTITIES and "vs" not in record and "vb" not in record:
            yield _resolve_record(record, base, name[1], name[2])


def _resolve_record(record: Mapping[str, object], base: Mapping[str, object], path: str, quantity: str) -> _Record:
    sender, _, instrument = path.rpartition("/")
    model = find_instrument(instrument, quantity) if instrument else None
    unit = str(record.get("u", base["bu"]))
    value = read_value(
        f"{path}/{quantity}",
        quantity,
        model or UNNAMED,
        record.get("v"),
        convert=find_conversion(unit, quantity) if unit else same,
        base_value=base["bv"],
    )
    return _Record((sender if model else path).rstrip(":/"), _add_times(base["bt"], record.get("t", 0)), value)


def _add_times(*parts: object) -> int | None:
    numbers = [number for part in parts if isinstance(number := parse_number(part), float)]
    seconds = sum(numbers)
    return round(seconds * 1000) if len(numbers) == len(parts) and _ABSOLUTE <= seconds < 2**40 else None
