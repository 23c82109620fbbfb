"""Dossiers for the API, made in the child process of `gateway.documents.worker`."""

import msgspec
from msgspec import Struct

from alerting.vocabulary import Language
from gateway.api.inspector.dossiers import DossierFile
from gateway.documents.worker import DocumentWorker
from gateway.dossier.request import DossierPublisher, DossierRequest, EventRequest
from gateway.transparency.settings import PublicLogSettings


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
        self._worker = DocumentWorker("gateway.dossier", "dossier")

    async def make(self, event: str, language: Language) -> DossierFile:
        """Return the dossier. Raises DocumentError if it cannot be made, or if others take too long."""
        job = DossierJob(
            dsn=self._dsn,
            request=EventRequest(event=event, language=language),
            publisher=self._publisher,
            public_log=self._public_log,
        )
        answer = await self._worker.make(msgspec.json.encode(job, enc_hook=str))
        return DossierFile(file_name=answer.file_name, content=answer.content)

    async def aclose(self) -> None:
        """End the child."""
        await self._worker.aclose()
