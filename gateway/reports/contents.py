"""Contents of a report, as read from the database. Pure: no number is computed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.api.data.registry import AreaRow, PublicRegistry
from gateway.api.data.site_statements import ComplaintComparison
from gateway.api.schemas.plumes import Plume
from gateway.assessment.assess import SubstanceAssessment
from gateway.export.selection import MeanRow
from gateway.quality.calibration import CalibrationVersion
from gateway.reconciliation.site_reports import MatchedReport
from gateway.reports.request import ReportRequest
from gateway.reports.statistics import Day


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An acknowledgement of an event of a plume."""

    plume: str
    at: datetime
    author: str
    note: str


@dataclass(frozen=True, kw_only=True)
class StatedSource:
    """A known source that the authority named for a plume; `detail` as the decision stored it."""

    plume: str
    at: datetime
    detail: str


@dataclass(frozen=True, kw_only=True)
class NodePlacement:
    """A node that stood at a station, until `until`; None: it still does."""

    node: str
    station: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class DetectorUse:
    """A detector and its events in the period. `since`: when it first ran on this site."""

    name: str
    since: datetime | None
    events: int


@dataclass(frozen=True, kw_only=True)
class ReportContents:
    """Everything in a report. `plumes`: oldest first; `means` and `assessments`: by datastream.

    site_reports  reports of sites in the period, the newest first, each with the event that it fits
    comparisons   stored comparisons of complaints that overlap the period
    """

    request: ReportRequest
    area: AreaRow
    days: Sequence[Day]
    registry: PublicRegistry
    plumes: Sequence[Plume]
    answers: Sequence[Answer]
    known_sources: Sequence[StatedSource]
    means: Mapping[int, Sequence[MeanRow]]
    assessments: Mapping[int, SubstanceAssessment]
    site_reports: Sequence[MatchedReport]
    comparisons: Sequence[ComplaintComparison]
    installations: Sequence[NodePlacement]
    detectors: Sequence[DetectorUse]

    @property
    def start(self) -> datetime:
        """Begin of the period, in UTC."""
        return self.days[0].start

    @property
    def end(self) -> datetime:
        """End of the period, exclusive, in UTC."""
        return self.days[-1].end

    @property
    def as_of(self) -> datetime:
        """The newest change of the plumes: date of the document, so that the same data give the same bytes."""
        changes = [datetime.fromisoformat(plume.changed_at) for plume in self.plumes]
        return max([self.end, *changes]).astimezone(UTC)

    @property
    def calibrations(self) -> Sequence[CalibrationVersion]:
        """Versions that begin in the period, of nodes that stood in the area."""
        nodes = {installation.node for installation in self.installations}
        return [
            version
            for version in self.registry.list_calibrations()
            if version.node in nodes and self.start <= version.valid_from < self.end
        ]
