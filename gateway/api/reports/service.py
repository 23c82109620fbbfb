"""Reports that the site offers: of the last 24 whole months, for everybody; for inspectors also in full.

The public ones are a small fixed set, so strangers cannot keep the maker busy with ever new periods. They are cached.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from fastapi import FastAPI, HTTPException, Request
from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from alerting.vocabulary import Language
from gateway.api.reports.maker import ReportFile, ReportMaker
from gateway.errors import GatewayError
from gateway.model.legal_day import legal_date

_LOG = get_logger("gateway.api")
MONTHS = 24
_CACHE_SECONDS = 3_600.0  # late readings of a month that is over are rare
_MAX_CACHED_BYTES = 32 << 20
_MAX_WAITING = 6  # requests for reports that are not in the cache, at once


class MonthRequest(Struct, frozen=True, kw_only=True):
    """A report of one month; `is_full`: for the authority."""

    area: str
    month: date
    language: Language
    is_full: bool = False
    is_pdf: bool = False

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return (self.month + timedelta(days=31)).replace(day=1)


class ReportService:
    """The maker with its cache; one instance per application."""

    def __init__(self, maker: ReportMaker) -> None:
        self._maker, self._waiting = maker, 0
        self._cache: OrderedDict[MonthRequest, tuple[float, ReportFile]] = OrderedDict()

    @property
    def makes_pdf(self) -> bool:
        """Whether there are PDFs."""
        return self._maker.makes_pdf

    async def make(self, request: MonthRequest) -> ReportFile:
        """Return the report. Raises HTTPException 503 if too many wait, or with the reason if it cannot be made."""
        at, file = self._cache.get(request, (0.0, None))
        if file is not None and time.monotonic() - at < _CACHE_SECONDS:
            return file
        if self._waiting >= _MAX_WAITING:
            raise HTTPException(503, "other reports are being made; try again in a minute", {"Retry-After": "60"})
        self._waiting += 1
        try:
            file = await self._maker.make(
                request.area,
                request.month,
                request.end,
                language=request.language,
                is_full=request.is_full,
                is_pdf=request.is_pdf,
            )
        except GatewayError as error:
            _LOG.warning("report not made", area_id=request.area, error=one_line(error))
            raise HTTPException(503, f"the report was not made: {error}", {"Retry-After": "60"}) from None
        finally:
            self._waiting -= 1
        self._store(request, file)
        return file

    async def aclose(self) -> None:
        """End the maker."""
        await self._maker.aclose()

    def _store(self, request: MonthRequest, file: ReportFile) -> None:
        """Cache a public report; the full ones show answers of a minute ago."""
        if request.is_full:
            return
        self._cache[request] = time.monotonic(), file
        self._cache.move_to_end(request)
        while sum(len(cached.content) for _, cached in self._cache.values()) > _MAX_CACHED_BYTES:
            self._cache.popitem(last=False)


def install(app: FastAPI, maker: ReportMaker | None) -> None:
    """Give the application its reports; without a maker it offers none."""
    app.state.reports = None if maker is None else ReportService(maker)


def find_reports(request: Request) -> ReportService | None:
    """Return the reports of the application, or None if it offers none."""
    service: ReportService | None = request.app.state.reports
    return service


def list_months(now: datetime, time_zone: str) -> Sequence[date]:
    """Return the first days of the last months that are over in this time zone, newest first. Pure."""
    first, months = legal_date(now, time_zone).replace(day=1), list[date]()
    for _ in range(MONTHS):
        first = (first - timedelta(days=1)).replace(day=1)
        months.append(first)
    return months
