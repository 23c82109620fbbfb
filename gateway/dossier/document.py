"""Texts of the document of a dossier, as its template reads them: the same for the screen and for paper. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from msgspec import to_builtins

from alerting.record.history import AcknowledgementStep, DecisionStep, describe_step
from gateway.api.pages.event_map import describe_wind
from gateway.api.pages.formats import Formats
from gateway.api.schemas.alerts import Alert
from gateway.dossier.contents import Chapter, Contents, DetectedEvent, NeighbourMinutes
from gateway.dossier.event_facts import (
    Level,
    describe_event_wind,
    describe_level,
    find_highest,
    list_levels,
    list_parameters,
)
from gateway.dossier.explanations import OtherExplanation, list_explanations
from gateway.dossier.method import describe_method
from gateway.dossier.node_history import describe_node_history, describe_operator_reports
from gateway.dossier.request import EventRequest
from gateway.dossier.summary import describe_completeness, describe_upwind, measure_completeness, summarise_event
from gateway.dossier.value_table import ValueTable, build_value_table
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_seconds
from gateway.quality.humidity_correction import find_rule

_EVENT_HEADINGS = (
    "cover", "summary", "method", "curve", "wind", "detection", "others", "levels", "notified", "reports", "node",
    "exhibits", "check", "finding",
)  # fmt: skip
_PERIOD_HEADINGS = tuple(
    {"summary": "summary_period", "wind": "wind_period", "detection": "detection_period"}.get(key, key)
    for key in _EVENT_HEADINGS
)


class DossierDocument:
    """Texts and tables of the template, as `d`."""

    def __init__(self, contents: Contents, formats: Formats, *, operator: str, version: str, public_url: str) -> None:
        self._contents, self._formats, self._operator = contents, formats, operator
        self._version, self._public_url = version, public_url
        self._texts = texts_of("dossier", formats.language)

    @property
    def is_event(self) -> bool:
        """Whether the dossier is of one event."""
        return isinstance(self._contents.request, EventRequest)

    @property
    def headings(self) -> Sequence[str]:
        """The key of each heading."""
        return _EVENT_HEADINGS if self.is_event else _PERIOD_HEADINGS

    @property
    def title(self) -> str:
        """The title of the dossier."""
        contents = self._contents
        if self.is_event:
            name = self._formats.name_of(contents.chapters[0].observed_property.id)
            return self._texts["title_of"].format(
                title=self._texts["title_event"], name=name, station=contents.station.name
            )
        name = self._formats.date_of(contents.start.isoformat())
        return self._texts["title_of"].format(
            title=self._texts["title_period"], name=name, station=contents.station.name
        )

    @property
    def created(self) -> str:
        """The date of the document, of its newest fact: RFC 3339."""
        return format_seconds(self._contents.as_of)

    @cached_property
    def cover(self) -> Sequence[tuple[str, str, str]]:
        """Label, text and class of each line of the cover."""
        contents, texts, formats = self._contents, self._texts, self._formats
        lines = list(self._describe_identity())
        lines += [
            (texts["place"], contents.station.name, ""),
            (texts["area"], contents.area.name, ""),
            (texts["authority"], contents.area.authority, ""),
            (texts["window"], self._describe_period(contents.start, contents.end), ""),
            (texts["window_utc"], _format_utc_period(contents.start, contents.end), ""),
            (texts["as_of"], f"{formats.date_time_seconds(contents.as_of.isoformat())}", ""),
            (texts["program"], f"Piekwacht {self._version}", ""),
            (texts["made_by"], self._operator, ""),
        ]
        return lines

    def _describe_identity(self) -> Iterator[tuple[str, str, str]]:
        texts = self._texts
        if not self.is_event:
            yield texts["event"], self.identifier, "event-id"
            return
        event = self._contents.events[0]
        yield texts["event"], self.identifier, "event-id"
        revision = texts["revision_of"].format(revision=event.document.revision, newest=event.newest_revision)
        yield texts["revision"], revision, ""
        end = texts["ongoing"] if event.end is None else None
        yield texts["period_local"], self._describe_period(event.onset, event.end, end), ""
        if event.end is not None:
            yield texts["period_utc"], _format_utc_period(event.onset, event.end), ""

    @property
    def identifier(self) -> str:
        """The id and revision of the event, or station and period; as in the file name."""
        contents = self._contents
        if self.is_event:
            document = contents.events[0].document
            return f"{document.id}-r{document.revision}"
        return f"{contents.station.id}-{contents.start:%Y%m%dT%H%MZ}-{contents.end:%Y%m%dT%H%MZ}"

    def _describe_period(self, start: datetime, end: datetime | None, otherwise: str | None = None) -> str:
        formats = self._formats
        end_text = otherwise if end is None else formats.date_time_seconds(end.isoformat())
        return self._texts["from_until"].format(start=formats.date_time_seconds(start.isoformat()), end=end_text)

    @property
    def method(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Label and sentences: where and with what was measured."""
        return describe_method(self._contents, self._formats)

    def sentences(self, chapter: Chapter, event: DetectedEvent) -> Sequence[str]:
        """The five sentences about an event."""
        return summarise_event(chapter, event, self._formats)

    def period_quality(self, chapter: Chapter) -> str:
        """How many readings of a property came, and how many count."""
        fields = describe_completeness(measure_completeness(chapter.series.minutes), self._formats)
        name = self._formats.name_of(chapter.observed_property.id)
        return self._texts["period_quality"].format(name=name, **fields)

    def event_title(self, event: DetectedEvent) -> str:
        """Property, begin and id of an event, for a heading."""
        name = self._formats.name_of(event.document.observed_property)
        return f"{name}, {self._formats.date_time_seconds(event.document.onset)} ({event.document.id})"

    def curve_title(self, chapter: Chapter) -> str:
        """The heading of a curve."""
        name = self._formats.name_of(chapter.observed_property.id)
        return self._texts["curve_title"].format(name=name, station=self._contents.station.name)

    def curve_alt(self, chapter: Chapter) -> str:
        """The curve in a sentence, for readers who cannot see it."""
        values = [minute.max for minute in chapter.series.minutes if minute.max is not None]
        unit = self._formats.unit_of(chapter.observed_property.unit)
        return self._texts["curve_alt"].format(
            name=self._formats.name_of(chapter.observed_property.id),
            station=self._contents.station.name,
            start=self._formats.date_time(self._contents.start.isoformat()),
            end=self._formats.date_time(self._contents.end.isoformat()),
            peak=f"{self._formats.number(max(values))} {unit}" if values else self._texts["none"],
        )

    def correction_note(self, chapter: Chapter) -> str:
        """The correction rule of a property, or the calibrations that were used in its place."""
        labels = list(dict.fromkeys(minute.rule for minute in chapter.series.minutes if minute.rule is not None))
        rule = find_rule(chapter.observed_property.id)
        if not labels and rule is not None:
            labels = [rule.label]
        return self._texts["correction_rule"].format(label=", ".join(labels)) if labels else self._texts["no_rule"]

    def minute_table(self, chapter: Chapter) -> ValueTable:
        """Values by minute around the event; by quarters of an hour if these are too many lines."""
        return build_value_table(self._contents, chapter, self._formats)

    def wind(self, event: DetectedEvent) -> str:
        """The wind as the event has it."""
        return describe_event_wind(event, self._formats)

    def upwind(self, event: DetectedEvent) -> Sequence[str]:
        """The facilities upwind."""
        return describe_upwind(event, self._formats)

    @property
    def map_alt(self) -> str:
        """The map in a sentence, with the wind as on the page."""
        around, texts = self._contents.events[0].document.around, self._formats.texts
        return texts["rose"].format(wind=describe_wind(self._formats, around)) if around.wind else texts["map"]

    def parameters(self, event: DetectedEvent) -> Sequence[tuple[str, str]]:
        """Name and value of the detector's parameters for the event's property."""
        return list_parameters(event)

    def explanations(self, chapter: Chapter, event: DetectedEvent) -> Sequence[OtherExplanation]:
        """Other explanations, each with what the data show."""
        return list_explanations(self._contents, chapter, event, self._formats)

    def highest_at(self, neighbour: NeighbourMinutes) -> float | None:
        """The highest minute mean of a neighbour during the event."""
        return find_highest(self._contents, neighbour)

    def level_sentence(self, event: DetectedEvent) -> str:
        """The level that the event reached, by its excess."""
        return describe_level(event, self._formats)

    def levels(self, event: DetectedEvent) -> Sequence[Level]:
        """Each level, and whether the event reached it."""
        return list_levels(event, self._formats)

    def addressees(self, alert: Alert) -> Mapping[str, int] | None:
        """How many addressees have which outcome; never an address."""
        counts: dict[str, int] | None = None if alert.addressees is None else to_builtins(alert.addressees)
        return counts

    def step(self, step: DecisionStep | AcknowledgementStep) -> str:
        """A decision or an answer in one sentence."""
        return describe_step(step, self._formats.language)

    @property
    def operator_reports(self) -> Sequence[str]:
        """Reports of operators and inspectors in the period."""
        return describe_operator_reports(self._contents, self._formats)

    @property
    def node_history(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Label and sentences: the history of the nodes."""
        return describe_node_history(self._contents, self._formats)

    def checks(self, has_verifier: bool) -> Iterator[str]:  # noqa: FBT001 - a template calls it
        """How a reader checks the dossier, one sentence each."""
        texts, contents = self._texts, self._contents
        yield texts["check_manifest"]
        if any(event.case_record is not None for event in contents.events):
            yield texts["check_deliveries"]
        if contents.evidence:
            command = "python3 data/verify.py ." if has_verifier else "piekwacht verify ."
            yield texts["check_evidence"].format(count=len(contents.evidence), command=command)
        if contents.detections:
            yield texts["check_detection"]
        missing_events = len(contents.events) - len(contents.detected)
        if contents.policy is not None and missing_events:
            yield texts["check_detection_missing"].format(count=missing_events)
        if contents.policy is None:
            yield texts["check_no_log"]
        else:
            yield texts["check_policy"]
            missing = sum(f"{batch.name}.piekwacht.json" not in contents.evidence for batch in contents.batches)
            if missing:
                yield texts["check_missing"].format(count=missing)
        yield texts["check_again"]
        if self.is_event:
            address = f"{self._public_url}/{self._formats.language}/events/{contents.events[0].document.id}"
            yield f"{texts['check_page']}: {address}"
            if contents.plume_events:
                plume = contents.plume_events[0].plume
                yield f"{texts['check_plume']}: {self._public_url}/{self._formats.language}/plumes/{plume}"


def _format_utc_period(start: datetime, end: datetime) -> str:
    return f"{start.astimezone(UTC):%Y-%m-%d %H:%M:%S} – {end.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
