"""Judges a message of a guest: what it holds, or one sentence why it holds no reading. Pure."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct, structs

from gateway.adapters.foreign import ForeignMessage, RefusedError
from gateway.adapters.formats import JudgedReading, read_message
from gateway.guests.guest import Guest
from gateway.model.properties import PROPERTIES

_CHIP_FORMATS = frozenset({"airrohr", "sensor-community"})  # a device is named by its chip: esp8266-12345


class ReceptionReason(StrEnum):
    """How a message was judged; also a label of metrics."""

    READ = "read"
    NO_READING = "no_reading"  # a message of the format without a reading, such as that a device joined a network
    UNREADABLE = "unreadable"
    OTHER_DEVICE = "other_device"


class Reception(Struct, frozen=True, kw_only=True):
    """Whether a message can be stored as readings. `detail`: one sentence for the person who configured the sender."""

    reason: ReceptionReason
    readings: Sequence[JudgedReading] = ()
    detail: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the sender made a mistake; the message goes into quarantine."""
        return self.reason in {ReceptionReason.UNREADABLE, ReceptionReason.OTHER_DEVICE}

    @property
    def message_id(self) -> str:
        """The format's own id of the message; empty without one."""
        return self.readings[0].message_id if self.readings else ""


def judge_message(guest: Guest, message: ForeignMessage) -> Reception:
    """Read a message. Never raises."""
    try:
        readings = read_message(message, guest.format, guest.field_mapping)
    except RefusedError as error:
        return Reception(reason=ReceptionReason.UNREADABLE, detail=str(error))
    other = next((reading.sender for reading in readings if not _is_sender(guest, reading.sender)), None)
    if other is not None:
        detail = (
            f"this message is of the device {other[:80]}, and {guest.node} is {guest.sender}; each has its own token"
        )
        return Reception(reason=ReceptionReason.OTHER_DEVICE, detail=detail)
    filled = [reading for reading in map(_keep_known_properties, readings) if reading.values]
    if readings and not filled:
        names = [value.name for reading in readings for value in (*reading.sources.values(), *reading.left_out)]
        detail = f"no value of it can be stored; left out: {', '.join(names)[:400]}"
        return Reception(reason=ReceptionReason.UNREADABLE, detail=detail)
    if not filled:
        return Reception(reason=ReceptionReason.NO_READING)
    return Reception(reason=ReceptionReason.READ, readings=filled)


def _keep_known_properties(reading: JudgedReading) -> JudgedReading:
    """Leave out what no property measures, such as the temperature inside a housing; the body has it anyway."""
    return structs.replace(reading, values={name: v for name, v in reading.values.items() if name in PROPERTIES})


def derive_message_key(reception: Reception, message: ForeignMessage) -> bytes:
    """Return what is equal for every delivery of one message: the hash of the format's own id, else of its bytes."""
    if reception.message_id:
        return hashlib.sha256(b"id\n" + reception.message_id.encode()).digest()
    head = "\n".join([message.topic, *(f"{name}:{text}" for name, text in sorted(message.headers.items()))])
    return hashlib.sha256(b"body\n" + head.encode() + b"\n" + message.body).digest()


def _is_sender(guest: Guest, sender: str) -> bool:
    return normalize_sender(guest.format, sender) == normalize_sender(guest.format, guest.sender)


def normalize_sender(format_name: str, sender: str) -> str:
    """Return a device's name in the form in which two writings of it are equal: `esp8266-12345` is `12345`."""
    name = sender.strip().casefold()
    return name.rpartition("-")[2] if format_name in _CHIP_FORMATS else name
