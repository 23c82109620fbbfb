"""Settings of ingest. A separate module, so that reading settings loads neither pipeline nor kernels."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.wire import NoteError, Signer
from gateway.errors import StartError


class IngestSettings(Struct, frozen=True, kw_only=True):
    """`[ingest]` of piekwacht.toml.

    areas       areas to ingest; empty: every area
    share       several gateways divide these areas among themselves, by leases in the database
    lease       seconds without a heartbeat until a worker counts as dead and its areas are free
    key_file    private key that signs StoredRanges (`piekwacht key generate`)
    window      seconds to wait for more payloads before a transaction begins
    batches     most payloads in one transaction
    retry       seconds between attempts while broker or database are unavailable
    patience    seconds to hold received payloads while the database is unavailable; then they stay with the broker
    """

    key_file: Path
    areas: list[str] = []
    share: bool = False
    lease: Annotated[float, Meta(ge=1, le=60)] = 10.0
    window: Annotated[float, Meta(ge=0, le=10)] = 0.05
    batches: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    retry: Annotated[float, Meta(gt=0, le=60)] = 1.0
    patience: Annotated[float, Meta(ge=0, le=60)] = 5.0

    def signer(self) -> Signer:
        """Read the gateway's private key. StartError if it cannot be read."""
        try:
            return Signer.parse(self.key_file.read_text())
        except OSError as error:
            raise StartError(f"the gateway's key {self.key_file} cannot be read: {error.strerror}") from None
        except NoteError as error:
            raise StartError(f"the gateway's key {self.key_file}: {error}") from None
