"""`piekwacht log audit`: follow a whole log from visit to visit, as a monitor does.

A visit proves that the log continues the head of the last visit. It fetches every new entry, computes every hash again,
checks every new tile, reads every leaf, and counts the batches of each node. The result is stored in one step.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from edge_agent.atomic_file import write_atomically
from edge_agent.configuration import ConfigurationError
from gateway.transparency.checkpoint import Checkpoint, read_checkpoint
from gateway.transparency.cosignature import Cosignature
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf
from gateway.transparency.merkle import check_consistency, hash_leaf, prove_consistency
from gateway.transparency.policy import Policy
from gateway.transparency.tiles import WIDTH
from gateway.verification.batch_numbers import BatchNumbers, Ranges
from gateway.verification.log_files import ReadFile, open_log, read_tile
from gateway.verification.log_tiles import CheckedTiles

_STATE, _POLICY = "audit.json", "policy"
_MOST_FAULTS = 100


class AuditState(Struct, frozen=True, kw_only=True):
    """Result of all visits up to now; `note` is the newest head with its signatures, `visited_at` RFC 3339."""

    note: str
    visited_at: str
    leaves: dict[str, int]
    batches: dict[str, Ranges]
    faults: list[str]


class AuditReport(Struct, frozen=True, kw_only=True):
    """Result of a visit. `faults`: what is wrong in the leaves themselves; `gaps`: batches that are not there."""

    checkpoint: Checkpoint
    new_leaves: int
    last_visit: str | None
    leaves: dict[str, int]
    witnesses: Sequence[Cosignature]
    policy_is_own: bool
    faults: Sequence[str]
    gaps: Sequence[str]


def audit(address: str, folder: Path, policy_path: Path | None) -> AuditReport:
    """Visit the log and store what was seen in `folder`.

    Raises ProofError if the log is forked, shrunken or wrong, UnreachableError if it cannot be read now, and
    ConfigurationError for files of the reader that cannot be used.
    """
    read_file = open_log(address)
    state = _load_state(folder)
    policy = _load_policy(policy_path, folder, read_file)
    note = read_file("checkpoint")
    checkpoint, witnesses = policy.open(note)
    tiles = CheckedTiles(checkpoint, lambda tile: read_tile(read_file, tile))
    if state is not None:
        _check_continuation(checkpoint, note, tiles, state, folder)
    visit = _LeafReader(state)
    visit.read_leaves(tiles, checkpoint.size)
    _store_state(folder, visit.build_state(note))
    return AuditReport(
        checkpoint=checkpoint,
        new_leaves=checkpoint.size - visit.first_size,
        last_visit=state.visited_at if state else None,
        leaves=dict(visit.counts),
        witnesses=witnesses,
        policy_is_own=policy_path is not None,
        faults=visit.faults,
        gaps=visit.numbers.list_gaps(),
    )


class _LeafReader:
    """Reads the leaves that are new since the last visit."""

    def __init__(self, state: AuditState | None) -> None:
        self.first_size = read_checkpoint(state.note.encode()).size if state else 0
        self.counts = Counter(state.leaves if state else {})
        self.numbers = BatchNumbers(state.batches if state else {})
        self.faults = [*state.faults] if state else []

    def read_leaves(self, tiles: CheckedTiles, size: int) -> None:
        """Compare every new entry with the tiles, and take in its leaf."""
        for bundle in range(self.first_size // WIDTH, -(-size // WIDTH)) if size > self.first_size else ():
            hashes, entries = tiles.read_leaf_hashes(bundle), tiles.read_entries(bundle)
            for index, (expected, entry) in enumerate(zip(hashes, entries, strict=True), start=bundle * WIDTH):
                if hash_leaf(entry) != expected:
                    raise ProofError(f"the entry {index} is not the one that the head of {size} leaves has there")
                if index >= self.first_size:
                    self._take_leaf(index, entry)

    def build_state(self, note: bytes) -> AuditState:
        """Return what the next visit begins with."""
        return AuditState(
            note=note.decode(),
            visited_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            leaves=dict(self.counts),
            batches=self.numbers.ranges,
            faults=self.faults[:_MOST_FAULTS],
        )

    def _take_leaf(self, index: int, entry: bytes) -> None:
        try:
            leaf = Leaf.parse(entry)
            is_new = self.numbers.add(leaf)
        except ValueError as error:  # ProofError, or a number that is none
            raise ProofError(f"leaf {index}: {error}") from None
        self.counts[leaf.kind] += 1
        if not is_new:
            self.faults.append(f"leaf {index} is a second one of the batch {' '.join(leaf.fields)}")


def _check_continuation(
    checkpoint: Checkpoint, note: bytes, tiles: CheckedTiles, state: AuditState, folder: Path
) -> None:
    """Raise ProofError unless the head continues the one of the last visit; both notes of a fork are stored."""
    last = read_checkpoint(state.note.encode())
    if checkpoint.origin != last.origin:
        raise ProofError(f"the log is {checkpoint.origin}; the last visit was to {last.origin}")
    if checkpoint.size < last.size:
        raise ProofError(f"the log {last.origin} shrank from {last.size} to {checkpoint.size} leaves")
    try:
        proof = prove_consistency(last.size, checkpoint.size, tiles.read_hash)
        check_consistency(last.size, checkpoint.size, last.root, checkpoint.root, proof)
    except ProofError as error:
        path = folder / f"fork-{last.size}-{checkpoint.size}.txt"
        _write(path, state.note.encode() + b"\n" + note)
        raise ProofError(f"{error}; both signed heads are in {path}") from None


def _load_policy(path: Path | None, folder: Path, read_file: ReadFile) -> Policy:
    """Return the reader's own policy, else that of the first visit, which is fetched from the log once."""
    stored = path or folder / _POLICY
    if path is None and not stored.exists():
        text = read_file("policy")
        Policy.parse(text.decode("utf-8", "replace"))
        _write(stored, text)
    try:
        return Policy.parse(stored.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{stored}: cannot be read ({error.strerror})") from None
    except (ProofError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{stored}: {error}") from None


def _load_state(folder: Path) -> AuditState | None:
    path = folder / _STATE
    try:
        return msgspec.json.decode(path.read_bytes(), type=AuditState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); a lost state cannot detect a fork") from None


def _store_state(folder: Path, state: AuditState) -> None:
    _write(folder / _STATE, msgspec.json.encode(state))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None
