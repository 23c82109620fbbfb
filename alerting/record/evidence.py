"""The record of one event as evidence: every step, every content sent byte for byte, chained by hashes. Pure.

Each entry's `hash` is the SHA-256 of the hash before it (the first: of nothing) and of the entry itself as JSON with
its keys sorted and without `hash`. The last hash, `head`, thus proves that nothing before it was changed, left out or
inserted. A content's own `sha256` is the one that the database stored when it was sent.
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
    """A file of evidence. `entries` stay untyped, so that fields of a later version are hashed too."""

    form: str
    event: str
    made_at: datetime
    entries: list[dict[str, Any]]
    head: str


def build_record(
    event: str, steps: Sequence[AnyStep], alerts: Mapping[int, Any], contents: Mapping[str, bytes], now: datetime
) -> EvidenceRecord:
    """Build it. `alerts`: revision -> the alert as it came in; `contents`: sha256 in hex -> the bytes sent."""
    entries, head = [], ""
    for step in steps:
        entry: dict[str, Any] = to_builtins(step)
        entry["sentence"] = {"nl": describe_step(step, "nl"), "en": describe_step(step, "en")}
        entry["particulars"] = describe_step_details(step, "en")
        if isinstance(step, RevisionStep):
            entry["alert"] = alerts.get(step.revision)
        if isinstance(step, DeliveryStep) and step.sha256 in contents:
            entry["content"] = b64encode(contents[step.sha256]).decode()
        head = _hash_entry(head, entry)
        entries.append({**entry, "hash": head})
    return EvidenceRecord(form=FORMAT, event=event, made_at=now, entries=entries, head=head)


def encode_record(record: EvidenceRecord) -> bytes:
    """Return the file: indented JSON, so that people can read it."""
    return json.format(json.encode(record), indent=2) + b"\n"


def decode_record(content: bytes) -> EvidenceRecord:
    """Decode the file's record. Raises AlertingError if it is none."""
    try:
        record = json.decode(content, type=EvidenceRecord)
    except (DecodeError, ValidationError) as error:
        raise AlertingError(f"not a record of alerts: {error}") from None
    if record.form != FORMAT:
        raise AlertingError(f"a record of alerts in a form that this version does not know: {record.form!r}")
    return record


def find_errors(record: EvidenceRecord) -> Iterator[str]:
    """Yield a sentence per error; none if the record is unchanged."""
    head = ""
    for number, entry in enumerate(record.entries, 1):
        head = _hash_entry(head, {name: value for name, value in entry.items() if name != "hash"})
        if entry.get("hash") != head:
            yield f"entry {number} was changed, or an entry before it was changed, left out or inserted"
            return
        content = entry.get("content")
        if content is not None and sha256(_decode_base64(content)).hexdigest() != entry.get("sha256"):
            yield f"entry {number}: the content is not the one that was sent"
    if record.head != head:
        yield "entries at the end were left out"


def extract_contents(record: EvidenceRecord) -> Iterator[tuple[str, bytes]]:
    """Yield file name and bytes of every content that was sent."""
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
