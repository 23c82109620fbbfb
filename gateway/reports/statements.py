"""The part of a report about what others state: reports of sites and complaints. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from alerting.vocabulary import localize_decimal
from gateway.api.data.site_statements import ComplaintComparison
from gateway.reconciliation.event_counts import FEWEST_PERSONS
from gateway.reconciliation.site_reports import ReportTimes, summarise_report_times
from gateway.reports.document import ReportDocument


@dataclass(frozen=True, kw_only=True)
class ReportStatements:
    """The statements in a report in its language."""

    document: ReportDocument

    @cached_property
    def site_times(self) -> Sequence[ReportTimes]:
        """How long after measured events the sites reported incidents themselves."""
        return summarise_report_times(self.document.contents.site_reports)

    def name_site(self, site: str) -> str:
        """Name and operator of a watched site."""
        row = self.document.contents.registry.sites.get(site)
        return site if row is None else f"{row.name} ({row.operator})"

    def persons(self, count: int) -> str:
        """A number of persons; under five only for the authority."""
        is_shown = self.document.is_full or count >= FEWEST_PERSONS
        return self.document.count(count) if is_shown else self.document.texts["fewer_than_five"]

    def chance_of(self, comparison: ComplaintComparison) -> str:
        """The chance of as many fitting complaints on other days, in percent."""
        if comparison.chance is None:
            return self.document.texts["unknown"]
        return f"{localize_decimal(f'{100 * comparison.chance:.1f}', self.document.formats.language)} %"

    def delay(self, seconds: float) -> str:
        """A duration after an onset, or before it."""
        duration = self.document.duration(abs(seconds))
        return duration if seconds >= 0 else self.document.texts["before_onset"].format(duration=duration)
