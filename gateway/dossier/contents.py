"""Contents of a dossier as values: everything that was read from the database, before a text is written. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from alerting.decide.silence import Silence
from alerting.record.cases import CaseRecord
from alerting.record.history import AcknowledgementStep, DecisionStep
from gateway.api.data.registry import AreaRow, ObservedPropertyRow, PublicRegistry, StationRow
from gateway.api.schemas.alerts import Alert
from gateway.api.schemas.detection import DetectionFigure
from gateway.api.schemas.events import Event, PublicFalseAlarm, Revision
from gateway.dossier.request import DossierRequest
from gateway.dossier.stored_file import StoredFile
from gateway.export.selection import Rows, Selection
from gateway.model.event import EventKind
from gateway.model.validity import is_undated, valid_value
from gateway.quality.calibration import CalibrationVersion

PUBLIC_KINDS = frozenset({EventKind.PEAK.value, EventKind.REGIONAL.value})


class StoredReading(NamedTuple):
    """One reading as it is stored, with its corrected value; the columns of `gateway.export.rows`."""

    at: datetime
    value: float | None
    flags: int
    node: str
    incarnation: str
    number: int
    stamped_at: datetime | None
    corrected: float | None
    rule: str | None
    uncorrected: str | None

    @property
    def valid(self) -> float | None:
        """The value if it counts."""
        return valid_value(self.value, self.flags)


class MinuteMean(NamedTuple):
    """One minute; the columns of `gateway.export.rows`. The mean, `min` and `max` are of the valid readings."""

    start: datetime
    end: datetime
    readings: int
    valid_count: int
    expected_count: int | None
    mean: float | None
    min: float | None
    max: float | None
    flags: int
    corrected: float | None
    rule: str | None
    uncorrected: str | None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Readings of one property at one station: of every node there, and the minutes of `node` alone."""

    selection: Selection
    minute_selection: Selection
    node: str
    rows: Rows
    minute_rows: Rows

    @cached_property
    def readings(self) -> Sequence[StoredReading]:
        """The readings of `node` whose time is believed, oldest first."""
        return [
            row for row in map(StoredReading._make, self.rows) if row.node == self.node and not is_undated(row.flags)
        ]

    @cached_property
    def minutes(self) -> Sequence[MinuteMean]:
        """The minutes of `node`, oldest first."""
        return [MinuteMean._make(row) for row in self.minute_rows]

    def minutes_between(self, start: datetime, end: datetime) -> Sequence[MinuteMean]:
        """Return the minutes that overlap a period."""
        return [minute for minute in self.minutes if minute.end > start and minute.start < end]


@dataclass(frozen=True, kw_only=True)
class WindMinutes:
    """Wind by minutes, measured at `station`: the event's, or the nearest of the area that measures it."""

    station: StationRow
    direction: Series
    speed: Series | None


@dataclass(frozen=True, kw_only=True)
class NeighbourMinutes:
    """Minute means (start, mean) of the same property at a neighbour; distance in m and bearing in degrees."""

    station: StationRow
    distance: float
    bearing: float
    means: Sequence[tuple[datetime, float | None]]


@dataclass(frozen=True, kw_only=True)
class BatchExhibit:
    """A batch as the node signed it. `payload` empty: retention deleted the bytes; the hash remains."""

    node: str
    incarnation: str
    number: int
    sha256: bytes
    payload: bytes
    clock: str
    late: bool
    received_at: datetime
    committed_at: datetime
    shift_ms: int | None
    doubt: str | None

    @property
    def name(self) -> str:
        """Node, incarnation and number, as in a file name."""
        return f"{self.node}-{self.incarnation}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A node at the station, from when until when."""

    node: str
    since: datetime
    until: datetime | None
    enrolled_at: datetime
    revoked_at: datetime | None
    key: str


@dataclass(frozen=True, kw_only=True)
class NodeConfiguration:
    """A configuration that operators sent to a node."""

    node: str
    version: int
    desired_at: datetime


@dataclass(frozen=True, kw_only=True)
class NodeCopy:
    """A node of which two cards sent at once."""

    node: str
    first_at: datetime
    last_at: datetime
    conflicts: int


