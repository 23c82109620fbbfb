"""The formats by name, and the judgement that all their values pass. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec import Struct

from edge_agent.sensor_models import AMBIENT_ORDER, SensorModel
from edge_agent.sensors.driver import RawReading
from edge_agent.sensors.instruments import AmbientInstruments, judge_post
from edge_agent.sensors.posts import PostedValue
from gateway.adapters import (
    airgradient,
    airrohr,
    chirpstack,
    esphome,
    mapping,
    purpleair,
    senml,
    sensor_community,
    tasmota,
    things_stack,
)
from gateway.adapters.foreign import ForeignMessage, ForeignReading, Parse, RefusedError
from gateway.adapters.mapping import FieldMapping

MappedParse = Callable[[ForeignMessage, FieldMapping], list[ForeignReading]]

_PARSERS: Mapping[str, Parse] = MappingProxyType(
    {
        "airrohr": airrohr.parse,
        "sensor-community": sensor_community.parse,
        "airgradient": airgradient.parse,
        "purpleair": purpleair.parse,
        "tasmota": tasmota.parse,
        "senml": senml.parse,
    }
)
_MAPPED_PARSERS: Mapping[str, MappedParse] = MappingProxyType(
    {
        "things-stack": things_stack.parse,
        "chirpstack": chirpstack.parse,
        "esphome": esphome.parse,
        "json": mapping.parse,
    }
)
FORMATS = (*_PARSERS, *_MAPPED_PARSERS)
MAPPED_FORMATS = tuple(_MAPPED_PARSERS)


class JudgedReading(Struct, frozen=True, kw_only=True):
    """A reading as it is stored: values and `wire.Flag` bits by property; None is a value that was refused.

    sources   what the message had for each property
    left_out  values of instruments that the table of sensor models lacks, or that come twice
    """

    sender: str
    at: int | None
    message_id: str
    values: Mapping[str, float | None]
    flags: Mapping[str, int]
    sources: Mapping[str, PostedValue]
    left_out: tuple[PostedValue, ...] = ()


def read_message(
    message: ForeignMessage, format_name: str, field_mapping: FieldMapping | None = None
) -> list[JudgedReading]:
    """The readings of a message. Raises RefusedError with one sentence."""
    if format_name in _PARSERS:
        readings = _PARSERS[format_name](message)
    elif format_name not in _MAPPED_PARSERS:
        raise RefusedError(f"format {format_name!r}: there are {', '.join(FORMATS)}")
    elif field_mapping is None:
        raise RefusedError(f"the format {format_name} needs a mapping file that names the fields of the device")
    else:
        readings = _MAPPED_PARSERS[format_name](message, field_mapping)
    return [_judge(reading) for reading in readings]


def _judge(reading: ForeignReading) -> JudgedReading:
    placed = _place(reading)
    judged: RawReading = judge_post(placed)
    return JudgedReading(
        sender=reading.sender,
        at=reading.at,
        message_id=reading.message_id,
        values=judged.values,
        flags={name: flags for name, flags in judged.flags.items() if flags},
        sources=placed,
        left_out=tuple(value for value in reading.values if value not in placed.values()),
    )


def _place(reading: ForeignReading) -> dict[str, PostedValue]:
    """Property -> value: instruments of a device stand beside each other; a whole station has one of each."""
    placed = AmbientInstruments({}).place([value for value in reading.values if _is_instrument(value.model)])
    for value in reading.values:
        if value.model is not None and not _is_instrument(value.model):
            placed.setdefault(value.model.reported_names.get(value.quantity, value.quantity), value)
    return placed


def _is_instrument(model: SensorModel | None) -> bool:
    return model is not None and model.name in AMBIENT_ORDER
