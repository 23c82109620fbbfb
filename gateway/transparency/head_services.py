"""Cosignatures of witnesses and an hourly time stamp: the additions of other parties to each head of a log.

The sequencer calls `cosign` with each signed head and publishes what it returns. The time stamp is requested beside
it, so that a slow authority delays no head.
"""

import asyncio
from pathlib import Path

from gateway.transparency.merkle import ReadHash
from gateway.transparency.policy import Policy
from gateway.transparency.time_stamp_token import TrustedAuthority
from gateway.transparency.time_stamps import TimeStamper
from gateway.transparency.witness_client import WitnessClient


class HeadServices:
    """Witnesses and time stamps of one log. Close it when the sequencer ends."""

    def __init__(self, witnesses: WitnessClient | None, stamper: TimeStamper | None) -> None:
        self._witnesses, self._stamper = witnesses, stamper
        self._stamping: asyncio.Task[object] | None = None

    async def cosign(self, note: bytes, read_hash: ReadHash) -> bytes:
        """Return the head with the cosignatures that came in time; request a time stamp if one is due."""
        cosigned = note if self._witnesses is None else await self._witnesses.cosign(note, read_hash)
        if self._stamper is not None and (self._stamping is None or self._stamping.done()):
            self._stamping = asyncio.create_task(self._stamper.stamp_if_due(cosigned), name="time stamp")
        return cosigned

    async def aclose(self) -> None:
        """End a request that is under way, and close the connections."""
        if self._stamping is not None:
            self._stamping.cancel()
            await asyncio.wait([self._stamping])
        if self._witnesses is not None:
            await self._witnesses.aclose()


def open_head_services(
    *, policy: Path | None, time_stamp_url: str | None, time_stamp_certificate: Path | None, folder: Path
) -> HeadServices:
    """Return the services of a log by its settings; `folder` has its public files.

    Raises ProofError for a policy or a certificate that cannot be used, OSError for a file that cannot be read.
    """
    witnesses = None if policy is None else WitnessClient(Policy.parse(policy.read_text(encoding="utf-8")))
    if time_stamp_url is None:
        return HeadServices(witnesses, None)
    certificates = None if time_stamp_certificate is None else time_stamp_certificate.read_bytes()
    authority = None if certificates is None else TrustedAuthority.parse(certificates)
    return HeadServices(witnesses, TimeStamper(time_stamp_url, authority, folder))
