"""`piekwacht verify`: check a number of the map, a batch or a dossier, without trusting who published it.

The network is used only if the argument is an address. Exit code 0: all steps are true. 1: a step is false, or the
input cannot be read. 3: nothing is false, but not everything could be checked. 2: the command line is wrong, or a
policy, key or checkpoint of the reader cannot be read.
"""

import argparse
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from edge_agent.signing import NoteError, Verifier
from gateway.transparency.errors import ProofError
from gateway.transparency.policy import Policy
from gateway.verification.detection_check import check_detection
from gateway.verification.detection_file import is_detection_file
from gateway.verification.dossier_check import check_dossier
from gateway.verification.dossier_files import MAX_ZIP_BYTES, FolderFiles, ZipFiles
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.membership import read_policy
from gateway.verification.proof_pair import check_pair
from gateway.verification.report import write_json, write_text
from gateway.verification.standalone.verify import LANGUAGES
from gateway.verification.step import StepState, Verdict, VerificationStep, make_step

_TIMEOUT_SECONDS = 30.0
_MAX_SMALL_BYTES = 1_048_576
_MAX_EVIDENCE_BYTES = 268_435_456
_START_BYTES = 64
_PART_BYTES = 1_048_576
_ZIP_START = b"PK\x03\x04"
_WRONG_COMMAND_LINE = 2
_PROOF_START = b"c2sp.org/tlog-proof@"


class ReaderFileError(ValueError):
    """A file or key that the reader gave cannot be read; the message is a sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `piekwacht verify`."""
    parser.add_argument("source", help="evidence file, .tlog-proof, dossier (ZIP or folder), http(s) address, or -")
    parser.add_argument("--policy", type=Path, help="your own tlog-policy; without it the one in the file judges")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a head of the log that you have")
    parser.add_argument("--batch", type=Path, help="signed bytes of the batch, if SOURCE is a .tlog-proof")
    parser.add_argument("--node-key", help="verifier key of the node, if SOURCE is a .tlog-proof")
    parser.add_argument("--time-stamp-certificate", type=Path, help="PEM of the root of the time-stamp authority")
    parser.add_argument("--language", choices=LANGUAGES, default=_choose_language(), help="default: as LANG says")
    parser.add_argument("--json", action="store_true", help="write the steps as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the steps and the verdict; return the exit code."""
    try:
        trusted = _read_trusted(args)
        node_key = None if args.node_key is None else Verifier.parse(args.node_key)
        steps = check_source(args, trusted, node_key)
    except (ReaderFileError, NoteError) as error:
        sys.stderr.write(f"piekwacht: {error}\n")
        return _WRONG_COMMAND_LINE
    verdict = Verdict(steps=tuple(steps))
    sys.stdout.write((write_json if args.json else write_text)(verdict, args.language))
    return int(verdict.exit_code)


def check_source(
    args: argparse.Namespace, trusted: TrustedByReader, node_key: Verifier | None
) -> list[VerificationStep]:
    """Steps of the evidence file, dossier or proof that the command line names."""
    checker = EvidenceChecker(trusted)
    try:
        if Path(args.source).is_dir():
            return check_dossier(FolderFiles(Path(args.source)), checker) + checker.check_heads()
        with _open_source(args.source) as file:
            return _check_file(file, args.batch, checker, (trusted.policy, node_key))
    except (ProofError, OSError, ValueError) as error:
        if isinstance(error, ReaderFileError):
            raise
        return [make_step("file", StepState.FALSE, reason=str(error))]


def _check_file(
    file: BinaryIO, batch: Path | None, checker: EvidenceChecker, trusted: tuple[Policy | None, Verifier | None]
) -> list[VerificationStep]:
    """Steps of one file, whose first bytes state its kind. Only dossiers and detection files may be large."""
    start = file.read(_START_BYTES)
    if start.startswith(_ZIP_START):
        return check_dossier(ZipFiles(file), checker) + checker.check_heads()
    if is_detection_file(start):
        return [*check_detection(partial(_read_parts, file), checker).steps, *checker.check_heads()]
    content = start + _limit(file.read(_MAX_EVIDENCE_BYTES + 1), _MAX_EVIDENCE_BYTES)
    if content.startswith(_PROOF_START):
        policy, node_key = trusted
        if batch is None or policy is None:
            raise ReaderFileError("a .tlog-proof needs the signed bytes (--batch FILE) and your policy (--policy FILE)")
        payload = _read_limited(batch, _MAX_EVIDENCE_BYTES)
        return check_pair(content, payload, policy, node_key)
    return checker.check(content) + checker.check_heads()


def _read_parts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while part := file.read(_PART_BYTES):
        yield part


def _read_trusted(args: argparse.Namespace) -> TrustedByReader:
    try:
        policy = None if args.policy is None else read_policy(_read_small(args.policy).decode())
    except (ProofError, UnicodeDecodeError) as error:
        raise ReaderFileError(f"{args.policy}: {error}") from None
    certificate = None if args.time_stamp_certificate is None else _read_small(args.time_stamp_certificate)
    heads = tuple(_read_small(path) for path in args.checkpoint)
    return TrustedByReader(policy=policy, heads=heads, certificate=certificate)


def _choose_language() -> str:
    language = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "nl" if language.startswith("nl") else "en"


@contextmanager
def _open_source(source: str) -> Iterator[BinaryIO]:
    """A file that can be read anew from its begin. Input and answers of servers go to a temporary file first."""
    if source == "-":
        with TemporaryFile() as file:
            yield _copy(sys.stdin.buffer, file)
    elif source.startswith(("http://", "https://")):
        with TemporaryFile() as file:
            yield _fetch(source, file)
    else:
        with Path(source).open("rb") as opened:
            yield opened


def _fetch(address: str, file: BinaryIO) -> BinaryIO:
    """Write the content of an http(s) address to a file. Raises ProofError if there is no answer."""
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s) by the caller
            return _copy(answer, file)
    except (OSError, HTTPException) as error:  # urllib.error.URLError is an OSError
        raise ProofError(f"{address} gives no answer: {error}") from None


def _copy(source: BinaryIO, file: BinaryIO) -> BinaryIO:
    while part := source.read(_PART_BYTES):
        file.write(part)
        if file.tell() > MAX_ZIP_BYTES:
            raise ProofError(f"the input has more than {MAX_ZIP_BYTES} bytes")
    file.seek(0)
    return file


def _read_small(path: Path) -> bytes:
    return _read_limited(path, _MAX_SMALL_BYTES)


def _read_limited(path: Path, limit: int) -> bytes:
    """Content of a file of the reader. Raises ReaderFileError."""
    try:
        return _read_file(path, limit)
    except (OSError, ProofError) as error:
        raise ReaderFileError(f"{path} cannot be read: {error}") from None


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return _limit(file.read(limit + 1), limit)


def _limit(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise ProofError(f"the input has more than {limit} bytes")
    return content
