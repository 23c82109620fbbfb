"""Evidence files in a dossier: where they come from, and which ones are wanted."""

from typing import Protocol

from psycopg import AsyncConnection


class EvidenceSource(Protocol):
    """The public log of an area, which proves that a batch stood in it.

    Each method reads in the caller's transaction. None: the log does not hold it (yet).
    """

    async def build_batch_evidence(
        self, connection: AsyncConnection, node: str, incarnation: str, number: int
    ) -> bytes | None:
        """Return the evidence file of one signed batch."""

    async def build_value_evidence(
        self, connection: AsyncConnection, station: str, observed_property: str, at: str
    ) -> bytes | None:
        """Return the evidence file of one value; `at`: its time, RFC 3339 in UTC with milliseconds."""

    async def read_policy(self, area: str) -> str | None:
        """Return the tlog-policy of the area's log, as text."""
