"""The state of the detector before a batch, as a document whose hash a leaf of the log has.

Ingest saves such a state about hourly. From it and the batches after it anyone can detect an event again. The leaf
shows that the state was not made up afterwards. The sequencer hashes it, a dossier has it, `piekwacht verify` reads it.
"""

from typing import Self

import msgspec
from msgspec import Struct

from edge_agent.signing import NoteError, decode_base64
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import encode_canonically
from gateway.transparency.strict_json import load_json


class LoggedState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """States of flagging and detection before a batch: one of each per datastream, in the order of `ids`.

    `quality`, `detection`: base64 of the states, one after the other. The fields of a state stand in
    gateway/quality/kernels.py and gateway/detection/records.py; a group names a datastream by its place in `ids`.
    """

    detector: str
    area: str
    ids: list[int]
    quality: str
    detection: str

    def encode(self) -> str:
        """Canonical JSON, whose hash a leaf has."""
        return encode_canonically(msgspec.to_builtins(self)).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a document strictly. Raises ProofError with the reason."""
        try:
            return msgspec.convert(load_json(text.encode()), cls)
        except (ProofError, msgspec.ValidationError) as error:
            raise ProofError(f"the state of the detector cannot be read: {error}") from None

    def decode_states(self) -> tuple[bytes, bytes]:
        """States of flagging and of detection. Raises ProofError unless the base64 is written in its only form."""
        try:
            return decode_base64(self.quality), decode_base64(self.detection)
        except NoteError as error:
            raise ProofError(f"the state of the detector: {error}") from None
