"""Reports for the API, made in the child process of `gateway.documents.worker`."""

from datetime import date
from importlib.util import find_spec

import msgspec
from msgspec import Struct

from alerting.vocabulary import Language
from gateway.api.reports.maker import ReportFile
from gateway.documents.worker import DocumentWorker
from gateway.reports.request import Audience, ReportPublisher, ReportRequest


class ReportJob(Struct, frozen=True, kw_only=True):
    """Job of the child. The DSN comes by a pipe, because anybody on the machine can read arguments."""

    dsn: str
    request: ReportRequest
    publisher: ReportPublisher
    is_pdf: bool


class ReportWorker:
    """A `ReportMaker` for the database `dsn`."""

    def __init__(self, dsn: str, publisher: ReportPublisher) -> None:
        self._dsn, self._publisher = dsn, publisher
        self._public = DocumentWorker("gateway.reports", "report")
        self._full = DocumentWorker("gateway.reports", "report")  # the public keeps no inspector waiting

    @property
    def makes_pdf(self) -> bool:
        """Whether the extra `dossier` is installed."""
        return find_spec("weasyprint") is not None

    async def make(
        self, area: str, start: date, end: date, *, language: Language, is_full: bool, is_pdf: bool
    ) -> ReportFile:
        """Return the report. Raises DocumentError if it cannot be made, or if others take too long."""
        audience = Audience.AUTHORITY if is_full else Audience.RESIDENTS
        request = ReportRequest(area=area, start=start, end=end, audience=audience, language=language)
        job = ReportJob(dsn=self._dsn, request=request, publisher=self._publisher, is_pdf=is_pdf)
        answer = await (self._full if is_full else self._public).make(msgspec.json.encode(job))
        return ReportFile(file_name=answer.file_name, content=answer.content)

    async def aclose(self) -> None:
        """End the children."""
        await self._public.aclose()
        await self._full.aclose()
