"""The newest published head of each public log, read from its files at most every five seconds."""

import time
from collections.abc import Iterable, Sequence

from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import NoteError
from gateway.model.timestamps import format_instant, from_ms
from gateway.transparency.checkpoint import read_checkpoint
from gateway.transparency.cosignature import Cosignature
from gateway.transparency.errors import ProofError
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.policy import Policy
from gateway.transparency.settings import PublicLogSettings

_LOG = get_logger("gateway.api")
_MAX_AGE = 5.0  # s


class PublishedHead(Struct, frozen=True, kw_only=True):
    """Head of a log: number of leaves, when it was signed or cosigned last, and by which witnesses of the policy."""

    area: str
    size: int
    at: str
    witnesses: Sequence[str]


class LogHeads:
    """Heads of all areas that have a log; owned by one process."""

    def __init__(self, settings: PublicLogSettings | None) -> None:
        self._settings = settings
        self._heads: list[PublishedHead] = []
        self._read_at = float("-inf")

    def read(self, areas: Iterable[str]) -> Sequence[PublishedHead]:
        """Heads of these areas; an area whose log cannot be read has none."""
        if self._settings is not None and time.monotonic() - self._read_at > _MAX_AGE:
            self._read_at = time.monotonic()
            heads = [self._read_head(self._settings, area) for area in areas]
            self._heads = [head for head in heads if head is not None]
        return self._heads

    @staticmethod
    def _read_head(settings: PublicLogSettings, area: str) -> PublishedHead | None:
        folder = LogFolder.of(settings, area)
        try:
            note = folder.read_checkpoint()
            return None if note is None else _describe_head(area, folder, note)
        except (OSError, ProofError, NoteError) as error:
            _LOG.warning("head of the public log cannot be read", area=area, error=one_line(error))
            return None


def _describe_head(area: str, folder: LogFolder, note: bytes) -> PublishedHead:
    cosignatures = _find_cosignatures(folder.read_policy() or "", note)
    written_ms = int((folder.path / "checkpoint").stat().st_mtime * 1000)
    at_ms = max((cosignature.time * 1000 for cosignature in cosignatures), default=written_ms)
    names = sorted(cosignature.witness for cosignature in cosignatures)
    size = read_checkpoint(note).size
    return PublishedHead(area=area, size=size, at=format_instant(from_ms(at_ms)), witnesses=names)


def _find_cosignatures(policy: str, note: bytes) -> list[Cosignature]:
    """Verified cosignatures of witnesses that the policy knows, whether or not they are enough."""
    witnesses = Policy.parse(policy).witnesses.values() if policy else []
    checks = [witness.key.check(note) for witness in witnesses]
    return [cosignature for cosignature in checks if cosignature is not None]
