"""Settings of ingest. A separate module, so that reading settings loads neither pipeline nor kernels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from edge_agent.wire import NoteError, Signer
from gateway.errors import StartError


class IngestSettings(Struct, frozen=True, kw_only=True):
    """`[ingest]`: how the gateway receives and stores batches.

    key_file          private key that signs StoredRanges, created by `piekwacht key`
    notary_key_file   private key that signs the batches of guest nodes, created by `piekwacht key`; without it no
                      message of a guest is stored as readings
    areas             areas whose topics are received; empty: every area
    share_areas       several gateways share these areas among themselves, by leases in the database
    lease_seconds     time without a sign of life after which a worker counts as stopped and its areas are free;
                      if its process was killed, they are free after 2 s
    window_seconds    time to wait for more payloads before a transaction begins
    max_batches       maximum number of payloads in one transaction
    retry_seconds     pause between attempts while broker or database is unavailable
    hold_seconds      time to hold received payloads while the database is unavailable, before they are left to the
                      broker
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {
        "share": "share_areas",
        "lease": "lease_seconds",
        "window": "window_seconds",
        "batches": "max_batches",
        "retry": "retry_seconds",
        "patience": "hold_seconds",
    }

    key_file: Path
    notary_key_file: Path | None = None
    areas: list[str] = []
    share_areas: bool = False
    lease_seconds: Annotated[float, Meta(ge=1, le=60)] = 10.0
    window_seconds: Annotated[float, Meta(ge=0, le=10)] = 0.05
    max_batches: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    retry_seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0
    hold_seconds: Annotated[float, Meta(ge=0, le=60)] = 5.0

    def signer(self) -> Signer:
        """Read the gateway's private key. StartError if it cannot be read."""
        return _read_key(self.key_file, "the gateway's key")

    def notary(self) -> Signer | None:
        """Read the notary's private key; None if there is none. StartError if it cannot be read."""
        return None if self.notary_key_file is None else _read_key(self.notary_key_file, "the notary's key")


def _read_key(path: Path, title: str) -> Signer:
    try:
        return Signer.parse(path.read_text())
    except OSError as error:
        raise StartError(f"{title} {path} cannot be read: {error.strerror}") from None
    except NoteError as error:
        raise StartError(f"{title} {path}: {error}") from None
