"""A file system that loses power: SQLite writes through a VFS that records writes and syncs.

A write after the last sync of a file may be complete, missing or torn at any sector, as on a card that loses power.
The WAL has no shared memory, because one connection needs none.
"""

import random
from pathlib import Path

import apsw

SECTOR = 512
Event = tuple[str, str, int, bytes]


class RecordingVfs(apsw.VFS):
    """VFS that passes every call to the real file system and logs it."""

    def __init__(self, name: str) -> None:
        self.log: list[Event] = []
        super().__init__(name, "")

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def xDelete(self, name, sync) -> None:  # noqa: N802
        self.log.append(("delete", name, 0, b""))
        super().xDelete(name, sync)


class _File(apsw.VFSFile):
    def __init__(self, vfs: RecordingVfs, name, flags) -> None:
        self._log = vfs.log
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data, offset) -> None:  # noqa: N802
        self._log.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size) -> None:  # noqa: N802
        self._log.append(("truncate", self._name, size, b""))
        super().xTruncate(size)

    def xSync(self, flags) -> None:  # noqa: N802
        self._log.append(("sync", self._name, 0, b""))
        super().xSync(flags)


class Connection:
    """Adapter of apsw to the part of the standard library's sqlite3 that the spool uses."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._db = apsw.Connection(str(path), vfs=vfs)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.rowcount = 0

    def execute(self, sql: str, parameters=()):
        before = self._db.total_changes()
        self._rows = list(self._db.execute(sql, parameters))
        self.rowcount = self._db.total_changes() - before
        return self

    def executemany(self, sql: str, rows) -> None:
        self._db.executemany(sql, rows)

    def executescript(self, sql: str) -> None:
        self._db.execute(sql)

    def fetchone(self):
        return self._rows[0] if self._rows else None

    def fetchall(self):
        return self._rows

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def close(self) -> None:
        self._db.close()


class FakeDisk:
    """Content of the card, event by event; `files_after_cut` returns one possible result of a power cut now."""

    def __init__(self) -> None:
        self._durable: dict[str, bytearray] = {}
        self._pending: dict[str, list[Event]] = {}

    def apply_event(self, event: Event) -> None:
        kind, name, _, _ = event
        if kind == "sync":
            for pending in self._pending.pop(name, []):
                _apply(self._durable.setdefault(name, bytearray()), pending)
        elif kind == "delete":
            self._durable.pop(name, None)
            self._pending.pop(name, None)
        else:
            self._pending.setdefault(name, []).append(event)

    def files_after_cut(self, rng: random.Random) -> dict[str, bytes]:
        files = {name: bytearray(content) for name, content in self._durable.items()}
        for name, events in self._pending.items():
            content = files.setdefault(name, bytearray())
            for event in events:
                for part in _tear_event(event, rng):
                    _apply(content, part)
        return {name: bytes(content) for name, content in files.items()}


def _apply(content: bytearray, event: Event) -> None:
    kind, _, at, data = event
    if kind == "truncate":
        del content[at:]
        return
    if len(content) < at + len(data):
        content.extend(bytes(at + len(data) - len(content)))
    content[at : at + len(data)] = data


def _tear_event(event: Event, rng: random.Random) -> list[Event]:
    kind, name, at, data = event
    draw = rng.random()
    if draw < 0.4:
        return []
    if draw < 0.7 or kind == "truncate":
        return [event]
    sectors = [(at + i, data[i : i + SECTOR]) for i in range(0, len(data), SECTOR)]
    return [(kind, name, offset, part) for offset, part in sectors if rng.random() < 0.5]
