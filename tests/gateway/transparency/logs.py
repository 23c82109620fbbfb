"""A log in a test: batches in the database, a sequencer with its files, and checks of what it published."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from edge_agent.wire import Signer
from gateway.store.connection import LockHeldError
from gateway.store.public_log import LogStore
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.leaf import Leaf
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.merkle import compute_root, hash_leaf
from gateway.transparency.sequencer import LogSequencer, StepResult
from gateway.transparency.tiles import WIDTH, Tile, decode_entries, hash_levels, hash_reader

ORIGIN = "piekwacht.example/log/ijmond"
INCARNATION = "k3v5x2m2q7ab"

INSERT_BATCH = """
INSERT INTO batch (id, node_id, incarnation, seq, sha256, payload, boot, mono, clock, hist, received_at)
VALUES (%s, %s, %s, %s, %s, %s, 'boot', 0, 'synced', false, now())
"""


@dataclass
class TestLog:
    """The log of area ijmond, with its files below `folder`."""

    __test__ = False
    dsn: str
    folder: Path
    signer: Signer
    area: str = "ijmond"
    state_name: str = "state"

    @property
    def files(self) -> LogFolder:
        return LogFolder(self.folder / self.area, self.folder / self.state_name / f"{self.area}.head")

    def sequencer(self, **options) -> LogSequencer:
        return LogSequencer(LogStore(self.dsn, self.area), self.files, self.signer, **options)

    def step(self, **options) -> StepResult:
        """One step of a new sequencer."""
        sequencer = self.sequencer(**options)
        try:
            return run_when_free(sequencer)
        finally:
            sequencer.close()

    def checkpoint(self) -> Checkpoint:
        """The published head, with its signature verified."""
        return open_checkpoint(self.files.read_checkpoint(), self.signer.verifier)

    def entries(self, size: int | None = None) -> list[bytes]:
        """All entries of the published log, read from its bundles as a monitor reads them."""
        size = self.checkpoint().size if size is None else size
        entries = []
        for index in range(-(-size // WIDTH)):
            width = min(WIDTH, size - index * WIDTH)
            bundle = self.files.read_tile(Tile(level=None, index=index, width=width))
            entries += decode_entries(bundle, width=width)
        return entries

    def leaves(self) -> list[Leaf]:
        return [Leaf.parse(entry) for entry in self.entries()]

    def read_hash(self):
        return hash_reader(self.checkpoint().size, self.files.read_tile)


def run_when_free(sequencer: LogSequencer, timeout: float = 5.0) -> StepResult:
    """One step, as soon as the server has ended the session of the sequencer before: it does so a moment after
    that closed its connection."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return asyncio.run(sequencer.run_step())
        except LockHeldError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def open_log(dsn: str, folder: Path) -> TestLog:
    return TestLog(dsn, folder, Signer.generate(ORIGIN))


def add_batches(dsn: str, numbers, node: str = "ijm-001") -> None:
    """Commit batches with these numbers in one transaction."""
    with psycopg.connect(dsn) as connection:
        for number in numbers:
            insert_batch(connection, number, node)


def insert_batch(connection, number: int, node: str = "ijm-001", id_: int | None = None) -> int:
    if id_ is None:
        ((id_,),) = connection.execute("SELECT nextval('batch_id')").fetchall()
    payload = f"{node} {number}".encode()
    row = [id_, node, INCARNATION, number, hashlib.sha256(payload).digest(), payload]
    connection.execute(INSERT_BATCH, row)
    return id_


def naive_root(entries: list[bytes]) -> bytes:
    """Root by the definition of RFC 6962, in one recursive line."""
    hashes = [hash_leaf(entry) for entry in entries]

    def root(items):
        if len(items) & (len(items) - 1) == 0:
            return hash_levels(items)
        half = 1 << ((len(items) - 1).bit_length() - 1)
        return hash_levels([root(items[:half]), root(items[half:])])

    return root(hashes) if hashes else hashlib.sha256(b"").digest()


def check_tree(log: TestLog) -> list[bytes]:
    """The published root is that of the published entries; returns these."""
    entries, checkpoint = log.entries(), log.checkpoint()
    assert len(entries) == checkpoint.size
    assert compute_root(checkpoint.size, log.read_hash()) == naive_root(entries) == checkpoint.root
    return entries
