"""Proofs from the published files of a log. Called by the API; raises ProofError with the reason."""

from typing import Self

from msgspec import Struct

from gateway.transparency.checkpoint import Checkpoint, read_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.merkle import ReadHash, prove_inclusion
from gateway.transparency.proof_file import LogProof
from gateway.transparency.tiles import hash_reader

_CACHED_TILES = 256


class UnpublishedError(ProofError):
    """The leaf has an index and is in no published head yet."""


class Prover(Struct, frozen=True, kw_only=True):
    """Proves leaves against one published head, so that all proofs of an answer lead to the same."""

    folder: LogFolder
    note: bytes
    checkpoint: Checkpoint
    read_hash: ReadHash

    @classmethod
    def open(cls, folder: LogFolder) -> Self:
        """Read the newest published head. Raises UnpublishedError if there is none."""
        note = folder.read_checkpoint()
        if note is None:
            raise UnpublishedError("the log has no published head yet")
        return cls._open_head(folder, note)

    @classmethod
    def open_head_of(cls, folder: LogFolder, size: int) -> Self | None:
        """Read the stamped head of this size; None if it is not there."""
        note = folder.read_stamped_head(size)
        return None if note is None else cls._open_head(folder, note)

    @classmethod
    def _open_head(cls, folder: LogFolder, note: bytes) -> Self:
        checkpoint = read_checkpoint(note)
        read_hash = hash_reader(checkpoint.size, folder.read_tile, cached_tiles=_CACHED_TILES)
        return cls(folder=folder, note=note, checkpoint=checkpoint, read_hash=read_hash)

    def prove(self, index: int) -> str:
        """Text of the `.tlog-proof` of this leaf. Raises UnpublishedError if the head does not have it."""
        size = self.checkpoint.size
        if index >= size:
            raise UnpublishedError(f"leaf {index} is not in the published head of {size} leaves yet; ask again shortly")
        hashes = tuple(prove_inclusion(index, size, self.read_hash))
        return LogProof(index=index, hashes=hashes, checkpoint=self.note).encode().decode()


class ProverCache:
    """Provers of one log. Each head and each tile is read once, however many proofs lead to them."""

    def __init__(self, folder: LogFolder) -> None:
        self.folder = folder
        self._newest: Prover | None = None
        self._stamped: dict[int, Prover | None] = {}
        self._sizes: list[int] | None = None

    def open(self) -> Prover:
        """Prover of the newest published head. Raises UnpublishedError if there is none."""
        if self._newest is None:
            self._newest = Prover.open(self.folder)
        return self._newest

    def open_stamped(self, index: int) -> Prover | None:
        """Prover of the earliest head with a time stamp that has leaf `index`; None if there is none yet."""
        if self._sizes is None:
            self._sizes = self.folder.list_time_stamps()
        size = next((size for size in self._sizes if size > index), None)
        if size is None:
            return None
        if size not in self._stamped:
            self._stamped[size] = Prover.open_head_of(self.folder, size)
        return self._stamped[size]
