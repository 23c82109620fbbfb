#!/usr/bin/env python3
"""Check evidence of Piekwacht with Python 3.11 or later alone: no network, no installation, no other file.

    python3 verify.py FILE.piekwacht.json [--policy FILE] [--checkpoint FILE] [--language nl|en] [--json]
    python3 verify.py FOLDER              (an unpacked dossier)

Exit code 0: everything was checked and is true. 1: something is false or cannot be read. 3: nothing is false, but not
everything was checked. 2: the command line is wrong.

The package has the same checks, written separately, as `piekwacht verify`; the tests of the project run both over the
same files. The formats are described in docs/proof-format.md: signed notes, checkpoints, cosignatures, policies and
proofs of https://c2sp.org, hashes of RFC 6962, signatures of RFC 8032.
"""

import argparse
import base64
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # pragma: no cover - the pure code below does the same, more slowly
    Ed25519PublicKey = None  # type: ignore[assignment,misc]

LANGUAGES = ("en", "nl")
TEXTS: Mapping[str, tuple[str, str]] = {
    "file.false": ("The file cannot be read.", "Het bestand is niet te lezen."),
    "policy.own": (
        "Your own policy judges: {logs}; witnesses it demands: {quorum}.",
        "Uw eigen policy oordeelt: {logs}; getuigen die zij eist: {quorum}.",
    ),
    "policy.file": (
        (
            "By the policy in the file itself: {logs}; witnesses: {quorum}. The maker of the file chose it. "
            "Give your own policy with --policy."
        ),
        (
            "Volgens de policy in het bestand zelf: {logs}; getuigen: {quorum}. De maker van het bestand koos die. "
            "Geef uw eigen policy met --policy."
        ),
    ),
    "policy.false": ("The policy cannot be read.", "De policy is niet te lezen."),
    "signature.ok": (
        "The node {node} signed these {bytes} bytes.",
        "De node {node} heeft deze {bytes} bytes ondertekend.",
    ),
    "signature.notary": (
        "The gateway signed these {bytes} bytes as notary for the guest node {node}; the sensor itself signs nothing.",
        "De gateway heeft deze {bytes} bytes als notaris ondertekend voor gastnode {node}; de sensor tekent zelf niet.",
    ),
    "signature.false": (
        "The node {node} did not sign these bytes.",
        "De node {node} heeft deze bytes niet ondertekend.",
    ),
    "signature.not checked": (
        "The key of the node {node} is missing, so the signature was not checked.",
        "De sleutel van de node {node} ontbreekt, dus de handtekening is niet gecontroleerd.",
    ),
    "batch.ok": ("The signed bytes are batch {number} of {node}.", "De bytes zijn batch {number} van {node}."),
    "batch.false": (
        "The signed bytes are not batch {number} of {node}.",
        "De bytes zijn niet batch {number} van {node}.",
    ),
    "inclusion.ok": (
        "The batch is leaf {index} of the {size} leaves of the log {log}.",
        "De batch is blad {index} van de {size} bladen van het logboek {log}.",
    ),
    "inclusion.false": (
        "The proof does not show that this batch is in the log {log}.",
        "Het bewijs toont niet dat deze batch in het logboek {log} staat.",
    ),
    "checkpoint.ok": (
        "The log {log} signed this head of {size} leaves.",
        "Het logboek {log} heeft deze stand van {size} bladen ondertekend.",
    ),
    "checkpoint.file": (
        "By the policy in the file itself, the log {log} signed this head of {size} leaves.",
        "Volgens de policy in het bestand zelf heeft het logboek {log} deze stand van {size} bladen ondertekend.",
    ),
    "checkpoint.false": (
        "No log of the policy signed this head.",
        "Geen logboek van de policy heeft deze stand ondertekend.",
    ),
    "witnesses.ok": (
        "These witnesses signed the head: {witnesses}. The policy demands: {quorum}.",
        "Deze getuigen hebben de stand ondertekend: {witnesses}. De policy eist: {quorum}.",
    ),
    "witnesses.file": (
        "By the policy in the file itself, these witnesses signed the head: {witnesses}. It demands: {quorum}.",
        "Volgens de policy in het bestand zelf hebben deze getuigen getekend: {witnesses}. Zij eist: {quorum}.",
    ),
    "witnesses.false": (
        "The witnesses that the policy demands ({quorum}) did not sign this head.",
        "De getuigen die de policy eist ({quorum}), hebben deze stand niet ondertekend.",
    ),
    "witnesses.not checked": (
        "The policy demands no witness. Signed by: {witnesses}.",
        "De policy eist geen getuige. Ondertekend door: {witnesses}.",
    ),
    "node_key.ok": (
        "The log names this key for {node} at {station}, in leaf {index}, before the batch and for this time.",
        "Het logboek noemt deze sleutel voor {node} bij {station}, in blad {index}, vóór de batch en voor deze tijd.",
    ),
    "node_key.false": (
        "The log does not show that this key belonged to {node} at that time.",
        "Het logboek toont niet dat deze sleutel toen van {node} was.",
    ),
    "value.ok": (
        "The batch has {property} {value} at {time}, with these flags of the node: {flags}.",
        "De batch heeft {property} {value} om {time}, met deze markeringen van de node: {flags}.",
    ),
    "value.false": (
        "The batch does not have {property} {value} at {time} with these flags: {flags}.",
        "De batch heeft niet {property} {value} om {time} met deze markeringen: {flags}.",
    ),
    "dated.not checked": (
        "The node stamped the value {stamped}. The gateway changed that time to {time}; the file does not prove it.",
        "De node gaf de waarde de tijd {stamped}. De gateway maakte daar {time} van; het bestand bewijst dat niet.",
    ),
    "published.ok": (
        "The published value {value} is that of the node. Published flags: {flags}.",
        "De gepubliceerde waarde {value} is die van de node. Gepubliceerde markeringen: {flags}.",
    ),
    "published.withheld": (
        "The value is not published, because of its flags: {flags}.",
        "De waarde is niet gepubliceerd, vanwege de markeringen: {flags}.",
    ),
    "published.false": (
        "The published value {value} with the flags {flags} does not agree with the node.",
        "De gepubliceerde waarde {value} met de markeringen {flags} klopt niet met de node.",
    ),
    "published.not checked": (
        "Published: {value} with the flags {flags}. The gateway added {added}; the file does not prove these.",
        (
            "Gepubliceerd: {value} met de markeringen {flags}. De gateway voegde {added} toe; "
            "het bestand bewijst die niet."
        ),
    ),
    "minute_batch.ok": (
        "Batch {number} of {node}, for the humidity of the minute, is signed and is leaf {index}.",
        "Batch {number} van {node}, voor de vochtigheid van de minuut, is ondertekend en is blad {index}.",
    ),
    "minute_batch.false": (
        "Batch {number} of {node}, for the humidity of the minute, is not proven.",
        "Batch {number} van {node}, voor de vochtigheid van de minuut, is niet bewezen.",
    ),
    "correction.ok": (
        "The rule {rule} gives the corrected value {corrected}, at a humidity of {humidity} %.",
        "De regel {rule} geeft de gecorrigeerde waarde {corrected}, bij een vochtigheid van {humidity} %.",
    ),
    "correction.false": (
        "The rule {rule} does not give the corrected value {corrected}, but {computed}.",
        "De regel {rule} geeft niet de gecorrigeerde waarde {corrected}, maar {computed}.",
    ),
    "correction.withheld": (
        "No corrected value is published. The rule {rule} gives {computed}; the file does not prove the reason.",
        "Er is geen gecorrigeerde waarde. De regel {rule} geeft {computed}; het bestand bewijst de reden niet.",
    ),
    "correction.library": (
        "The corrected value {corrected} was not computed again: this needs piekwacht[gateway].",
        "De gecorrigeerde waarde {corrected} is niet opnieuw berekend: daarvoor is piekwacht[gateway] nodig.",
    ),
    "correction.document": (
        "The corrected value {corrected} was not computed again: no proven rule {rule} is in the file.",
        "De gecorrigeerde waarde {corrected} is niet opnieuw berekend: er is geen bewezen regel {rule} in het bestand.",
    ),
    "correction.version": (
        "The corrected value {corrected} was not computed again: this program does not have the rule {rule}.",
        "De gecorrigeerde waarde {corrected} is niet opnieuw berekend: dit programma heeft de regel {rule} niet.",
    ),
    "correction.minute": (
        "The rule {rule} gives {corrected} with the batches in the file, which may not be all of that minute.",
        "De regel {rule} geeft {corrected} met de batches in het bestand; misschien zijn dat niet alle van die minuut.",
    ),
    "correction.dated": (
        "The corrected value {corrected} was not computed again: the gateway changed the time of the value.",
        "De gecorrigeerde waarde {corrected} is niet opnieuw berekend: de gateway veranderde de tijd van de waarde.",
    ),
    "correction.batches": (
        "The corrected value was not computed again: a batch is false.",
        "De gecorrigeerde waarde is niet opnieuw berekend: een batch is onwaar.",
    ),
    "rule.ok": ("{title} is leaf {index} of the log.", "{title} is blad {index} van het logboek."),
    "rule.false": (
        "The rule or parameters are not those of the log: {title}.",
        "De regel of de parameters zijn niet die van het logboek: {title}.",
    ),
    "event.ok": ("{title} is leaf {index} of the log.", "{title} is blad {index} van het logboek."),
    "event.false": (
        "The event is not the one in the log: {title}.",
        "De gebeurtenis is niet die van het logboek: {title}.",
    ),
    "detector.ok": (
        "The event was made by the detector {detector}, whose parameters are in the log.",
        "De gebeurtenis komt van de detector {detector}; de parameters staan in het logboek.",
    ),
    "detector.false": (
        "The parameters in the log are not those of the detector {detector} that made the event.",
        "De parameters in het logboek zijn niet die van de detector {detector} van de gebeurtenis.",
    ),
    "detector.missing": (
        "The file has no parameters of the detector {detector}.",
        "Het bestand heeft geen parameters van de detector {detector}.",
    ),
    "detector.not checked": (
        "The parameters of the detector {detector} were not compared with its label: this needs piekwacht[gateway].",
        "De parameters van de detector {detector} zijn niet vergeleken: daarvoor is piekwacht[gateway] nodig.",
    ),
    "peak.ok": ("The peak of the event is this value: {value}.", "De piek van de gebeurtenis is deze waarde: {value}."),
    "peak.not checked": (
        "The peak of the event is {peak}, and this value is {value}.",
        "De piek van de gebeurtenis is {peak}, en deze waarde is {value}.",
    ),
    "leaves.ok": (
        "The leaves {first} to {last} are all that the log {log} has there; nodes signed their {batches} batches.",
        "De bladen {first} tot en met {last} zijn alle van het logboek {log}; nodes tekenden hun {batches} batches.",
    ),
    "leaves.false": (
        "The leaves {first} to {last} are not proven to be all that the log {log} has there.",
        "Niet bewezen is dat de bladen {first} tot en met {last} alle zijn die het logboek {log} daar heeft.",
    ),
    "state.ok": (
        "The state of the detector before leaf {leaf} is in leaf {index} of the log.",
        "De toestand van de detector vóór blad {leaf} staat in blad {index} van het logboek.",
    ),
    "state.late": (
        "The state of the detector before leaf {leaf} came into the log too late, in leaf {index}.",
        "De toestand van de detector vóór blad {leaf} kwam te laat in het logboek, in blad {index}.",
    ),
    "state.not checked": (
        "The state of the detector before leaf {leaf} is a statement of the operator: the log has no leaf of it.",
        "De toestand van de detector vóór blad {leaf} komt van de beheerder: het logboek heeft er geen blad van.",
    ),
    "state.false": (
        "The state of the detector before leaf {leaf} is not the one in the log.",
        "De toestand van de detector vóór blad {leaf} is niet die van het logboek.",
    ),
    "detection.ok": (
        "The detector {detector} gives the event {event} again, up to revision {revision}, from {batches} batches.",
        "De detector {detector} geeft de gebeurtenis {event} opnieuw, tot versie {revision}, uit {batches} batches.",
    ),
    "detection.false": (
        "The detector {detector} does not give the event {event} again from these batches.",
        "De detector {detector} geeft de gebeurtenis {event} niet opnieuw uit deze batches.",
    ),
    "detection.not checked": (
        "The event {event} was not detected again from this file. The dossier of the event has the batches for it.",
        "De gebeurtenis {event} is niet opnieuw gedetecteerd uit dit bestand. Het dossier ervan heeft de batches.",
    ),
    "detection.library": (
        "The event {event} was not detected again: this needs `pip install 'piekwacht[gateway]'`.",
        "De gebeurtenis {event} is niet opnieuw gedetecteerd: daarvoor is `pip install 'piekwacht[gateway]'` nodig.",
    ),
    "detection.alone": (
        (
            "The event was not detected again: this program has no detector. "
            "`piekwacht verify` of piekwacht[gateway] does it."
        ),
        (
            "De gebeurtenis is niet opnieuw gedetecteerd: dit programma heeft geen detector. "
            "`piekwacht verify` van piekwacht[gateway] doet het."
        ),
    ),
    "detection.version": (
        (
            "The event {event} cannot be repeated with this version: it is of the detector {detector}, this program "
            "has {own}. Install the version of Piekwacht that made it."
        ),
        (
            "De gebeurtenis {event} is met deze versie niet te herhalen: zij is van de detector {detector}, dit "
            "programma heeft {own}. Installeer de versie van Piekwacht die haar maakte."
        ),
    ),
    "detection.inputs": (
        "The event was not detected again: what the detector needs is false or missing.",
        "De gebeurtenis is niet opnieuw gedetecteerd: wat de detector nodig heeft, is onwaar of ontbreekt.",
    ),
    "delivery.ok": (
        "The record of {count} deliveries is leaf {index} of the log.",
        "De lijst van {count} verzendingen is blad {index} van het logboek.",
    ),
    "delivery.false": (
        "The record of deliveries is not in the log.",
        "De lijst van verzendingen staat niet in het logboek.",
    ),
    "time_stamp.ok": (
        "A time-stamp authority confirms that the head of {size} leaves existed at {time}.",
        "Een tijdstempeldienst bevestigt dat de stand van {size} bladen bestond op {time}.",
    ),
    "time_stamp.false": ("The time stamp is not one of this head.", "Het tijdstempel hoort niet bij deze stand."),
    "time_stamp.library": (
        "The time stamp was not checked: this needs piekwacht[gateway].",
        "Het tijdstempel is niet gecontroleerd: daarvoor is piekwacht[gateway] nodig.",
    ),
    "time_stamp.certificate": (
        (
            "The time stamp names {time} for this head. Its signature was not checked: "
            "give the authority with --time-stamp-certificate."
        ),
        (
            "Het tijdstempel noemt {time} voor deze stand. De handtekening is niet gecontroleerd: "
            "geef de dienst met --time-stamp-certificate."
        ),
    ),
    "heads.ok": (
        "The {count} heads of the log {log} belong to one history.",
        "De {count} standen van het logboek {log} horen bij één geschiedenis.",
    ),
    "heads.false": (
        "The heads of the log {log} do not belong to one history.",
        "De standen van het logboek {log} horen niet bij één geschiedenis.",
    ),
    "heads.not checked": (
        "Nothing here shows that the {count} heads of the log {log} belong to one history. `piekwacht log audit` does.",
        (
            "Niets toont hier dat de {count} standen van het logboek {log} bij één geschiedenis horen. "
            "`piekwacht log audit` doet dat."
        ),
    ),
    "reader_head.false": ("The head that you have is false.", "De stand die u zelf hebt, is onwaar."),
    "manifest.ok": (
        "The dossier has the {count} files of its manifest, unchanged. Anyone can write a manifest.",
        "Het dossier heeft de {count} bestanden van zijn lijst, onveranderd. Zo'n lijst kan iedereen maken.",
    ),
    "manifest.false": (
        "The files of the dossier are not those of its manifest.",
        "De bestanden van het dossier zijn niet die van zijn lijst.",
    ),
    "manifest.not checked": (
        "There is no manifest-sha256.txt: files may be missing.",
        "Er is geen manifest-sha256.txt: er kunnen bestanden ontbreken.",
    ),
    "completeness.ok": (
        "The numbers of the batches of {node} have no gap: {first} to {last}.",
        "De nummers van de batches van {node} hebben geen gat: {first} tot en met {last}.",
    ),
    "completeness.not checked": (
        "Batches of {node} are missing here between {first} and {last}: {missing}.",
        "Er ontbreken hier batches van {node} tussen {first} en {last}: {missing}.",
    ),
    "evidence.not checked": ("The dossier has no evidence file.", "Het dossier heeft geen bewijsbestand."),
    "verdict.ok": (
        "True: all {steps} steps were checked and none is false.",
        "Waar: alle {steps} stappen zijn gecontroleerd en geen is onwaar.",
    ),
    "verdict.false": ("Not true: {first}", "Niet waar: {first}"),
    "verdict.not checked": (
        "Nothing is false, but {count} of {steps} steps could not be checked. The first: {first}",
        "Niets is onwaar, maar {count} van {steps} stappen zijn niet te controleren. De eerste: {first}",
    ),
}
OK, FALSE, UNCHECKED = "ok", "false", "not checked"
MAX_EVIDENCE_BYTES, MAX_CHECKPOINT_BYTES, MAX_FILE_BYTES = 16_777_216, 65_536, 1_073_741_824
MAX_FILES, MAX_ITEMS, MAX_HASHES = 20_000, 1_000, 63
FILE_ENDING = ".piekwacht.json"
DETECTION_ENDING = ".piekwacht-detection.json"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProofError(Exception):
    """Why something is false or cannot be read, in a sentence."""


