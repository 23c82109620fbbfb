"""Verify a dossier: its files against the manifest, its evidence files, and gaps in the numbers of its batches."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise

import msgspec

from gateway.transparency.errors import ProofError
from gateway.verification import detection_file
from gateway.verification.detection_check import DetectionResult, check_detection
from gateway.verification.dossier_files import DossierFiles
from gateway.verification.evidence_check import EvidenceChecker
from gateway.verification.evidence_file import FILE_ENDING, MAX_EVIDENCE_BYTES
from gateway.verification.step import StepState, VerificationStep, make_step

_MANIFESTS = ("manifest-sha256.txt", "tagmanifest-sha256.txt")  # of BagIt, RFC 8493
_MANIFEST_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+(.+)")
_PAYLOAD = "data/"
_MAX_GAPS = 5


def check_dossier(files: DossierFiles, checker: EvidenceChecker) -> list[VerificationStep]:
    """Steps of a dossier, apart from those that compare heads."""
    try:
        names = files.names()
    except ProofError as error:
        return [make_step("file", StepState.FALSE, reason=str(error))]
    steps = [_check_manifests(files)]
    detected = set[str]()
    for name in (name for name in names if name.endswith(detection_file.FILE_ENDING)):
        result = _check_detection(files, name, checker)
        steps += [msgspec.structs.replace(step, subject=name) for step in result.steps]
        detected |= result.documents
    evidence_names = [name for name in names if name.endswith(FILE_ENDING)]
    for name in evidence_names:
        evidence_steps = _check_evidence(files, name, checker, detected)
        steps += [msgspec.structs.replace(step, subject=name) for step in evidence_steps]
    if not evidence_names:
        steps.append(make_step("evidence", StepState.UNCHECKED))
    return steps + check_completeness(checker.batch_numbers)


def _check_detection(files: DossierFiles, name: str, checker: EvidenceChecker) -> DetectionResult:
    return check_detection(lambda: files.iterate(name), checker)


def _check_evidence(
    files: DossierFiles, name: str, checker: EvidenceChecker, detected: AbstractSet[str]
) -> list[VerificationStep]:
    try:
        return checker.check(files.read(name, MAX_EVIDENCE_BYTES), detected)
    except ProofError as error:
        return [make_step("file", StepState.FALSE, reason=str(error))]


def _check_manifests(files: DossierFiles) -> VerificationStep:
    """Step whether the files are those of the manifests. A manifest is not signed: it shows damage, not lies."""
    names = set(files.names())
    if _MANIFESTS[0] not in names:
        return make_step("manifest", StepState.UNCHECKED)
    try:
        digests: dict[str, str] = {}
        for manifest in _MANIFESTS:
            digests |= read_manifest(files.read(manifest, MAX_EVIDENCE_BYTES)) if manifest in names else {}
        unlisted = sorted(name for name in names if name.startswith(_PAYLOAD) and name not in digests)
        if unlisted:
            raise ProofError(f"not in the manifest: {unlisted[0]}")
        _compare_digests(files, digests)
    except ProofError as error:
        return make_step("manifest", StepState.FALSE, reason=str(error))
    return make_step("manifest", StepState.OK, values={"count": len(digests)})


def _compare_digests(files: DossierFiles, digests: Mapping[str, str]) -> None:
    names = set(files.names())
    for name, digest in digests.items():
        if name not in names:
            raise ProofError(f"missing: {name}")
        if files.hash(name) != digest:
            raise ProofError(f"changed: {name}")


def read_manifest(content: bytes) -> dict[str, str]:
    """SHA-256 in hexadecimal by name of file. Raises ProofError."""
    digests: dict[str, str] = {}
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise ProofError("the manifest is not UTF-8") from None
    for line in lines:
        match = _MANIFEST_LINE.fullmatch(line)
        if match is None:
            raise ProofError(f"the manifest has the line {line[:80]!r}")
        name = match[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        if name in digests:
            raise ProofError(f"the manifest names {name[:80]} twice")
        digests[name] = match[1].lower()
    return digests


def check_completeness(numbers: Mapping[tuple[str, str], set[int]]) -> list[VerificationStep]:
    """Steps about gaps. `numbers`: those of the true batches by node and incarnation."""
    steps = []
    for (node, _), node_numbers in sorted(numbers.items()):
        missing = _list_missing(sorted(node_numbers))
        values = {"node": node, "first": min(node_numbers), "last": max(node_numbers), "missing": missing}
        state = StepState.UNCHECKED if missing else StepState.OK
        steps.append(make_step("completeness", state, values=values))
    return steps


def _list_missing(numbers: list[int]) -> str:
    gaps = [(first + 1, second - 1) for first, second in pairwise(numbers) if second > first + 1]
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in gaps]
    return ", ".join(texts[:_MAX_GAPS]) + (", ..." if len(texts) > _MAX_GAPS else "")
