"""Dossiers for the API: each is made in a child process, one at a time.

To lay out the pages takes seconds of computing, which must not delay the live feed, and some 200 MB, which the child
gives back when it ends. The child reads a job from its standard input and writes the ZIP to its standard output.
"""

import asyncio
import os
import signal
import sys

import msgspec
from msgspec import Struct

from alerting.vocabulary import Language
from gateway.api.inspector.dossiers import DossierFile
from gateway.dossier.errors import DossierError
from gateway.dossier.request import DossierPublisher, DossierRequest, EventRequest
from gateway.system.child_process import make_parent_death_hook
from gateway.transparency.settings import PublicLogSettings

_MAKE_SECONDS = 120.0  # until a child is killed
_WAIT_SECONDS = 60.0  # that a request waits for the dossier before it


class DossierJob(Struct, frozen=True, kw_only=True):
    """Job of the child. The DSN comes by a pipe, because anybody on the machine can read arguments."""

    dsn: str
    request: DossierRequest
    publisher: DossierPublisher
    public_log: PublicLogSettings | None = None


def decode_job(content: bytes) -> DossierJob:
    """Read a job; its paths are texts in JSON."""
    return msgspec.json.decode(content, type=DossierJob, dec_hook=lambda kind, value: kind(value))


class DossierWorker:
    """A `DossierMaker` for the database `dsn`."""

    def __init__(self, dsn: str, publisher: DossierPublisher, public_log: PublicLogSettings | None = None) -> None:
        self._dsn, self._publisher, self._public_log = dsn, publisher, public_log
        self._turn = asyncio.Lock()

    async def make(self, event: str, language: Language) -> DossierFile:
        """Return the dossier. Raises DossierError if it cannot be made, or if others take too long."""
        job = DossierJob(
            dsn=self._dsn,
            request=EventRequest(event=event, language=language),
            publisher=self._publisher,
            public_log=self._public_log,
        )
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise DossierError("other dossiers are being made; try again in a minute") from None
        try:
            return msgspec.msgpack.decode(await _run_child(msgspec.json.encode(job, enc_hook=str)), type=DossierFile)
        finally:
            self._turn.release()


async def _run_child(job: bytes) -> bytes:
    """Return what the child wrote. Raises DossierError with its sentence, or if it takes too long."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.dossier",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=make_parent_death_hook(os.getpid()),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_MAKE_SECONDS):
            output, errors = await child.communicate(job)
    except TimeoutError:
        raise DossierError(f"the dossier was not ready after {_MAKE_SECONDS:.0f} s") from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)  # also a process that holds its pipes
            await child.wait()
    if child.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise DossierError(lines[-1] if lines else f"the program that makes it ended with {child.returncode}")
    return output
