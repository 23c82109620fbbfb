"""The memory of a witness: one SQLite file with the heads that it signed.

A signature leaves the witness only after COMMIT with synchronous = FULL: it survives a power cut. The check against
the newest head and its replacement are one transaction, so that two requests at once cannot both continue one head.
A witness without its memory would sign a forked log; therefore a missing file is an error and is never replaced.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from edge_agent.sql import load_sql
from gateway.transparency.add_checkpoint import CheckpointRequest
from gateway.witness.decision import CheckpointRefusal, CosignedHead, judge_clock, judge_growth
from gateway.witness.errors import WitnessError

_SQL = load_sql(Path(__file__).with_name("state.sql"))
_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 10000")
_REMEMBERED_HEADS = 20_000  # per log: two days at one head in 10 s, about 6 MB
_MOST_CONFLICTS = 100  # per log and kind: nobody can fill the disk with them


class ConflictKind(StrEnum):
    """Meaning of a refused head. A proof is signed by nobody, so that only FORK accuses the log."""

    FORK = "fork"  # the log signed two roots for one size
    NOT_CONTINUED = "not_continued"  # the log signed the head, and the proof in the request does not lead to it


class Conflict(Struct, frozen=True, kw_only=True):
    """A refused head, signed by its log; `signed_note`: the head of this witness; `received_at` s since 1970."""

    origin: str
    size: int
    root: bytes
    kind: ConflictKind
    note: bytes
    signed_note: bytes
    received_at: int


class CosigningDecision(Struct, frozen=True, kw_only=True):
    """Either the signature line or a refusal; `conflict` is set if the head was stored as one."""

    signature: bytes | None = None
    refusal: CheckpointRefusal | None = None
    conflict: ConflictKind | None = None


class WitnessState:
    """The open file; its methods may be called from several threads. A context manager."""

    def __init__(self, path: Path, key: str) -> None:
        """Open the memory of the witness with this public key. Raises WitnessError with the remedy."""
        if not path.exists():
            raise WitnessError(
                f"the state {path} is missing: without it a witness would sign a forked log; make a new key with"
                " `piekwacht witness key`, and send its public half to the log's operator"
            )
        try:
            self._db = _connect(path)
            (owner,) = self._db.execute(_SQL["select_key"]).fetchone() or ("nobody",)
        except sqlite3.Error as error:
            raise WitnessError(f"the state {path} cannot be used ({error}); check the file and its rights") from None
        if owner != key:
            self._db.close()
            raise WitnessError(f"the state {path} belongs to the key {owner}, not to {key}; give the file of this key")
        self._lock = threading.RLock()

    @staticmethod
    def create(path: Path, key: str) -> None:
        """Make the empty memory of a new key. Raises WitnessError if the file exists or cannot be written."""
        try:
            path.touch(mode=0o600, exist_ok=False)
            db = _connect(path)
            with db:
                db.executescript(_SQL["create_schema"])
                db.execute(_SQL["insert_key"], {"key": key})
            db.close()
        except OSError as error:
            raise WitnessError(f"{path}: {error.strerror}; give the path of a new file") from None
        except sqlite3.Error as error:
            raise WitnessError(f"the state {path} cannot be written ({error}); check the disk") from None

    def decide(
        self, request: CheckpointRequest, note: bytes, *, now: int, cosign: Callable[[bytes, int], bytes]
    ) -> CosigningDecision:
        """Check a head that its log signed, and remember it if it is signed here.

        `note` has the log's signature alone; `now` in seconds since 1970; `cosign` makes a signature line from the
        checkpoint's text and the time. Raises sqlite3.Error: nothing was signed.
        """
        origin = request.checkpoint.origin
        with self._transaction():
            newest = self.select_newest(origin)
            refusal = judge_growth(request, newest) or judge_clock(now, newest)
            if refusal is not None:
                return CosigningDecision(
                    refusal=refusal, conflict=self._store_conflict(request, note, now, newest, refusal)
                )
            line = cosign(request.checkpoint.encode(), now)
            self._store_head(request, note + line, now)
        return CosigningDecision(signature=line)

    def select_newest(self, origin: str) -> CosignedHead | None:
        """Return the newest signed head of a log."""
        return self._select_head("select_newest", {"origin": origin})

    def list_conflicts(self) -> list[Conflict]:
        """Return the stored conflicts, forks first."""
        with self._lock:
            rows = list(_name_columns(self._db.execute(_SQL["select_conflicts"])))
        return [Conflict(**{**columns, "kind": ConflictKind(columns["kind"])}) for columns in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _select_head(self, query: str, parameters: dict[str, object]) -> CosignedHead | None:
        with self._lock:
            rows = list(_name_columns(self._db.execute(_SQL[query], parameters)))
        return CosignedHead(**rows[0]) if rows else None

    def _store_head(self, request: CheckpointRequest, note: bytes, now: int) -> None:
        checkpoint = request.checkpoint
        identity = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root}
        self._db.execute(_SQL["store_head"], {**identity, "note": note, "cosigned_at": now})
        self._db.execute(_SQL["delete_old_heads"], {"origin": checkpoint.origin, "remembered": _REMEMBERED_HEADS})
        self._db.execute(_SQL["resolve_conflict"], identity)

    def _store_conflict(
        self,
        request: CheckpointRequest,
        note: bytes,
        now: int,
        newest: CosignedHead | None,
        refusal: CheckpointRefusal,
    ) -> ConflictKind | None:
        """Store a head that contradicts a remembered one, or that the proof does not lead to."""
        checkpoint = request.checkpoint
        same_size = self._select_head("select_head", {"origin": checkpoint.origin, "size": checkpoint.size})
        if same_size is not None and same_size.root != checkpoint.root:
            kind, signed = ConflictKind.FORK, same_size
        elif same_size is None and newest is not None and refusal.status == 422:
            kind, signed = ConflictKind.NOT_CONTINUED, newest
        else:
            return None
        conflict = Conflict(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root,
            kind=kind,
            note=note,
            signed_note=signed.note,
            received_at=now,
        )
        self._db.execute(_SQL["store_conflict"], {**msgspec.structs.asdict(conflict), "most": _MOST_CONFLICTS})
        return kind

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        db.execute(pragma)
    return db


def _name_columns(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, values, strict=True)) for values in cursor)