@dataclass(frozen=True, kw_only=True)
class DetectedEvent:
    """One event at one revision. `noise`: one standard deviation of the datastream at that time, in its unit.

    `false_alarm`: a judgement that inspectors have not withdrawn. It stands beside the event of the detector.
    """

    document: Event
    newest_revision: int
    datastream: int
    node: str
    noise: float
    levels: Sequence[float] | None
    parameters: str | None
    detection_figures: Sequence[DetectionFigure]
    revisions: Sequence[Revision]
    alerts: Sequence[Alert]
    case_record: CaseRecord | None
    false_alarm: PublicFalseAlarm | None = None

    @property
    def onset(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.document.onset)

    @property
    def end(self) -> datetime | None:
        """When it ended; None: it goes on."""
        return None if self.document.end is None else datetime.fromisoformat(self.document.end)

    @property
    def changed_at(self) -> datetime:
        """When this revision was stored."""
        return datetime.fromisoformat(self.document.changed_at)

    @property
    def is_peak(self) -> bool:
        """Whether it is a peak that was not withdrawn; other kinds are faults, outliers and effects of humidity."""
        return self.document.kind in PUBLIC_KINDS and self.document.change != "voided"

    @property
    def is_sensor_fault(self) -> bool:
        """Whether it is about readings that the sensor itself reports as wrong: their value is no measurement."""
        return self.document.kind == "sensor"

    @property
    def decisions(self) -> Sequence[DecisionStep | AcknowledgementStep]:
        """Decisions about receivers, and what people answered, oldest first."""
        steps = () if self.case_record is None else self.case_record.steps
        return [step for step in steps if isinstance(step, DecisionStep | AcknowledgementStep)]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One property: its readings and the events that the dossier is about."""

    observed_property: ObservedPropertyRow
    series: Series
    events: Sequence[DetectedEvent]
    neighbours: Sequence[NeighbourMinutes] = ()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything of one dossier. The period is [start, end), UTC.

    `plume_events`: all events of the plume that the event of the dossier belongs to, itself too.
    `detected`: ids of the events in `detections`.
    """

    request: DossierRequest
    registry: PublicRegistry
    station: StationRow
    area: AreaRow
    start: datetime
    end: datetime
    chapters: Sequence[Chapter]
    humidity: Series | None
    wind: WindMinutes | None
    around: Sequence[Event]
    silences: Sequence[Silence]
    batches: Sequence[BatchExhibit]
    installations: Sequence[Installation]
    configurations: Sequence[NodeConfiguration]
    copies: Sequence[NodeCopy]
    plume_events: Sequence[Event] = ()
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    detections: Mapping[str, StoredFile] = field(default_factory=dict)
    detected: Sequence[str] = ()
    policy: str | None = None

    @property
    def events(self) -> Sequence[DetectedEvent]:
        """The events that the dossier is about."""
        return [event for chapter in self.chapters for event in chapter.events]

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes whose readings are in it."""
        return sorted({chapter.series.node for chapter in self.chapters})

    @property
    def calibrations(self) -> Sequence[CalibrationVersion]:
        """The calibrations of its nodes that began before its end, by node, property and version."""
        return [
            version
            for version in self.registry.list_calibrations()
            if version.node in self.nodes and version.valid_from < self.end
        ]

    @property
    def series(self) -> Iterator[Series]:
        """Every series of readings, the properties first."""
        yield from (chapter.series for chapter in self.chapters)
        if self.humidity is not None:
            yield self.humidity
        if self.wind is not None:
            yield self.wind.direction
            if self.wind.speed is not None:
                yield self.wind.speed

    @cached_property
    def as_of(self) -> datetime:
        """The newest moment of anything in it: the same data give the same dossier, whenever it is made."""
        moments = [event.changed_at for event in self.events]
        moments += [step.at for event in self.events if event.case_record for step in event.case_record.steps]
        moments += [datetime.fromisoformat(event.changed_at) for event in self.plume_events]
        moments += [batch.committed_at for batch in self.batches]
        return max(moments, default=self.end)