class VerificationStep(NamedTuple):
    """One step of the check: its sentence is `TEXTS[text]`, filled in with `values`; `reason` is a detail."""

    name: str
    state: str
    text: str
    values: Mapping[str, object]
    reason: str
    subject: str = ""

    def describe(self, language: str) -> str:
        """Sentence in this language."""
        sentence = TEXTS[self.text][LANGUAGES.index(language)].format_map(self.values)
        return f"{sentence} ({self.reason})" if self.reason else sentence


def make_step(
    name: str, state: str, variant: str = "", *, values: Mapping[str, object] | None = None, reason: object = ""
) -> VerificationStep:
    """Build a step; its sentence is that of the state or of the variant."""
    return VerificationStep(name, state, f"{name}.{variant or state}", values or {}, str(reason))


# --- Ed25519: RFC 8032, section 5.1.7, without the cofactor; keys of small order are refused

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
D2 = 2 * D % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T: x = X / Z, y = Y / Z, x * y = T / Z."""
IDENTITY: Point = (0, 1, 1, 0)
Table = tuple[tuple[tuple[int, int, int, int], ...], ...]
"""For each of the 64 digits of four bits: its multiples as (Y - X, Y + X, 2 d T, 2 Z)."""


def add(first: Point, second: Point) -> Point:
    """Sum of two points."""
    return add_prepared(first, prepare(second))


def prepare(point: Point) -> tuple[int, int, int, int]:
    """Form of a point that is added often."""
    x, y, z, t = point
    return (y - x) % P, (y + x) % P, D2 * t % P, 2 * z % P


def add_prepared(point: Point, prepared: tuple[int, int, int, int]) -> Point:
    """Sum of a point and a prepared one."""
    x, y, z, t = point
    y_minus_x, y_plus_x, t2d, z2 = prepared
    a, b = (y - x) * y_minus_x % P, (y + x) * y_plus_x % P
    c, d = t * t2d % P, z * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(encoded: bytes) -> Point:
    """Point of 32 bytes. Raises ProofError unless it is on the curve and written in its only form."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        raise ProofError("a key is not written in its only form")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_1 % P
    if v * x * x % P != u or (x == 0 and sign):
        raise ProofError("a key is no point of the curve")
    if x % 2 != sign:
        x = P - x
    return x, y, 1, x * y % P


