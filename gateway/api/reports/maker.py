"""How the site gets a report: the API asks a maker for it, which the service passes in.

`gateway.reports` makes them, in a child process. Without a maker no page offers a report.
"""

from datetime import date
from typing import Protocol

from msgspec import Struct

from alerting.vocabulary import Language


class ReportFile(Struct, frozen=True, kw_only=True):
    """A report: the name of the file, and its bytes as HTML or PDF."""

    file_name: str
    content: bytes


class ReportMaker(Protocol):
    """Makes reports beside the event loop, one at a time."""

    @property
    def makes_pdf(self) -> bool:
        """Whether it can make a PDF."""

    async def make(
        self, area: str, start: date, end: date, *, language: Language, is_full: bool, is_pdf: bool
    ) -> ReportFile:
        """Return the report of the days from `start` until before `end`; `is_full`: for the authority.

        Raises GatewayError with one sentence if it cannot be made.
        """

    async def aclose(self) -> None:
        """End what it runs; the application calls it when it stops."""
