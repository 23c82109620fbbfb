"""Requests of reports: an area, a period of whole legal days, and the readers."""

from datetime import date
from enum import StrEnum

from msgspec import Struct

from alerting.vocabulary import Language


class Audience(StrEnum):
    """Readers of a report. `residents`: public facts only; `authority`: also notes, authors and legal bases."""

    RESIDENTS = "residents"
    AUTHORITY = "authority"


class ReportRequest(Struct, frozen=True, kw_only=True):
    """A report of an area, from the day `start` until before the day `end`, both legal days of the area."""

    area: str
    start: date
    end: date
    audience: Audience = Audience.RESIDENTS
    language: Language = "nl"


class ReportPublisher(Struct, frozen=True, kw_only=True):
    """Publisher of the reports. `operator`: organisation that runs the site; `public_url`: its address.

    year_coverage  share of the hours of a year that a mean over it needs; None: no mean over a year
    """

    operator: str
    public_url: str
    year_coverage: float | None = None
