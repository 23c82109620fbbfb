"""The record of one event as evidence: every step, every message byte for byte, chained by hashes. Pure.

Each entry's `hash` is the SHA-256 of the hash before it (the first: of nothing) and of the entry itself as JSON with
its keys sorted and without `hash`. So who knows the last hash, `head`, can tell whether anything before it was changed,
left out or put in between. A message's own `sha256` is what the database kept when it was sent.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import DecodeError, Struct, ValidationError, json, to_builtins

from alerting.errors import AlertingError
from alerting.record.history import AnyStep, DeliveryStep, RevisionStep, describe_step, describe_step_details

FORMAT = "piekwacht alerts record 1"


class EvidenceRecord(Struct, frozen=True, kw_only=True):
    """A file of evidence. `entries` as written: what a later version adds to them is hashed all the same."""

    form: str
    event: str
    made_at: datetime
    entries: list[dict[str, Any]]
    head: str


def build_record(
    event: str, steps: Sequence[AnyStep], alerts: Mapping[int, Any], contents: Mapping[str, bytes], now: datetime
) -> EvidenceRecord:
    """`alerts`: revision -> the alert as it came in; `contents`: sha256 in hex -> the bytes that were sent."""
    entries, head = [], ""
    for step in steps:
        entry: dict[str, Any] = to_builtins(step)
        entry |= {
            "sentence": {"nl": describe_step(step, "nl"), "en": describe_step(step, "en")},
            "particulars": describe_step_details(step, "en"),
        }
        if isinstance(step, RevisionStep):
            entry["alert"] = alerts.get(step.revision)
        if isinstance(step, DeliveryStep) and step.sha256 in contents:
            entry["content"] = b64encode(contents[step.sha256]).decode()
        head = _hash_entry(head, entry)
        entries.append({**entry, "hash": head})
    return EvidenceRecord(form=FORMAT, event=event, made_at=now, entries=entries, head=head)


def encode_record(record: EvidenceRecord) -> bytes:
    """The file, to be read by people too."""
    return json.format(json.encode(record), indent=2) + b"\n"


def decode_record(content: bytes) -> EvidenceRecord:
    """The file's record; AlertingError where it is none."""
    try:
        record = json.decode(content, type=EvidenceRecord)
    except (DecodeError, ValidationError) as error:
        raise AlertingError(f"no record of alerts: {error}") from None
    if record.form != FORMAT:
        raise AlertingError(f"no record of alerts that this version knows: form {record.form!r}")
    return record


def find_errors(record: EvidenceRecord) -> Iterator[str]:
    """What does not hold together, a sentence each; nothing where all of it does."""
    head = ""
    for number, entry in enumerate(record.entries, 1):
        head = _hash_entry(head, {name: value for name, value in entry.items() if name != "hash"})
        if entry.get("hash") != head:
            yield f"entry {number} was changed, or something before it was changed, left out or put in"
            return
        content = entry.get("content")
        if content is not None and sha256(_decode_base64(content)).hexdigest() != entry.get("sha256"):
            yield f"entry {number}: the message is not the one that was sent"
    if record.head != head:
        yield "entries at the end were left out"


def extract_contents(record: EvidenceRecord) -> Iterator[tuple[str, bytes]]:
    """Name of a file and its content for every message that was sent."""
    for number, entry in enumerate(record.entries, 1):
        if "content" in entry:
            kind = str(entry.get("channel", "")).partition(":")[0]
            ending = {"email": "eml", "cap": "xml"}.get(kind, "json")
            yield f"{number:03}-{kind}.{ending}", _decode_base64(entry["content"])


def _decode_base64(text: object) -> bytes:
    try:
        return b64decode(str(text), validate=True)
    except ValueError:  # binascii.Error is one
        return b""


def _hash_entry(previous_hash: str, entry: Mapping[str, Any]) -> str:
    return sha256(previous_hash.encode() + json.encode(entry, order="sorted")).hexdigest()