def encode_point(point: Point) -> bytes:
    """32 bytes of a point."""
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def has_small_order(point: Point) -> bool:
    """Whether eight times the point is the identity."""
    for _ in range(3):
        point = add(point, point)
    return point[0] == 0 and point[1] == point[2]


@cache
def read_key(public: bytes) -> Point:
    """Point of a public key. Raises ProofError for a key whose signatures prove nothing."""
    point = decode_point(public)
    if has_small_order(point):
        raise ProofError("a key has a small order: its signatures fit any text")
    return point


def build_table(point: Point) -> Table:
    """Multiples of a point for `multiply`."""
    rows = []
    for _ in range(64):
        multiple, multiples = IDENTITY, []
        for _ in range(16):
            multiples.append(prepare(multiple))
            multiple = add(multiple, point)
        rows.append(tuple(multiples))
        point = multiple
    return tuple(rows)


def multiply(table: Table, scalar: int, start: Point) -> Point:
    """Return start + scalar * (the point of the table); the scalar is below 2**256."""
    for row in table:
        if scalar & 15:
            start = add_prepared(start, row[scalar & 15])
        scalar >>= 4
    return start


@cache
def base_table() -> Table:
    """Table of the base point."""
    return build_table(decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little")))


@lru_cache(maxsize=32)
def negated_table(public: bytes) -> Table:
    """Table of minus the point of a key."""
    x, y, z, t = read_key(public)
    return build_table((P - x, y, z, P - t))


def is_valid_pure(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the signature (64 bytes) of the text was made with the key (32 bytes); in Python alone."""
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % ORDER
    result = multiply(negated_table(public), digest, multiply(base_table(), scalar, IDENTITY))
    return encode_point(result) == signature[:32]


def is_valid_fast(public: bytes, signature: bytes, text: bytes) -> bool:
    """The same by the library `cryptography`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def is_valid(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether a signature is valid. Never for a weak key."""
    try:
        read_key(public)
    except ProofError:
        return False
    return (is_valid_pure if Ed25519PublicKey is None else is_valid_fast)(public, signature, text)


# --- signed notes, checkpoints, proofs and policies


def decode_base64(text: str | bytes) -> bytes:
    """Bytes of base64 that is written in its only form. Raises ProofError."""
    encoded = text.encode() if isinstance(text, str) else text
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ProofError("a text is not base64") from None
    if base64.b64encode(raw) != encoded:
        raise ProofError("base64 is not written in its only form")
    return raw


class Key(NamedTuple):
    """A public key: name, key id (4 bytes), key (32 bytes)."""

    name: str
    key_id: bytes
    public: bytes


def read_verifier(text: str, algorithm: bytes = b"\x01") -> Key:
    """Read `<name>+<key id>+<base64>`. Raises ProofError, also for a weak key."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not parts[0] or re.search(r"\s", parts[0]):
        raise ProofError("a key reads <name>+<key id>+<base64>")
    name, key_id, encoded = parts
    raw = decode_base64(encoded)
    if raw[:1] != algorithm or len(raw) != 33:
        raise ProofError(f"the key of {name} is of another kind")
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if expected.hex() != key_id:
        raise ProofError(f"the key of {name} does not match its own key id")
    read_key(raw[1:])
    return Key(name, expected, raw[1:])


Signature = tuple[str, bytes, bytes]
"""(name, key id, signature)."""


def split_note(note: bytes) -> tuple[bytes, list[Signature]]:
    """Text and signatures of a signed note. Raises ProofError."""
    end = note.rfind(b"\n\n")
    dash = "— ".encode()
    if end < 0 or not note[end + 2 :].startswith(dash) or not note.endswith(b"\n"):
        raise ProofError("there is no block of signatures")
    signatures = []
    for line in note[end + 2 : -1].split(b"\n"):
        name, space, encoded = line[len(dash) :].partition(b" ")
        blob = decode_base64(encoded)
        if not line.startswith(dash) or not space or len(blob) <= 4:
            raise ProofError("a line of a signature cannot be read")
        signatures.append((decode_text(name), blob[:4], blob[4:]))
    return note[: end + 1], signatures


def decode_text(raw: bytes) -> str:
    """Text of UTF-8. Raises ProofError."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ProofError("a text is not UTF-8") from None


def find_signature(key: Key, signatures: Sequence[Signature]) -> bytes | None:
    """The first signature under this name and key id."""
    return next((item for name, key_id, item in signatures if (name, key_id) == (key.name, key.key_id)), None)


def open_note(note: bytes, key: Key) -> bytes:
    """Text of a note that this key signed. Raises ProofError."""
    text, signatures = split_note(note)
    signature = find_signature(key, signatures)
    if signature is None:
        raise ProofError(f"no signature by {key.name} (key {key.key_id.hex()})")
    if len(signature) != 64 or not is_valid(key.public, signature, text):
        raise ProofError(f"the signature by {key.name} does not fit the text")
    return text


class Checkpoint(NamedTuple):
    """Head of a log: its name, number of leaves and root."""

    origin: str
    size: int
    root: bytes


def read_checkpoint(note: bytes) -> Checkpoint:
    """Read a signed checkpoint without checking signatures. Raises ProofError."""
    if len(note) > MAX_CHECKPOINT_BYTES:
        raise ProofError("the checkpoint is too long")
    text, _ = split_note(note)
    lines = decode_text(text).split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise ProofError("a checkpoint has three lines: origin, size, root")
    root = decode_hash(lines[2])
    if lines[1] == "0" and root != hashlib.sha256(b"").digest():
        raise ProofError("the checkpoint of an empty log has another root than that of the empty tree")
    return Checkpoint(lines[0], int(lines[1]), root)


def decode_hash(text: str) -> bytes:
    """32 bytes of base64. Raises ProofError."""
    raw = decode_base64(text)
    if len(raw) != 32:
        raise ProofError("a hash has 32 bytes")
    return raw


class Policy(NamedTuple):
    """Logs by origin, witnesses and groups by name, and the name of the quorum (None: no witness)."""

    logs: dict[str, Key]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, list[str]]]
    quorum: str | None

    def describe(self) -> str:
        """The quorum in any language: `2/3 (a, b, c)`, the name of one witness, or `-`."""
        if self.quorum not in self.groups:
            return self.quorum or "-"
        threshold, members = self.groups[self.quorum]
        return f"{threshold}/{len(members)} ({', '.join(members)})"

    def is_met(self, name: str, present: set[str]) -> bool:
        """Whether the witnesses that signed fulfil this group or are this witness."""
        if name not in self.groups:
            return name in present
        threshold, members = self.groups[name]
        return sum(self.is_met(member, present) for member in members) >= threshold


def read_policy(text: str) -> Policy:
    """Read a policy. Raises ProofError."""
    policy, publics = Policy({}, {}, {}, None), set()
    quorums: list[str] = []
    for line in text.split("\n"):
        words = line.replace("\t", " ").split()
        if not words or words[0].startswith("#"):
            continue
        kind, count = words[0], len(words) - 1
        if kind == "log" and count in {1, 2}:
            key = read_verifier(words[1])
            policy.logs[key.name] = key
        elif kind == "witness" and count in {2, 3}:
            check_new(policy, words[1])
            key = policy.witnesses[words[1]] = read_verifier(words[2], b"\x04")
        elif kind == "group" and count >= 3:
            check_new(policy, words[1])
            policy.groups[words[1]] = read_group(policy, words)
            continue
        elif kind == "quorum" and count == 1 and not quorums:
            quorums.append(words[1])
            if words[1] != "none":
                check_defined(policy, words[1])
            continue
        else:
            raise ProofError(f"a line of the policy cannot be read: {line[:80]}")
        if key.public in publics:
            raise ProofError(f"the policy has the key of {key.name} twice")
        publics.add(key.public)
    if not quorums:
        raise ProofError("the policy has no line `quorum`")
    return policy._replace(quorum=None if quorums[0] == "none" else quorums[0])


def check_new(policy: Policy, name: str) -> None:
    """Raise ProofError if the name is taken."""
    if name == "none" or name in policy.witnesses or name in policy.groups:
        raise ProofError(f"the policy has the name {name} twice")


def check_defined(policy: Policy, name: str) -> None:
    """Raise ProofError unless an earlier line defines the name."""
    if name not in policy.witnesses and name not in policy.groups:
        raise ProofError(f"the policy does not define {name} on an earlier line")


def read_group(policy: Policy, words: Sequence[str]) -> tuple[int, list[str]]:
    """Threshold and members of a group."""
    members = list(words[3:])
    for member in members:
        check_defined(policy, member)
    threshold = {"any": "1", "all": str(len(members))}.get(words[2], words[2])
    if len(set(members)) != len(members) or not (threshold.isascii() and threshold.isdecimal()):
        raise ProofError(f"the group {words[1]} cannot be read")
    if not 1 <= int(threshold) <= len(members):
        raise ProofError(f"the group {words[1]} has a threshold that cannot be met")
    return int(threshold), members


class Head(NamedTuple):
    """A checkpoint, what is wrong with it (empty: nothing), and the times (s) of the witnesses that signed it."""

    checkpoint: Checkpoint | None
    log_fault: str
    witness_fault: str
    times: dict[str, int]


def judge_head(policy: Policy, note: bytes) -> Head:
    """Judge a signed checkpoint by a policy."""
    checkpoint = None
    try:
        checkpoint = read_checkpoint(note)
        if checkpoint.origin not in policy.logs:
            raise ProofError(f"the policy does not know the log {checkpoint.origin}")
        text = open_note(note, policy.logs[checkpoint.origin])
    except ProofError as error:
        return Head(checkpoint, str(error), "the log did not sign it", {})
    try:
        return Head(checkpoint, "", "", check_witnesses(policy, note, text))
    except ProofError as error:
        return Head(checkpoint, "", str(error), {})


def check_witnesses(policy: Policy, note: bytes, text: bytes) -> dict[str, int]:
    """Times (s since 1970) by name of the key of each witness that signed. Raises ProofError."""
    times, present = {}, set()
    for name, key in policy.witnesses.items():
        blob = find_signature(key, split_note(note)[1])
        if blob is None:
            continue
        time = int.from_bytes(blob[:8], "big")
        if time >= 2**63 or not is_valid(key.public, blob[8:], f"cosignature/v1\ntime {time}\n".encode() + text):
            raise ProofError(f"the cosignature by {key.name} does not fit the checkpoint")
        times[key.name] = time
        present.add(name)
    if policy.quorum is not None and not policy.is_met(policy.quorum, present):
        raise ProofError(f"{', '.join(sorted(present)) or 'nobody'} signed")
    return times


class Membership(NamedTuple):
    """That a leaf has this index under this head; `fault`: why the proof does not show it."""

    leaf_index: int
    head: Head
    fault: str

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.head.checkpoint.origin if self.head.checkpoint else ""

    @property
    def first_fault(self) -> str:
        """The first fault of proof, log or witnesses."""
        return self.fault or self.head.log_fault or self.head.witness_fault


NO_HEAD = Head(None, "no head can be read", "no head can be read", {})


class Judge:
    """Judges proofs by one policy, and each head and proof once. `is_own`: the reader gave the policy."""

    def __init__(self, policy: Policy, *, is_own: bool) -> None:
        self.policy, self.is_own = policy, is_own
        self.heads: dict[bytes, Head] = {}
        self.memberships: dict[tuple[bytes, str], Membership] = {}

    def judge_head(self, note: bytes) -> Head:
        """Judge a head."""
        if note not in self.heads:
            self.heads[note] = judge_head(self.policy, note)
        return self.heads[note]

    def find_leaf(self, entry: bytes, proof: str) -> Membership:
        """Check a `.tlog-proof` of an entry."""
        key = hashlib.sha256(b"\x00" + entry).digest(), proof
        if key not in self.memberships:
            self.memberships[key] = self.check_proof(*key)
        return self.memberships[key]

    def check_proof(self, leaf_hash: bytes, proof: str) -> Membership:
        """Check a `.tlog-proof` of a leaf."""
        try:
            index, hashes, note = read_proof(proof.encode())
        except ProofError as error:
            return Membership(-1, NO_HEAD, str(error))
        head = self.judge_head(note)
        if head.checkpoint is None:
            return Membership(index, head, head.log_fault)
        try:
            check_inclusion(index, head.checkpoint, leaf_hash, hashes)
        except ProofError as error:
            return Membership(index, head, str(error))
        return Membership(index, head, "")


def read_proof(content: bytes) -> tuple[int, list[bytes], bytes]:
    """Index, hashes and checkpoint of a `.tlog-proof`; a line `extra` is read over. Raises ProofError."""
    top, separator, note = content.partition(b"\n\n")
    lines = decode_text(top).split("\n")
    if len(content) > MAX_CHECKPOINT_BYTES + 16_384 or not separator or lines[0] != "c2sp.org/tlog-proof@v1":
        raise ProofError("a proof begins with c2sp.org/tlog-proof@v1 and has an empty line before the checkpoint")
    if not top.isascii():
        raise ProofError("the proof is not ASCII")
    body = lines[2:] if lines[1:2] and lines[1].startswith("extra ") else lines[1:]
    match = re.fullmatch("index (0|[1-9][0-9]{0,18})", body[0]) if body else None
    if match is None or len(body) - 1 > MAX_HASHES:
        raise ProofError("the proof has no line `index`, or too many hashes")
    return int(match[1]), [decode_hash(line) for line in body[1:]], note


def check_inclusion(index: int, checkpoint: Checkpoint, leaf_hash: bytes, hashes: Sequence[bytes]) -> None:
    """Raise ProofError unless the hashes lead from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if index >= checkpoint.size:
        raise ProofError(f"a log of {checkpoint.size} leaves has no leaf {index}")
    node, last, root = index, checkpoint.size - 1, leaf_hash
    for sibling in hashes:
        if last == 0:
            raise ProofError("the proof is longer than the path to the root")
        if node % 2 or node == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        node, last = node // 2, last // 2
    if last or root != checkpoint.root:
        raise ProofError(f"the proof of leaf {index} does not lead to the root of {checkpoint.size} leaves")


# --- evidence files

LEAF_FIELDS = {
    "batch": 3, "node-key": 4, "calibration": 4, "correction-rule": 2, "detector": 1, "detector-state": 2,
    "event": 2, "delivery": 1, "removed": 3,
}  # fmt: skip
MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
NUMBER = (int, float)
PROVEN: Mapping[str, Any] = {"leaf": (str,), "proof": (str,)}
BATCH = {"node": (str,), "incarnation": (str,), "number": (int,), "signed": (str,), "proof": (str,)}
CLAIM = {
    "station": (str,), "node": (str,), "property": (str,), "observed_at": (str,), "value": (*NUMBER, type(None)),
    "flags": (int,), "published": (dict,),
}  # fmt: skip
PUBLISHED = {
    "value": (*NUMBER, type(None)), "flags": (list,), "corrected": (*NUMBER, type(None)), "rule": (str, type(None)),
}  # fmt: skip
FILE = {"claim": (dict, type(None)), "batch": (dict,), "node_key": (dict,), "policy": (str,)}
LISTS: Mapping[str, str] = {"events": "document", "deliveries": "", "rules": "document", "minute_batches": "batch"}


def load_json(content: bytes, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON strictly: no key twice, no NaN, no half characters. Raises ProofError."""
    try:
        value = json.loads(content.decode(), object_pairs_hook=make_object, parse_constant=refuse, parse_float=to_float)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ProofError(f"{name} is not JSON: {error}") from None
    return value


def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Object of its pairs. Raises ProofError if a key stands twice."""
    if len(dict(pairs)) != len(pairs):
        raise ProofError("a key stands twice in one object")
    return dict(pairs)


def refuse(name: str) -> None:
    """Raise ProofError for NaN and Infinity."""
    raise ProofError(f"{name} stands where JSON has a number")


def to_float(text: str) -> float:
    """Float of a text. Raises ProofError beyond the range of numbers."""
    value = float(text)
    if math.isinf(value):
        raise ProofError("a number is too large")
    return value


def check_fields(value: Any, fields: Mapping[str, Any], optional: Sequence[str] = ()) -> None:  # noqa: ANN401 - any JSON
    """Raise ProofError unless the object has these fields with these types, and no others."""
    if type(value) is not dict or not fields.keys() <= value.keys() <= fields.keys() | set(optional):
        raise ProofError(f"an object does not have the fields {', '.join(fields)}")
    for name, types in fields.items():
        if type(value[name]) not in types:
            raise ProofError(f"the field {name} has another type")


def read_evidence(content: bytes) -> dict[str, Any]:
    """Read an evidence file. Raises ProofError."""
    if len(content) > MAX_EVIDENCE_BYTES:
        raise ProofError(f"the file has more than {MAX_EVIDENCE_BYTES} bytes")
    evidence: dict[str, Any] = load_json(content, "the file")
    check_fields(evidence, FILE, ("format", "time_stamp", *LISTS))
    if evidence.setdefault("format", "piekwacht/evidence@v1") != "piekwacht/evidence@v1":
        raise ProofError("the file has another format")
    check_fields(evidence["batch"], BATCH)
    check_fields(evidence["node_key"], PROVEN)
    for name, kind in LISTS.items():
        items = evidence.setdefault(name, [])
        if type(items) is not list or len(items) > MAX_ITEMS:
            raise ProofError(f"{name} is no list of at most {MAX_ITEMS}")
        for item in items:
            check_fields(item, {"": PROVEN, "document": {**PROVEN, "document": (str,)}, "batch": BATCH}[kind])
    if evidence["claim"] is not None:
        check_claim(evidence["claim"])
    if evidence.setdefault("time_stamp", None) is not None:
        check_fields(evidence["time_stamp"], {"size": (int,), "token": (str,)})
    return evidence


def check_claim(claim: dict[str, Any]) -> None:
    """Raise ProofError unless the claim has its form; numbers become floats."""
    check_fields(claim, CLAIM, ("stamped_at",))
    check_fields(claim["published"], PUBLISHED)
    stamped_at = claim.setdefault("stamped_at", None)
    times = [claim["observed_at"], *([] if stamped_at is None else [stamped_at])]
    if not all(type(text) is str and re.fullmatch(MOMENT + r"\.[0-9]{3}Z", text) for text in times):
        raise ProofError("a time of the claim has another form")
    if not 0 <= claim["flags"] < 2**31 or not all(type(name) is str for name in claim["published"]["flags"]):
        raise ProofError("the flags of the claim cannot be read")
    for place, name in ((claim, "value"), (claim["published"], "value"), (claim["published"], "corrected")):
        try:
            place[name] = None if place[name] is None else float(place[name])
        except OverflowError:
            raise ProofError("a number is too large") from None


def read_leaf(text: str) -> tuple[str, list[str], str]:
    """Kind, fields and content of a leaf. Raises ProofError."""
    lines = text.split("\n")
    match = re.fullmatch("piekwacht/([a-z-]+)@v1", lines[0])
    if len(lines) != 4 or lines[3] or match is None or match[1] not in LEAF_FIELDS:
        raise ProofError("a leaf has three lines and a kind that is in the list")
    fields = lines[1].split(" ")
    if len(fields) != LEAF_FIELDS[match[1]] or not all(re.fullmatch("[!-~]{1,200}", field) for field in fields):
        raise ProofError(f"a leaf {match[1]} has {LEAF_FIELDS[match[1]]} fields")
    if not re.fullmatch("[!-~]{1,1000}", lines[2]):
        raise ProofError("the content of a leaf cannot be read")
    return match[1], fields, lines[2]


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of a time in UTC. Raises ProofError."""
    if not re.fullmatch(MOMENT + r"(\.[0-9]{3}|\.[0-9]{6})?Z", text):
        raise ProofError("a time cannot be read")
    try:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        raise ProofError("a time cannot be read") from None


def hash_content(content: bytes) -> str:
    """Base64 of the SHA-256."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


# --- batches

FLAGS = (
    "warm_up", "cleaning", "out_of_range", "stale", "checksum_retry", "stuck", "humidity", "clock_unsynced",
    "size_extrapolated", "sensor_fault", "jump", "neighbour_disagrees", "maintenance", "calibration_expired",
    "time_suspect",
)  # fmt: skip
EXCLUDED = {"warm_up", "cleaning", "out_of_range", "stale", "stuck", "sensor_fault", "maintenance", "time_suspect"}
PATTERNS = {
    "node": re.compile("[a-z0-9][a-z0-9-]{0,62}"),
    "inc": re.compile("[a-z2-7]{12}"),
    "boot": re.compile("[!-~]{1,64}"),
}


def name_flags(flags: int) -> list[str]:
    """Names of the flags of a value; an unknown bit is its number."""
    bits = (bit for bit in range(flags.bit_length()) if flags >> bit & 1)
    return [FLAGS[bit] if bit < len(FLAGS) else str(1 << bit) for bit in bits]


def read_batch(text: bytes) -> dict[str, Any]:
    """Read the text of a batch, as the gateway does. Raises ProofError."""
    batch: dict[str, Any] = load_json(text, "the batch")
    if type(batch) is not dict or batch.get("v") != 1 or type(batch["v"]) is bool:
        raise ProofError("the batch is no JSON object of version 1")
    for name, pattern in PATTERNS.items():
        if type(batch.get(name)) is not str or not pattern.fullmatch(batch[name]):
            raise ProofError(f"the batch has no {name}")
    if not is_integer(batch.get("seq"), 1, 2**62 - 1) or not is_integer(batch.get("t0"), -(2**52), 2**52):
        raise ProofError("the batch has no number or no time")
    check_columns(batch)
    return batch


def check_columns(batch: dict[str, Any]) -> None:
    """Raise ProofError unless all columns of a batch are lists of numbers of the same length."""
    dt, values, flags = batch.get("dt"), batch.get("values"), batch.setdefault("flags", {})
    if type(dt) is not list or not dt or not all(is_integer(item, -(2**52), 2**52) for item in dt):
        raise ProofError("the batch has no times of readings")
    if type(values) is not dict or not values or type(flags) is not dict or not flags.keys() <= values.keys():
        raise ProofError("the batch has no values")
    for name, column in values.items():
        if not re.fullmatch("[a-z][a-z0-9_]{0,31}", name) or type(column) is not list or len(column) != len(dt):
            raise ProofError(f"the values of {name} cannot be read")
        if not all(item is None or type(item) in NUMBER for item in column):
            raise ProofError(f"the values of {name} are no numbers")
    for name, column in flags.items():
        if type(column) is not list or len(column) != len(dt) or not all(is_integer(i, 0, 2**31 - 1) for i in column):
            raise ProofError(f"the flags of {name} cannot be read")


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether the value is an integer in these bounds."""
    return type(value) is int and low <= value <= high


def stamps_of(batch: Mapping[str, Any] | None) -> list[int]:
    """Times of the readings of a batch, in ms since 1970."""
    return [] if batch is None else [batch["t0"] + offset for offset in batch["dt"]]


def readings_of(batch: Mapping[str, Any], name: str, at_ms: int) -> list[tuple[float | None, int]]:
    """(value, flags) of a property in a batch at this time."""
    values = batch["values"].get(name, [])
    flags = batch["flags"].get(name) or [0] * len(values)
    pairs = zip(stamps_of(batch), values, flags, strict=False)
    return [(None if value is None else float(value), bits) for stamp, value, bits in pairs if stamp == at_ms]


class Opened(NamedTuple):
    """A batch, or None if it cannot be read or is another one; where it is in the log; its steps."""

    batch: dict[str, Any] | None
    membership: Membership
    steps: list[VerificationStep]


def check_batch(evidence: Mapping[str, Any], item: Mapping[str, Any], judge: Judge) -> Opened:
    """Signature, contents, inclusion, head, witnesses and key of a batch."""
    node, number = item["node"], item["number"]
    try:
        payload = decode_base64(item["signed"])
        entry = f"piekwacht/batch@v1\n{node} {item['incarnation']} {number}\n{hash_content(payload)}\n"
        read_leaf(entry)
    except ProofError as error:
        opened = Opened(None, Membership(-1, NO_HEAD, str(error)), [])
        opened.steps.append(make_step("batch", FALSE, reason=error, values={"node": node, "number": number}))
    else:
        opened = open_payload(evidence, item, payload, judge.find_leaf(entry.encode(), item["proof"]), judge)
    opened.steps.append(check_node_key(evidence, opened, node, judge))
    return opened


def open_payload(
    evidence: Mapping[str, Any], item: Mapping[str, Any], payload: bytes, membership: Membership, judge: Judge
) -> Opened:
    """Steps of a batch apart from that of the node's key."""
    node, number, batch = item["node"], item["number"], None
    try:
        key = read_node_key(evidence["node_key"]["leaf"])[4]
        open_note(payload, key)
        variant = "notary" if node.startswith("guest-") else ""
        steps = [make_step("signature", OK, variant, values={"node": node, "bytes": len(payload)})]
    except UnreadableKeyError:
        steps = [make_step("signature", UNCHECKED, values={"node": node})]
    except ProofError as error:
        steps = [make_step("signature", FALSE, reason=error, values={"node": node})]
    try:
        batch = read_batch(split_note(payload)[0])
        if (batch["node"], batch["inc"], batch["seq"]) != (node, item["incarnation"], number):
            batch = None
            raise ProofError("the bytes are another batch")
        steps.append(make_step("batch", OK, values={"node": node, "number": number}))
    except ProofError as error:
        steps.append(make_step("batch", FALSE, reason=error, values={"node": node, "number": number}))
    return Opened(batch, membership, steps + describe_membership(membership, judge))


def describe_membership(membership: Membership, judge: Judge) -> list[VerificationStep]:
    """Steps of inclusion, head and witnesses."""
    head = membership.head
    size = head.checkpoint.size if head.checkpoint else 0
    place = {"index": membership.leaf_index, "size": size, "log": membership.origin or "?"}
    witnesses = {"witnesses": ", ".join(head.times) or "-", "quorum": judge.policy.describe()}
    variant = "" if judge.is_own else "file"
    state = FALSE if head.witness_fault else UNCHECKED if judge.policy.quorum is None else OK
    return [
        make_step("inclusion", FALSE if membership.fault else OK, reason=membership.fault, values=place),
        make_step(
            "checkpoint",
            FALSE if head.log_fault else OK,
            "" if head.log_fault else variant,
            reason=head.log_fault,
            values=place,
        ),
        make_step("witnesses", state, variant if state == OK else "", reason=head.witness_fault, values=witnesses),
    ]


class UnreadableKeyError(ProofError):
    """The leaf with the node's key cannot be read."""


def read_node_key(text: str) -> tuple[str, str, int, int, Key]:
    """Node, station, begin and end (ms) and key of a leaf. Raises UnreadableKeyError."""
    try:
        kind, fields, content = read_leaf(text)
        if kind != "node-key":
            raise ProofError(f"the leaf is of the kind {kind}")
        start = -(2**62) if fields[2] == "-" else parse_time(fields[2])
        end = 2**62 if fields[3] == "-" else parse_time(fields[3])
        key = read_verifier(content)
        if key.name != fields[0]:
            raise ProofError(f"the key has the name {key.name}")
    except ProofError as error:
        raise UnreadableKeyError(str(error)) from None
    return fields[0], fields[1], start, end, key


def check_node_key(evidence: Mapping[str, Any], opened: Opened, node: str, judge: Judge) -> VerificationStep:
    """Step of the node's key: in the same log, before the batch, for this node, station and time."""
    leaf, claim = evidence["node_key"]["leaf"], evidence["claim"]
    place = judge.find_leaf(leaf.encode(), evidence["node_key"]["proof"])
    try:
        key_node, station, start, end, _ = read_node_key(leaf)
        check_same_log(place, opened.membership)
        if place.leaf_index >= opened.membership.leaf_index:
            raise ProofError(f"the key is leaf {place.leaf_index}: it was added after the batch")
        if key_node != node or (claim is not None and claim["station"] != station):
            raise ProofError(f"the key belongs to {key_node} at {station}")
        stamps = stamps_of(opened.batch) if claim is None else [parse_time(claim["observed_at"])]
        if not stamps or not (start <= min(stamps) and max(stamps) < end):
            raise ProofError("the key was not valid at that time")
    except ProofError as error:
        return make_step("node_key", FALSE, reason=error, values={"node": node})
    return make_step("node_key", OK, values={"node": node, "station": station, "index": place.leaf_index})


def check_same_log(place: Membership, batch: Membership) -> None:
    """Raise ProofError unless the leaf is in the log of the batch."""
    if place.first_fault:
        raise ProofError(place.first_fault)
    if place.origin != batch.origin:
        raise ProofError(f"it is in the log {place.origin}, the batch in {batch.origin or 'none'}")


# --- values, rules, events


def format_value(value: float | None) -> str:
    """Text of a value."""
    return "null" if value is None else repr(value)


def check_value(claim: Mapping[str, Any], opened: Opened) -> list[VerificationStep]:
    """Steps of the claimed value and its time."""
    stamped_at = claim["stamped_at"] or claim["observed_at"]
    flags = " ".join(name_flags(claim["flags"])) or "-"
    values = {"property": claim["property"], "time": stamped_at, "value": format_value(claim["value"]), "flags": flags}
    try:
        if opened.batch is None or claim["node"] != opened.batch["node"]:
            raise ProofError("the batch of this node cannot be read")
        readings = readings_of(opened.batch, claim["property"], parse_time(stamped_at))
        if (claim["value"], claim["flags"]) not in readings:
            listing = "; ".join(f"the node sent {format_value(value)} with flags {bits}" for value, bits in readings)
            raise ProofError(listing or "no reading of this property at that time")
    except ProofError as error:
        return [make_step("value", FALSE, reason=error, values=values)]
    steps = [make_step("value", OK, values=values)]
    if stamped_at != claim["observed_at"]:
        steps.append(make_step("dated", UNCHECKED, values={"stamped": stamped_at, "time": claim["observed_at"]}))
    return steps


def check_published(claim: Mapping[str, Any]) -> VerificationStep:
    """Step of the published value."""
    published, node_flags = claim["published"], set(name_flags(claim["flags"]))
    flags, value = set(published["flags"]), published["value"]
    added = sorted(flags - node_flags)
    values = {"value": format_value(value), "flags": " ".join(published["flags"]) or "-", "added": " ".join(added)}
    if not node_flags <= flags or not flags <= set(FLAGS):
        return make_step("published", FALSE, reason="flags are missing or unknown", values=values)
    if value is None and claim["value"] is not None and not flags & EXCLUDED:
        return make_step("published", FALSE, reason="the value is withheld without a reason", values=values)
    if value is not None and value != claim["value"]:
        return make_step("published", FALSE, reason=f"the node sent {format_value(claim['value'])}", values=values)
    if added:
        return make_step("published", UNCHECKED, values=values)
    return make_step("published", OK, "withheld" if value is None else "", values=values)


class Document(NamedTuple):
    """A document that is in the log."""

    kind: str
    fields: list[str]
    text: str
    value: Any


def check_document(
    name: str, item: Mapping[str, str], batch: Membership, judge: Judge
) -> tuple[Document | None, VerificationStep]:
    """Step whether a document is the one in the log."""
    place = judge.find_leaf(item["leaf"].encode(), item["proof"])
    title = " ".join(item["leaf"].split("\n")[:2])[:200]
    try:
        kind, fields, content = read_leaf(item["leaf"])
        if kind not in ({"event"} if name == "event" else {"correction-rule", "calibration", "detector"}):
            raise ProofError(f"the leaf is of the kind {kind}")
        if hash_content(item["document"].encode()) != content:
            raise ProofError("the document has another hash than its leaf")
        value = load_json(item["document"].encode(), "the document")
        if kind == "event" and (type(value) is not dict or [value.get("id"), str(value.get("revision"))] != fields):
            raise ProofError("the document is of another revision or event")
        check_same_log(place, batch)
    except ProofError as error:
        return None, make_step(name, FALSE, reason=error, values={"title": title})
    return Document(kind, fields, item["document"], value), make_step(
        name, OK, values={"title": title, "index": place.leaf_index}
    )


def check_event(
    event: Document, rules: Sequence[Document], claim: Mapping[str, Any] | None
) -> Iterator[VerificationStep]:
    """Steps that follow from a proven event."""
    label = str(event.value.get("detector"))
    texts = [rule.text for rule in rules if rule.kind == "detector" and rule.fields == [label]]
    digest = label.rpartition("#")[2]
    if not texts:
        yield make_step("detector", UNCHECKED, "missing", values={"detector": label})
    elif len(digest) >= 8 and hashlib.sha256(texts[0].encode()).hexdigest()[: len(digest)] == digest:
        yield make_step("detector", OK, values={"detector": label})
    else:
        yield make_step("detector", UNCHECKED, values={"detector": label})
    keys = (("station", "station"), ("property", "observedProperty"), ("observed_at", "peakAt"))
    if claim is not None and all(claim[own] == event.value.get(key) for own, key in keys):
        peak = event.value.get("peak")
        state = OK if type(peak) in NUMBER and peak == claim["value"] else UNCHECKED
        yield make_step("peak", state, values={"peak": peak, "value": format_value(claim["value"])})
    yield make_step("detection", UNCHECKED, values={"event": event.fields[0]})


def check_delivery(item: Mapping[str, str], batch: Membership, judge: Judge) -> VerificationStep:
    """Step of the head of a delivery record."""
    place = judge.find_leaf(item["leaf"].encode(), item["proof"])
    try:
        kind, fields, _ = read_leaf(item["leaf"])
        if kind != "delivery":
            raise ProofError(f"the leaf is of the kind {kind}")
        check_same_log(place, batch)
    except ProofError as error:
        return make_step("delivery", FALSE, reason=error)
    return make_step("delivery", OK, values={"count": fields[0], "index": place.leaf_index})


# --- the corrected value: Crilley et al. 2018, doi:10.5194/amt-11-709-2018, equations 5 and 6

RULE = ("kappa-koehler", "2")
RULE_PROPERTIES = ("pm1", "pm2_5", "pm4", "pm10")
PARAMETERS = {"kappa": 0.3, "density": 1.65, "highestWaterActivity": 0.95}
MINUTE_MS = 60_000
LARGEST_MAGNITUDE = 1e9


def correct(value: float | None, humidity: float | None) -> float | None:
    """Mass concentration of dry particles; None if there is no value or humidity, or it is too humid."""
    value, humidity = round_figure(value), round_figure(humidity)
    if value is None or humidity is None or not 0 <= humidity <= 100:
        return None
    activity = humidity / 100
    if activity > PARAMETERS["highestWaterActivity"]:
        return None
    growth = 1 + PARAMETERS["kappa"] / PARAMETERS["density"] * activity / (1 - activity)
    return round_figure(value / growth)


def round_figure(value: float | None) -> float | None:
    """Value with twelve significant digits."""
    return None if value is None else float(f"{value:.12g}")


def check_correction(
    claim: Mapping[str, Any], rules: Sequence[Document], batches: Sequence[Opened]
) -> VerificationStep:
    """Step of the corrected value, from the humidity in these batches."""
    published = claim["published"]
    values = {"rule": published["rule"] or "-", "corrected": format_value(published["corrected"])}
    if claim["stamped_at"] not in {None, claim["observed_at"]}:
        return make_step("correction", UNCHECKED, "dated", values=values)
    if (published["rule"] or "").startswith("calibration/"):
        return check_calibration(claim, rules, batches, values)
    name = tuple((published["rule"] or "").split(" "))
    documents = [rule for rule in rules if rule.kind == "correction-rule" and tuple(rule.fields) == name]
    if not documents:
        return make_step("correction", UNCHECKED, "document", values=values)
    if name != RULE or claim["property"] not in RULE_PROPERTIES:
        return make_step("correction", UNCHECKED, "version", values=values)
    if type(documents[0].value) is not dict or documents[0].value.get("parameters") != PARAMETERS:
        return make_step(
            "correction", FALSE, reason="the rule in the log has other parameters", values={"computed": "?", **values}
        )
    try:
        minute_ms = parse_time(claim["observed_at"]) // MINUTE_MS * MINUTE_MS
    except ProofError as error:
        return make_step("correction", FALSE, reason=error, values={"computed": "?", **values})
    humidity = mean_humidity(batches, minute_ms)
    computed = None if set(published["flags"]) & EXCLUDED else correct(claim["value"], humidity)
    values |= {"computed": format_value(computed), "humidity": format_value(humidity)}
    if published["corrected"] is None and computed is not None:
        return make_step("correction", UNCHECKED, "withheld", values=values)
    if not is_close(computed, published["corrected"]):
        return make_step("correction", FALSE, values=values)
    if not is_covered([opened.batch for opened in batches if opened.batch], minute_ms):
        return make_step("correction", UNCHECKED, "minute", values=values)
    return make_step("correction", OK, values=values)


COEFFICIENTS = ("offset", "slope", "humiditySlope", "kappa")
CONSTANTS = {"density": 1.65, "highestWaterActivity": 0.95}


def calibrate(value: float | None, humidity: float | None, terms: Mapping[str, float]) -> float | None:
    """Value by the coefficients of a calibration; None if it needs a humidity that is missing or too high."""
    growth, slope = 1.0, terms["humiditySlope"]
    value, humidity = round_figure(value), round_figure(humidity)
    if value is None:
        return None
    if slope or terms["kappa"]:
        if humidity is None or not 0 <= humidity <= 100:
            return None
        activity = humidity / 100
        if terms["kappa"] and activity > CONSTANTS["highestWaterActivity"]:
            return None
        if terms["kappa"]:
            growth = 1 + terms["kappa"] / CONSTANTS["density"] * activity / (1 - activity)
    corrected = terms["offset"] + terms["slope"] * value / growth + slope * (humidity or 0.0)
    return round_figure(corrected) if math.isfinite(corrected) else None


def check_calibration(
    claim: Mapping[str, Any], rules: Sequence[Document], batches: Sequence[Opened], values: Mapping[str, Any]
) -> VerificationStep:
    """Step of a value that a calibration of its node corrects; the coefficients are in its document."""
    published = claim["published"]
    documents = [
        rule
        for rule in rules
        if rule.kind == "calibration"
        and f"calibration/{rule.fields[0]}/{rule.fields[1]} {rule.fields[2]}" == published["rule"]
    ]
    if not documents:
        return make_step("correction", UNCHECKED, "document", values=values)
    try:
        terms = read_coefficients(claim, documents[0])
        minute_ms = parse_time(claim["observed_at"]) // MINUTE_MS * MINUTE_MS
    except ProofError as error:
        return make_step("correction", FALSE, reason=error, values={"computed": "?", **values})
    if terms is None:
        return make_step("correction", UNCHECKED, "version", values=values)
    needs_humidity = bool(terms["humiditySlope"] or terms["kappa"])
    humidity = mean_humidity(batches, minute_ms) if needs_humidity else None
    computed = None if set(published["flags"]) & EXCLUDED else calibrate(claim["value"], humidity, terms)
    values = {**values, "computed": format_value(computed), "humidity": format_value(humidity)}
    if published["corrected"] is None and computed is not None:
        return make_step("correction", UNCHECKED, "withheld", values=values)
    if not is_close(computed, published["corrected"]):
        return make_step("correction", FALSE, values=values)
    if needs_humidity and not is_covered([opened.batch for opened in batches if opened.batch], minute_ms):
        return make_step("correction", UNCHECKED, "minute", values=values)
    return make_step("correction", OK, values=values)


def read_coefficients(claim: Mapping[str, Any], document: Document) -> dict[str, float] | None:
    """Coefficients of a calibration that holds for the claim; None for other constants. Raises ProofError."""
    node, name, _, since = document.fields
    if (node, name) != (claim["node"], claim["property"]):
        raise ProofError(f"the calibration is of {name} of {node}")
    value = document.value if type(document.value) is dict else {}
    parameters: Any = value.get("parameters")
    until: Any = value.get("until", 0)
    has_form = type(parameters) is dict and set(parameters) == {*COEFFICIENTS, *CONSTANTS}
    if not has_form or not all(type(number) in NUMBER for number in parameters.values()):
        raise ProofError("the document has not the form of a calibration")
    if type(until) not in {str, type(None)}:
        raise ProofError("the document has not the form of a calibration")
    if {key: parameters[key] for key in CONSTANTS} != CONSTANTS:
        return None
    at = parse_time(claim["observed_at"])
    if at < parse_time(since) or (until is not None and at >= parse_time(until)):
        raise ProofError("the calibration does not hold at that time")
    return {key: float(parameters[key]) for key in COEFFICIENTS}


def mean_humidity(batches: Sequence[Opened], minute_ms: int) -> float | None:
    """Mean of the valid humidity readings of a minute."""
    readings = [
        reading
        for opened in batches
        for stamp in sorted(set(stamps_of(opened.batch)))
        if opened.batch is not None and minute_ms <= stamp < minute_ms + MINUTE_MS
        for reading in readings_of(opened.batch, "humidity", stamp)
    ]
    values = [float(value) for value, flags in readings if value is not None and is_valid_value(value, flags)]
    return math.fsum(values) / len(values) if values else None


def is_valid_value(value: float, flags: int) -> bool:
    """Whether a value counts: without an excluding flag, not beyond every physical bound."""
    return abs(value) <= LARGEST_MAGNITUDE and not EXCLUDED & set(name_flags(flags))


def is_close(first: float | None, second: float | None) -> bool:
    """Whether two figures are equal to eleven digits."""
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=1e-11)


def is_covered(batches: Sequence[Mapping[str, Any]], minute_ms: int) -> bool:
    """Whether the batches have numbers without a gap, and readings before and after the minute."""
    ordered = sorted(batches, key=lambda batch: int(batch["seq"]))
    numbers = [batch["seq"] for batch in ordered]
    if not numbers or len({batch["inc"] for batch in ordered}) != 1:
        return False
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    return min(stamps_of(ordered[0])) < minute_ms and max(stamps_of(ordered[-1])) >= minute_ms + MINUTE_MS


# --- the whole file, and several


class Checker:
    """Checks evidence files. `policy` None: the policy of each file judges. `notes`: heads that the reader has."""

    def __init__(self, policy: Policy | None = None, notes: Sequence[bytes] = ()) -> None:
        self.own_judge = None if policy is None else Judge(policy, is_own=True)
        self.judges: dict[str, Judge] = {}
        self.notes = notes
        self.batches: dict[tuple[str, str], set[int]] = {}

    def check(self, content: bytes) -> list[VerificationStep]:
        """Steps of one file."""
        try:
            evidence = read_evidence(content)
        except ProofError as error:
            return [make_step("file", FALSE, reason=error)]
        try:
            judge, step = self.choose_judge(evidence["policy"])
        except ProofError as error:
            return [make_step("policy", FALSE, reason=error)]
        opened = check_batch(evidence, evidence["batch"], judge)
        steps = [step, *opened.steps]
        self.note_batch(opened)
        if evidence["claim"] is not None:
            steps += [*check_value(evidence["claim"], opened), check_published(evidence["claim"])]
        return steps + self.check_others(evidence, opened, judge)

    def choose_judge(self, text: str) -> tuple[Judge, VerificationStep]:
        """The policy of the reader, or that of the file."""
        judge = self.own_judge or self.judges.get(text)
        if judge is None:
            judge = self.judges[text] = Judge(read_policy(text), is_own=False)
        logs = ", ".join(f"{name} (key {key.key_id.hex()})" for name, key in sorted(judge.policy.logs.items()))
        state, variant = (OK, "own") if self.own_judge else (UNCHECKED, "file")
        return judge, make_step("policy", state, variant, values={"logs": logs, "quorum": judge.policy.describe()})

    def note_batch(self, opened: Opened) -> None:
        """Remember the number of a batch that is true."""
        if opened.batch is not None and all(step.state != FALSE for step in opened.steps):
            self.batches.setdefault((opened.batch["node"], opened.batch["inc"]), set()).add(opened.batch["seq"])

    def check_others(self, evidence: Mapping[str, Any], opened: Opened, judge: Judge) -> list[VerificationStep]:
        """Steps of rules, minute batches, correction, events, deliveries and time stamp."""
        batch, claim = opened.membership, evidence["claim"]
        results = [check_document("rule", item, batch, judge) for item in evidence["rules"]]
        rules = [document for document, _ in results if document]
        steps = [step for _, step in results] + self.check_corrected(evidence, opened, rules, judge)
        results = [check_document("event", item, batch, judge) for item in evidence["events"]]
        steps += [step for _, step in results]
        for document, _ in results:
            steps += check_event(document, rules, claim) if document else []
        steps += [check_delivery(item, batch, judge) for item in evidence["deliveries"]]
        return steps + ([] if evidence["time_stamp"] is None else [check_time_stamp(evidence["time_stamp"], judge)])

    def check_corrected(
        self, evidence: Mapping[str, Any], opened: Opened, rules: Sequence[Document], judge: Judge
    ) -> list[VerificationStep]:
        """Steps of the batches of the minute, and of the corrected value."""
        claim, steps, batches = evidence["claim"], [], [opened]
        for item in evidence["minute_batches"]:
            other = check_batch({**evidence, "claim": None}, item, judge)
            faults = [step.describe("en") for step in other.steps if step.state == FALSE]
            faults += [] if item["node"] == evidence["batch"]["node"] else [f"it is of {item['node']}"]
            values = {"number": item["number"], "node": item["node"], "index": other.membership.leaf_index}
            steps.append(make_step("minute_batch", FALSE if faults else OK, reason="".join(faults[:1]), values=values))
            batches.append(other)
            self.note_batch(other)
        if claim is None or (claim["published"]["rule"] is None and claim["published"]["corrected"] is None):
            return steps
        if any(step.state == FALSE for step in [*opened.steps, *steps]):
            return [*steps, make_step("correction", UNCHECKED, "batches")]
        return [*steps, check_correction(claim, rules, batches)]

    def check_heads(self) -> list[VerificationStep]:
        """Steps that compare all heads with each other and with those of the reader."""
        steps = []
        for judge in [*self.judges.values(), *([self.own_judge] if self.own_judge else [])]:
            own_heads = [judge.judge_head(note) for note in self.notes]
            faults = [head.log_fault or head.witness_fault for head in own_heads]
            steps += [make_step("reader_head", FALSE, reason=fault) for fault in faults if fault]
            heads = [head for head in judge.heads.values() if head.checkpoint and not head.log_fault]
            for log in sorted({head.checkpoint.origin for head in heads if head.checkpoint}):
                steps += compare_heads(
                    log, [head for head in heads if head.checkpoint and head.checkpoint.origin == log]
                )
        return steps

    def check_completeness(self) -> list[VerificationStep]:
        """Steps about gaps in the numbers of the batches."""
        steps = []
        for (node, _), numbers in sorted(self.batches.items()):
            values = {"node": node, "first": min(numbers), "last": max(numbers)}
            count = max(numbers) - min(numbers) + 1 - len(numbers)
            state = UNCHECKED if count else OK
            steps.append(make_step("completeness", state, values={"missing": list_missing(numbers), **values}))
        return steps


def list_missing(numbers: set[int]) -> str:
    """The first gaps in numbers, as text."""
    ordered = sorted(numbers)
    gaps = [(a + 1, b - 1) for a, b in pairwise(ordered) if b > a + 1]
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in gaps]
    return ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")


def check_time_stamp(evidence: Mapping[str, Any], judge: Judge) -> VerificationStep:
    """Step of the time stamp, whose signature is not checked here."""
    try:
        decode_base64(evidence["token"])
        sizes = {head.checkpoint.size for head in judge.heads.values() if head.checkpoint and not head.log_fault}
        if evidence["size"] not in sizes:
            raise ProofError("no proof leads to a head of that size")
    except ProofError as error:
        return make_step("time_stamp", FALSE, reason=error)
    return make_step("time_stamp", UNCHECKED, "library")


def compare_heads(log: str, heads: list[Head]) -> list[VerificationStep]:
    """Step whether the heads of a log belong to one history."""
    if len(heads) < 2:
        return []
    ordered = sorted(heads, key=size_of)
    signed = sorted((name, time, size_of(head)) for head in heads for name, time in head.times.items())
    reason = ""
    is_joined = True
    for first, second in pairwise(ordered):
        if size_of(first) == size_of(second):
            if first.checkpoint.root != second.checkpoint.root:  # type: ignore[union-attr]
                both = ", ".join(sorted(first.times.keys() & second.times.keys()))
                reason = f"two heads of {size_of(first)} leaves have different roots: the log was forked"
                reason += f"; {both} signed both" if both else ""
        elif not first.times.keys() & second.times.keys():
            is_joined = False
    for (name, time, size), (next_name, next_time, next_size) in pairwise(signed):
        if name == next_name and time < next_time and next_size < size:
            reason = reason or f"{name} signed {size} leaves and later {next_size}: the log shrank"
    state = FALSE if reason else OK if is_joined else UNCHECKED
    return [make_step("heads", state, reason=reason, values={"log": log, "count": len(heads)})]


def size_of(head: Head) -> int:
    """Leaves of the log at this head."""
    return head.checkpoint.size if head.checkpoint else 0


# --- folders and the command line


def check_folder(folder: Path, checker: Checker) -> list[VerificationStep]:
    """Steps of an unpacked dossier."""
    paths = sorted(folder.rglob("*"))
    links = [path.name for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if links:
        return [make_step("file", FALSE, reason=f"{links[0]} is no regular file")]
    files = [path for path in paths if path.is_file()]
    if len(files) > MAX_FILES:
        return [make_step("file", FALSE, reason=f"the folder has more than {MAX_FILES} files")]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    steps = check_manifests(names)
    for name in names:
        if name.endswith(DETECTION_ENDING):
            steps.append(make_step("detection", UNCHECKED, "alone")._replace(subject=name))
    evidence_names = [name for name in names if name.endswith(FILE_ENDING)]
    for name in evidence_names:
        steps += [step._replace(subject=name) for step in check_file(names[name], checker)]
    return steps + ([] if evidence_names else [make_step("evidence", UNCHECKED)]) + checker.check_completeness()


def check_manifests(names: Mapping[str, Path]) -> list[VerificationStep]:
    """Step whether the files are those of the manifests (BagIt, RFC 8493)."""
    listed: dict[str, str] = {}
    try:
        for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            if manifest in names:
                listed |= read_manifest(read_file(names[manifest]))
        if "manifest-sha256.txt" not in names:
            return [make_step("manifest", UNCHECKED)]
        unlisted = sorted(name for name in names if name.startswith("data/") and name not in listed)
        if unlisted:
            raise ProofError(f"not in the manifest: {unlisted[0]}")
        for name, digest in listed.items():
            if name not in names:
                raise ProofError(f"missing: {name}")
            if hash_file(names[name]) != digest:
                raise ProofError(f"changed: {name}")
    except ProofError as error:
        return [make_step("manifest", FALSE, reason=error)]
    return [make_step("manifest", OK, values={"count": len(listed)})]


def read_manifest(content: bytes) -> dict[str, str]:
    """SHA-256 by name of file. Raises ProofError."""
    result = {}
    for line in decode_text(content).splitlines():
        match = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+(.+)", line)
        if match is None or match[2] in result:
            raise ProofError("the manifest cannot be read, or names a file twice")
        result[match[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")] = match[1].lower()
    return result


def read_file(path: Path) -> bytes:
    """Content of a file of at most 16 MiB. Raises ProofError if it cannot be read or is too long."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise ProofError(f"{path.name} cannot be read: {error.strerror}") from None
    if len(content) > MAX_EVIDENCE_BYTES:
        raise ProofError(f"{path.name} has more than {MAX_EVIDENCE_BYTES} bytes")
    return content


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises ProofError if it cannot be read or is too long."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while part := file.read(1_048_576):
                digest.update(part)
                size += len(part)
                if size > MAX_FILE_BYTES:
                    raise ProofError(f"{path.name} has more than {MAX_FILE_BYTES} bytes")
    except OSError as error:
        raise ProofError(f"{path.name} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def check_file(path: Path, checker: Checker) -> list[VerificationStep]:
    """Steps of one evidence file."""
    if path.name.endswith(DETECTION_ENDING):
        return [make_step("detection", UNCHECKED, "alone")]
    try:
        return checker.check(read_file(path))
    except ProofError as error:
        return [make_step("file", FALSE, reason=error)]


def conclude(steps: Sequence[VerificationStep]) -> str:
    """State of all steps together."""
    states = {step.state for step in steps}
    return FALSE if FALSE in states else OK if states == {OK} else UNCHECKED


def describe_verdict(steps: Sequence[VerificationStep], language: str) -> str:
    """The verdict in one sentence."""
    state = conclude(steps)
    first = next((step.describe(language) for step in steps if step.state == state), "")
    count = sum(step.state == state for step in steps)
    return TEXTS[f"verdict.{state}"][LANGUAGES.index(language)].format(steps=len(steps), count=count, first=first)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Check evidence of Piekwacht. No network is used.")
    parser.add_argument("path", type=Path, help="evidence file, or folder of an unpacked dossier")
    parser.add_argument("--policy", type=Path, help="your own policy; default: the one in the file")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a head of the log that you have")
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.add_argument("--json", action="store_true", help="write the steps as JSON")
    options = parser.parse_args(arguments)
    try:
        policy = None if options.policy is None else read_policy(decode_text(read_file(options.policy)))
        checker = Checker(policy, [read_file(path) for path in options.checkpoint])
    except ProofError as error:
        parser.error(str(error))
    steps = check_folder(options.path, checker) if options.path.is_dir() else check_file(options.path, checker)
    steps += checker.check_heads()
    print_steps(steps, options.language, as_json=options.json)
    return {OK: 0, FALSE: 1, UNCHECKED: 3}[conclude(steps)]


def print_steps(steps: Sequence[VerificationStep], language: str, *, as_json: bool) -> None:
    """Write the steps and the verdict."""
    verdict = {"state": conclude(steps), "sentence": describe_verdict(steps, language)}
    if as_json:
        lines = [
            {"step": step.name, "state": step.state, "subject": step.subject, "sentence": step.describe(language)}
            for step in steps
        ]
        sys.stdout.write(json.dumps({"verdict": verdict, "steps": lines}, ensure_ascii=False, indent=1) + "\n")
        return
    subject = ""
    for step in steps:
        if step.subject != subject:
            subject = step.subject
            sys.stdout.write(f"{subject}\n" if subject else "")
        sys.stdout.write(f"{step.state:12} {step.name:12} {step.describe(language)}\n")
    sys.stdout.write(f"{verdict['sentence']}\n")


if __name__ == "__main__":
    sys.exit(main())
