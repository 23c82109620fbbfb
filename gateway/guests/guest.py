"""An enrolled guest, a message of it, and its token. Pure."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from msgspec import Struct

from gateway.adapters.foreign import ForeignMessage
from gateway.adapters.mapping import FieldMapping, parse_mapping

KEPT_HEADERS = ("content-type", "x-sensor", "x-pin")  # those that an adapter reads
MAX_BODY_BYTES = 65_536


class Guest(Struct, frozen=True, kw_only=True, dict=True):
    """A guest node as the receivers know it.

    mapping       text of the mapping file; None: its format needs none
    sender        name of the device in its messages; token_sha256: hash of its token
    topic         MQTT topic of its messages; poll_url: address that has them
    """

    node: str
    area: str
    format: str
    mapping: str | None
    sender: str
    token_sha256: bytes
    topic: str | None
    poll_url: str | None
    incarnation: str

    @cached_property
    def field_mapping(self) -> FieldMapping | None:
        """The mapping, parsed once."""
        return None if self.mapping is None else parse_mapping(self.mapping)


class GuestMessage(Struct, frozen=True, kw_only=True):
    """A message of a guest as it was received; `topic` is the path of a post or the topic of MQTT."""

    node: str
    received_at: datetime
    topic: str
    headers: Mapping[str, str]
    body: bytes

    def as_foreign(self) -> ForeignMessage:
        """Return the message as an adapter reads it."""
        return ForeignMessage(body=self.body, headers=self.headers, topic=self.topic)


def generate_token() -> str:
    """Create the token of a guest: 160 random bits, short enough for the form of a sensor."""
    return secrets.token_hex(20)


def hash_token(token: str) -> bytes:
    """Return the hash to store; tokens are random, so one round is enough."""
    return hashlib.sha256(token.encode()).digest()
