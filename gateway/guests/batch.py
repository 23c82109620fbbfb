"""Turns a message of a guest into the ReadingBatch that the notary signs. Pure."""

import base64
import hashlib
from collections.abc import Sequence

from edge_agent.wire import ClockState, ReadingBatch, ReceivedMessage, Signer
from gateway.adapters.formats import JudgedReading
from gateway.guests.guest import Guest, GuestMessage

# These formats can hold the place of a home, the name of its network or the account of a person.
PRIVATE_FORMATS = frozenset({"purpleair", "things-stack", "chirpstack", "json"})
_LATE_MS = 600_000  # an older reading was held up on its way; nobody is notified of it as of now


def build_batch(guest: Guest, row: GuestMessage, readings: Sequence[JudgedReading], number: int) -> ReadingBatch:
    """Build the batch of one message with at least one reading. Times: those of the format, else that of receipt.

    A value that was refused is None with its flag; a property that a reading lacks is None without one.
    """
    received_ms = int(row.received_at.timestamp() * 1000)
    times = [received_ms if reading.at is None else reading.at for reading in readings]
    names = list(dict.fromkeys(name for reading in readings for name in reading.values))
    flags = {name: [reading.flags.get(name, 0) for reading in readings] for name in names}
    return ReadingBatch(
        v=1,
        node=guest.node,
        inc=guest.incarnation,
        seq=number,
        boot="notary",
        clock=ClockState.SYNCED,
        hist=max(times) < received_ms - _LATE_MS,
        t0=times[0],
        dt=[at - times[0] for at in times],
        values={name: [reading.values.get(name) for reading in readings] for name in names},
        flags={name: column for name, column in flags.items() if any(column)},
        received=_describe_message(guest, row, received_ms),
    )


def sign_batch(batch: ReadingBatch, notary: Signer) -> bytes:
    """Sign with the key of the notary under the name of the guest, by which its batches are verified."""
    return for_guest(notary, batch.node).sign(batch.encode())


def for_guest(notary: Signer, node: str) -> Signer:
    """Return the notary's key under the name of a guest."""
    return Signer(name=node, private=notary.private)


def _describe_message(guest: Guest, row: GuestMessage, received_ms: int) -> ReceivedMessage:
    return ReceivedMessage(
        format=guest.format,
        at=received_ms,
        sha256=hashlib.sha256(row.body).hexdigest(),
        body="" if guest.format in PRIVATE_FORMATS else base64.b64encode(row.body).decode(),
        topic="" if guest.format in PRIVATE_FORMATS else row.topic,
        headers=dict(row.headers),
        mapping="" if guest.mapping is None else hashlib.sha256(guest.mapping.encode()).hexdigest(),
    )
