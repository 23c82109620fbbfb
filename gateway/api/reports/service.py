"""Reports that the site offers: of the last 24 whole months, and of any other period of at most 92 days within them.

The months are a small fixed set; they are cached, and strangers cannot keep the maker busy with ever new ones. Of other
periods only one is made at a time, so that the months and the inspectors do not wait for them.
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
MAX_DAYS = 92  # of a period that is no month: a quarter
_CACHE_SECONDS = 3_600.0  # late readings of a month that is over are rare
_MAX_CACHED_BYTES = 32 << 20
_MAX_WAITING = 6  # requests for reports that are not in the cache, at once


class Period(Struct, frozen=True, kw_only=True):
    """Whole legal days: from `start` until before `end`."""

    start: date
    end: date

    @property
    def is_month(self) -> bool:
        """Whether it is a calendar month."""
        return self.start.day == 1 and self.end == end_of_month(self.start)


class SiteReportRequest(Struct, frozen=True, kw_only=True):
    """A report of a period; `is_full`: for the authority."""

    area: str
    period: Period
    language: Language
    is_full: bool = False
    is_pdf: bool = False


class ReportService:
    """The maker with its cache; one instance per application."""

    def __init__(self, maker: ReportMaker) -> None:
        self._maker, self._waiting, self._makes_other_period = maker, 0, False
        self._cache: OrderedDict[SiteReportRequest, tuple[float, ReportFile]] = OrderedDict()

    @property
    def makes_pdf(self) -> bool:
        """Whether there are PDFs."""
        return self._maker.makes_pdf

    async def make(self, request: SiteReportRequest) -> ReportFile:
        """Return the report. Raises HTTPException 503 if too many wait, or with the reason if it cannot be made."""
        at, file = self._cache.get(request, (0.0, None))
        if file is not None and time.monotonic() - at < _CACHE_SECONDS:
            return file
        is_other = not request.period.is_month and not request.is_full
        if self._waiting >= _MAX_WAITING or (is_other and self._makes_other_period):
            raise HTTPException(503, "other reports are being made; try again in a minute", {"Retry-After": "60"})
        self._waiting += 1
        self._makes_other_period |= is_other
        try:
            file = await self._maker.make(
                request.area,
                request.period.start,
                request.period.end,
                language=request.language,
                is_full=request.is_full,
                is_pdf=request.is_pdf,
            )
        except GatewayError as error:
            _LOG.warning("report not made", area_id=request.area, error=one_line(error))
            raise HTTPException(503, f"the report was not made: {error}", {"Retry-After": "60"}) from None
        finally:
            self._waiting -= 1
            self._makes_other_period &= not is_other
        self._store(request, file)
        return file

    async def aclose(self) -> None:
        """End the maker."""
        await self._maker.aclose()

    def _store(self, request: SiteReportRequest, file: ReportFile) -> None:
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


def end_of_month(first: date) -> date:
    """Return the first day of the next month."""
    return (first + timedelta(days=31)).replace(day=1)


def find_problem(period: Period, now: datetime, time_zone: str) -> str | None:
    """Return why there is no report of this period, as a key of the catalogue; None if there is one. Pure."""
    if period.end <= period.start:
        return "period_order"
    if period.end > legal_date(now, time_zone):
        return "period_running"
    if (period.end - period.start).days > MAX_DAYS:
        return "period_long"
    return "period_old" if period.start < list_months(now, time_zone)[-1] else None


def list_months(now: datetime, time_zone: str) -> Sequence[date]:
    """Return the first days of the last months that are over in this time zone, newest first. Pure."""
    first, months = legal_date(now, time_zone).replace(day=1), list[date]()
    for _ in range(MONTHS):
        first = (first - timedelta(days=1)).replace(day=1)
        months.append(first)
    return months
