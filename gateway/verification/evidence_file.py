"""Evidence files: all that a stranger needs to check a number of the map without a network, in one JSON file.

    {"format": "piekwacht/evidence@v1", "claim": {...}, "batch": {...}, "node_key": {...}, ...}

The API and the dossier write them, `piekwacht verify` and `verify.py` read them; docs/proof-format.md has an example.
Nothing is verified here: a file that can be read may still be false in every line.
"""

from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct, field

from edge_agent.signing import NoteError, decode_base64
from gateway.transparency.errors import ProofError
from gateway.transparency.strict_json import load_json

MEDIA_TYPE = "application/vnd.piekwacht.evidence+json"
FILE_ENDING = ".piekwacht.json"
MAX_EVIDENCE_BYTES = 16_777_216
MAX_ITEMS = 1_000  # of one list in a file

Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
"""RFC 3339 in UTC with milliseconds: 2026-11-29T02:00:00.000Z."""


class PublishedValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Published form of a value, on the map and in the API: with flags of the gateway, and corrected if a rule applies.

    `flags`: names in lower case. `rule`: name and version with a space between them, such as `kappa-koehler 2`.
    """

    value: float | None
    flags: list[str]
    corrected: float | None
    rule: str | None


class ClaimedValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number that the file is about. `value` and `flags` as they stand in the batch of the node.

    `stamped_at`: the node's own stamp, if the gateway dated the value again; None: it is `observed_at`.
    """

    station: str
    node: str
    observed_property: str = field(name="property")
    observed_at: Moment
    value: float | None
    flags: Annotated[int, Meta(ge=0, lt=2**31)]
    published: PublishedValue
    stamped_at: Moment | None = None


class SignedBatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch with its proof. `signed`: base64 of the bytes as the node sent them. `proof`: text of a `.tlog-proof`."""

    node: str
    incarnation: str
    number: int
    signed: str
    proof: str

    def decode_signed(self) -> bytes:
        """Signed bytes of the batch. Raises ProofError unless the base64 is written in its only form."""
        return _decode_base64(self.signed, f"the signed bytes of batch {self.number}")


class LoggedLeaf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text of a leaf, and of the `.tlog-proof` that it is in the log."""

    leaf: str
    proof: str


class LoggedDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, the leaf with its hash, and the proof of the leaf. `document`: canonical JSON as text."""

    document: str
    leaf: str
    proof: str


class HeadTimeStamp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RFC 3161 token over the checkpoint of `size` leaves. `token`: base64 of its DER."""

    size: int
    token: str

    def decode_token(self) -> bytes:
        """DER of the token. Raises ProofError unless the base64 is written in its only form."""
        return _decode_base64(self.token, "the time stamp")


class EvidenceFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Contents of an evidence file. The fields are written in this order.

    `claim` None: the file is about the batch, not about one value. `minute_batches`: further batches of the node, from
    which the corrected value is computed again. They are all that reach into the minute of the claim, and the nearest
    ones before and after it.
    """

    format: Literal["piekwacht/evidence@v1"] = "piekwacht/evidence@v1"
    claim: ClaimedValue | None
    batch: SignedBatch
    node_key: LoggedLeaf
    events: Annotated[list[LoggedDocument], Meta(max_length=MAX_ITEMS)] = []
    deliveries: Annotated[list[LoggedLeaf], Meta(max_length=MAX_ITEMS)] = []
    rules: Annotated[list[LoggedDocument], Meta(max_length=MAX_ITEMS)] = []
    policy: str
    time_stamp: HeadTimeStamp | None = None
    minute_batches: Annotated[list[SignedBatch], Meta(max_length=MAX_ITEMS)] = []

    def encode(self) -> bytes:
        """Bytes of the file: one line of JSON."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a file strictly. Raises ProofError with the reason in one sentence.

        A key that stands twice is refused: two readers could take different ones.
        """
        if len(content) > MAX_EVIDENCE_BYTES:
            raise ProofError(f"the evidence file has {len(content)} bytes, more than {MAX_EVIDENCE_BYTES}")
        try:
            return msgspec.convert(load_json(content), cls)
        except (ProofError, msgspec.ValidationError) as error:
            raise ProofError(f"the evidence file cannot be read: {error}") from None


def _decode_base64(text: str, name: str) -> bytes:
    try:
        return decode_base64(text)
    except NoteError as error:
        raise ProofError(f"{name}: {error}") from None
