"""Figures and sentences of a report, from what was read. Pure: the same contents give the same document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from msgspec import Struct

from alerting.catalogue import Texts
from alerting.decide.reason_detail import describe_detail
from alerting.vocabulary import localize_decimal
from gateway.api.data.registry import DatastreamRow
from gateway.api.pages.formats import Formats
from gateway.api.pages.plume_texts import describe_voided
from gateway.api.schemas.plumes import Plume
from gateway.export.selection import MeanRow
from gateway.model.delays import Delays, summarise_delays
from gateway.model.legal_day import legal_date
from gateway.model.properties import average_of
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_instant
from gateway.reports.contents import NodePlacement, ReportContents
from gateway.reports.loading import list_report_datastreams
from gateway.reports.request import Audience
from gateway.reports.statistics import Capture, Day, summarise_days
from gateway.reports.weeks import Week, group_by_week


class ReceiverFigures(Struct, frozen=True, kw_only=True):
    """How fast a receiver was notified of plumes. `failed`: plumes of which no notification was delivered to it."""

    receiver: str
    delays: Delays | None
    failed: int


class StreamFigures(Struct, frozen=True, kw_only=True):
    """Data capture and levels of one datastream."""

    stream: DatastreamRow
    station: str
    capture: Capture


class NetworkChange(Struct, frozen=True, kw_only=True):
    """A change in the network, as a sentence."""

    at: datetime
    sentence: str


@dataclass(frozen=True, kw_only=True)
class ReportDocument:
    """A report in one language. `public_url`: of the site, for the addresses of its sources."""

    contents: ReportContents
    formats: Formats
    public_url: str

    @property
    def texts(self) -> Texts:
        """The texts of reports."""
        return texts_of("report", self.formats.language)

    @property
    def title(self) -> str:
        """Title with the area and the period."""
        return self.texts["title"].format(area=self.contents.area.name, period=self.period)

    @property
    def period(self) -> str:
        """First and last day."""
        first, last = self.contents.days[0].date, self.contents.days[-1].date
        return self.texts["period_of"].format(first=self.day(first), last=self.day(last))

    @property
    def is_full(self) -> bool:
        """Whether the report has notes, authors and legal bases."""
        return self.contents.request.audience is Audience.AUTHORITY

    @cached_property
    def counted(self) -> Sequence[Plume]:
        """The plumes that were not disproved."""
        return [plume for plume in self.contents.plumes if plume.state != "voided"]

    @cached_property
    def voided(self) -> Sequence[Plume]:
        """The plumes that later readings disproved, or that an inspector judged a false alarm."""
        return [plume for plume in self.contents.plumes if plume.state == "voided"]

    @cached_property
    def streams(self) -> Sequence[StreamFigures]:
        """Data capture and levels of every datastream that was there in the period."""
        return [
            StreamFigures(
                stream=stream,
                station=self.contents.registry.stations[stream.station].name,
                capture=summarise_days(days, rows, average_of(stream.observed_property)),
            )
            for stream, days, rows in self._parts
        ]

    @cached_property
    def weeks(self) -> Sequence[Week]:
        """Every week of the period."""
        parts = [(days, rows) for _, days, rows in self._parts]
        return group_by_week(self.contents.days, self.contents.plumes, parts, self.contents.area.time_zone)

    @cached_property
    def receivers(self) -> Sequence[ReceiverFigures]:
        """Per receiver the time from the detection of a plume to the first delivered notification."""
        seconds, failed = dict[str, list[float]](), dict[str, int]()
        for plume in self.contents.plumes:
            detected_at = datetime.fromisoformat(plume.detected_at)
            for receiver in plume.notified:
                delays = seconds.setdefault(receiver.receiver, [])
                if receiver.notified_at is None:
                    failed[receiver.receiver] = failed.get(receiver.receiver, 0) + 1
                else:
                    delays.append((datetime.fromisoformat(receiver.notified_at) - detected_at).total_seconds())
        return [
            ReceiverFigures(receiver=name, delays=summarise_delays(delays), failed=failed.get(name, 0))
            for name, delays in sorted(seconds.items())
        ]

    @cached_property
    def notified_count(self) -> int:
        """Plumes of which at least one receiver was notified."""
        return sum(any(receiver.notified_at for receiver in plume.notified) for plume in self.contents.plumes)

    @property
    def summary(self) -> Iterator[str]:
        """The most important figures as sentences."""
        texts = self.texts
        severe = sum(plume.severity in {"severe", "extreme"} for plume in self.counted)
        yield texts["plumes"].format(count=len(self.counted), severe=severe)
        acknowledged = sum(plume.acknowledged_at is not None for plume in self.counted)
        if self.counted:
            yield texts["acknowledged_of"].format(count=acknowledged, all=len(self.counted))
        if self.voided:
            yield texts["voided_of"].format(count=len(self.voided))
        yield self._describe_capture()

    def causes_of(self, plume: Plume) -> list[str]:
        """The causes that the authority stated; empty if none was. Nothing is concluded from readings."""
        sources = [source for source in self.contents.known_sources if source.plume == plume.id]
        if not self.is_full:
            return [self.texts["known_source"]] if sources else []
        return [describe_detail(source.detail, self.formats.language) for source in sources]

    def answers_of(self, plume: Plume) -> list[str]:
        """When inspectors acknowledged a plume; for the authority with author and note."""
        answers = [answer for answer in self.contents.answers if answer.plume == plume.id]
        moments = [self.formats.date_time(format_instant(answer.at)) for answer in answers]
        if not self.is_full:
            return moments[:1]
        return [
            f"{moment}, {answer.author}{f': {answer.note}' if answer.note else ''}"
            for moment, answer in zip(moments, answers, strict=True)
        ]

    def correction_of(self, plume: Plume) -> str:
        """Why a plume does not count: the judgement of an inspector, or the time of the reading that disproved it."""
        if plume.false_alarm is not None:
            return describe_voided(self.formats, plume.false_alarm)
        return self.texts["corrected_at"].format(at=self.formats.date_time(plume.changed_at))

    def delay_of(self, plume: Plume) -> str:
        """How long after its detection the first receiver was notified."""
        detected_at = datetime.fromisoformat(plume.detected_at)
        moments = [datetime.fromisoformat(r.notified_at) for r in plume.notified if r.notified_at is not None]
        return self.duration((min(moments) - detected_at).total_seconds()) if moments else self.texts["nobody"]

    @property
    def changes(self) -> Sequence[NetworkChange]:
        """Changes in the network, oldest first."""
        changes = [*self._list_installations(), *self._list_calibrations(), *self._list_detectors()]
        return sorted(changes, key=lambda change: (change.at, change.sentence))

    @property
    def sources(self) -> Sequence[tuple[str, str]]:
        """Sources of the numbers: a text, and the address of the API with the same data."""
        start, end, area = *map(format_instant, (self.contents.start, self.contents.end)), self.contents.area.id
        period = f"start={start}&end={end}"
        return [
            (self.texts["source_plumes"], f"{self.public_url}/api/v1/plumes?area={area}&{period}"),
            (self.texts["source_alerts"], f"{self.public_url}/api/v1/alerts?area={area}&{period}"),
            *(
                (
                    self.name_stream(figures),
                    f"{self.public_url}/api/v1/datastreams/{figures.stream.id}/observations?averaging=1day&{period}",
                )
                for figures in self.streams
            ),
            (self.texts["source_corrections"], f"{self.public_url}/api/v1/corrections"),
            *(
                [(self.texts["source_site_reports"], f"{self.public_url}/api/v1/site-reports?area={area}&{period}")]
                if self.contents.site_reports
                else []
            ),
        ]

    def source_number(self, stream: DatastreamRow) -> int:
        """Number of the source of a datastream in `sources`."""
        return self._source_numbers[stream.id]

    @cached_property
    def _source_numbers(self) -> Mapping[int, int]:
        return {figures.stream.id: number for number, figures in enumerate(self.streams, start=3)}

    def day(self, day: date) -> str:
        """A date with the name of its month."""
        return self.formats.date_of(f"{day.isoformat()}T12:00:00+00:00")

    def duration(self, seconds: float) -> str:
        """A duration to the second, of an hour or more to the minute."""
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 1:
            return self.texts["delay_seconds"].format(seconds=rest)
        if minutes < 60:
            return self.texts["delay_minutes"].format(minutes=minutes, seconds=rest)
        return self.texts["delay_hours"].format(hours=minutes // 60, minutes=minutes % 60)

    def share(self, valid: int, expected: int | None) -> str:
        """Valid readings as a percentage of the expected ones, rounded down: 99.96 % is not complete."""
        if not expected:
            return self.texts["unknown"]
        tenths = 1000 * valid // expected
        return f"{localize_decimal(f'{tenths / 10:.1f}', self.formats.language)} %"

    def count(self, number: int | None) -> str:
        """A whole number with spaces between thousands."""
        return self.texts["unknown"] if number is None else f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")

    @cached_property
    def _parts(self) -> Sequence[tuple[DatastreamRow, Sequence[Day], Sequence[MeanRow]]]:
        """Each datastream with the days on which it was there, and its day means."""
        parts = []
        for stream in list_report_datastreams(self.contents.registry, self.contents.area):
            rows = self.contents.means.get(stream.id, [])
            days = self._days_of(stream, rows)
            if days:
                parts.append((stream, days, rows))
        return parts

    def _days_of(self, stream: DatastreamRow, rows: Sequence[MeanRow]) -> Sequence[Day]:
        """The days on which readings were expected: the node stood at the station, or had delivered some before.

        A node may be registered later than its first reading, such as one whose past was imported.
        """
        spans = [
            row for row in self.contents.installations if row.node == stream.node and row.station == stream.station
        ]
        measured = {row.start for row in rows}
        first = min(measured, default=None)
        return [
            day
            for day in self.contents.days
            if day.start in measured
            or any(_overlaps(span, day) for span in spans)
            or (first is not None and day.start > first and any(day.start < span.since for span in spans))
        ]

    def name_stream(self, figures: StreamFigures) -> str:
        """Station, property and node of a datastream."""
        return f"{figures.station}, {self.formats.name_of(figures.stream.observed_property)}, {figures.stream.node}"

    def _describe_capture(self) -> str:
        if not self.streams:
            return self.texts["no_streams"]
        valid = sum(figures.capture.valid for figures in self.streams)
        expected = [figures.capture.expected for figures in self.streams]
        stated = [number for number in expected if number is not None]
        if not stated or len(stated) < len(expected):
            return self.texts["capture_unknown"]
        share = self.share(valid, sum(stated))
        return self.texts["capture_of"].format(share=share, valid=self.count(valid), expected=self.count(sum(stated)))

    def _list_installations(self) -> Iterator[NetworkChange]:
        for row in self.contents.installations:
            station = self.contents.registry.stations[row.station].name
            if self._is_inside(row.since):
                yield NetworkChange(
                    at=row.since, sentence=self.texts["installed"].format(node=row.node, station=station)
                )
            if row.until is not None and self._is_inside(row.until):
                yield NetworkChange(at=row.until, sentence=self.texts["removed"].format(node=row.node, station=station))

    def _list_calibrations(self) -> Iterator[NetworkChange]:
        for version in self.contents.calibrations:
            text = self.texts["calibrated"].format(
                node=version.node, property=self.formats.name_of(version.observed_property), version=version.version
            )
            yield NetworkChange(at=version.valid_from, sentence=f"{text} {version.source}" if self.is_full else text)

    def _list_detectors(self) -> Iterator[NetworkChange]:
        for use in self.contents.detectors:
            if use.since is not None and self._is_inside(use.since):
                yield NetworkChange(at=use.since, sentence=self.texts["detector"].format(name=use.name))

    def _is_inside(self, at: datetime) -> bool:
        return self.contents.start <= at < self.contents.end

    def week_name(self, week: Week) -> str:
        """Number and days of a week."""
        return self.texts["week_of"].format(number=week.number, first=f"{week.first:%d-%m}", last=f"{week.last:%d-%m}")

    def local_day(self, text: str) -> date:
        """The legal day of a moment."""
        return legal_date(datetime.fromisoformat(text), self.contents.area.time_zone)


def _overlaps(span: NodePlacement, day: Day) -> bool:
    return span.since < day.end and (span.until is None or span.until > day.start)
