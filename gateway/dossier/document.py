"""The document of a dossier as HTML: the same text for the screen and, through `pdf`, for paper."""

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup
from msgspec import Struct, to_builtins

from alerting.alert import Severity
from alerting.record.history import AcknowledgementStep, DecisionStep, describe_step
from alerting.templates import load_templates
from alerting.vocabulary import localize_decimal
from gateway.api.pages.event_map import describe_wind, draw_event_map
from gateway.api.pages.formats import Formats
from gateway.api.schemas.alerts import Alert
from gateway.dossier.contents import Chapter, Contents, DetectedEvent, MinuteMean, NeighbourMinutes
from gateway.dossier.exhibits import Exhibit
from gateway.dossier.explanations import OtherExplanation, list_explanations
from gateway.dossier.figures import draw_curve, draw_wind
from gateway.dossier.node_history import describe_clock, describe_node_history, describe_operator_reports
from gateway.dossier.request import EventRequest
from gateway.dossier.summary import describe_completeness, describe_upwind, measure_completeness, summarise_event
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_seconds
from gateway.quality.humidity_correction import find_rule

_FOLDER = Path(__file__).with_name("templates")
_TEMPLATES = load_templates(_FOLDER, Path(__file__).parents[1] / "api" / "templates")
_CSS = Markup((_FOLDER / "dossier.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
_EVENT_HEADINGS = (
    "cover", "summary", "method", "curve", "wind", "detection", "others", "levels", "notified", "reports", "node",
    "exhibits", "check", "finding",
)  # fmt: skip
_PERIOD_HEADINGS = tuple(
    {"summary": "summary_period", "wind": "wind_period", "detection": "detection_period"}.get(key, key)
    for key in _EVENT_HEADINGS
)
_DESCRIPTIONS = (
    ("event", "file_event"), ("revisions.json", "file_revisions"), ("readings/", "file_readings"),
    ("batches", "file_batches"), ("evidence/", "file_evidence"), ("policy.txt", "file_policy"),
    ("detector.json", "file_detector"), ("corrections.json", "file_corrections"),
    ("deliveries.json", "file_deliveries"), ("verify.py", "file_verify"), ("ro-crate-metadata.json", "file_crate"),
)  # fmt: skip
_MAX_ROWS = 150  # of the table of values; a longer period is shown by quarters of an hour
_MARGIN = timedelta(minutes=5)  # minutes before and after an event in the table
_MAP_STYLE = (
    "<style>text{font:12px 'DejaVu Sans',sans-serif;fill:#3c4540}.sector{fill:#1d4d3a;opacity:.16}"
    ".wind{stroke:#1d4d3a;stroke-width:3}.head{fill:#1d4d3a}.here{fill:#a3123a;stroke:#fff;stroke-width:2}"
    ".rose{fill:#e08a3c;stroke:#3c4540}.other{fill:#fff;stroke:#3c4540}.site{fill:#3c4540}"
    ".bar{fill:none;stroke:#3c4540;stroke-width:1.5}</style>"
)


class Images(Struct, frozen=True, kw_only=True):
    """The figures as data addresses: a curve per chapter, the map of an event, the wind."""

    curves: list[str]
    map: str | None
    wind: str | None


class ValueRow(Struct, frozen=True, kw_only=True):
    """A line of the table of values. `is_event`: an event held in it."""

    time: str
    readings: int
    expected: int | None
    valid: int
    mean: float | None
    max: float | None
    corrected: float | None
    remarks: str
    is_event: bool


class ValueTable(Struct, frozen=True, kw_only=True):
    """The table of values: a line per `minutes`."""

    title: str
    minutes: int
    rows: list[ValueRow]


class Level(Struct, frozen=True, kw_only=True):
    """A severity with the excess from which it counts."""

    name: str
    from_excess: float
    is_reached: bool


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
        contents, texts, formats = self._contents, self._texts, self._formats
        station = contents.station
        position = texts["position_of"].format(
            latitude=localize_decimal(f"{station.latitude:.3f}", formats.language),
            longitude=localize_decimal(f"{station.longitude:.3f}", formats.language),
        )
        lines: list[tuple[str, Sequence[str]]] = [
            (texts["station"], [f"{station.name} ({station.id})"]),
            (texts["position"], [position]),
            (texts["node_id"], [", ".join(contents.nodes)]),
        ]
        for chapter in contents.chapters:
            lines += self._describe_property(chapter)
        lines += [
            (texts["instrument"], [texts["instrument_unknown"]]),
            (texts["method_label"], [texts["method_text"]]),
            (texts["uncertainty"], [*self._describe_noise(), texts["uncertainty_none"]]),
            (texts["clock"], describe_clock(contents, formats.language)),
        ]
        return lines

    def _describe_property(self, chapter: Chapter) -> list[tuple[str, Sequence[str]]]:
        texts, formats, row = self._texts, self._formats, chapter.observed_property
        unit = formats.unit_of(row.unit)
        sentences = [f"{formats.name_of(row.id)} ({row.id}), {unit}."]
        if row.lower is not None and row.upper is not None:
            bounds = formats.plain_number(row.lower), formats.plain_number(row.upper)
            text = texts["range_of"].format(lower=bounds[0], upper=bounds[1], unit=unit)
            sentences.append(f"{texts['range']}: {text}.")
        expected = [minute.expected_count for minute in chapter.series.minutes if minute.expected_count]
        if expected:
            seconds = formats.plain_number(round(60 / sorted(expected)[len(expected) // 2], 1))
            sentences.append(f"{texts['interval']}: {texts['interval_of'].format(seconds=seconds)}.")
        return [(texts["property"], sentences)]

    def _describe_noise(self) -> Iterator[str]:
        for event in self._contents.events if self.is_event else ():
            unit = self._formats.unit_of(event.document.unit)
            yield self._texts["uncertainty_noise"].format(noise=self._formats.number(event.noise), unit=unit)

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
        minutes = chapter.series.minutes
        if self.is_event:
            event = chapter.events[0]
            minutes = chapter.series.minutes_between(event.onset - _MARGIN, (event.end or self._contents.end) + _MARGIN)
        if len(minutes) <= _MAX_ROWS:
            rows = [self._build_row(chapter, [minute]) for minute in _fill_minutes(minutes)]
            return ValueTable(title=self._texts["minutes_title"], minutes=1, rows=rows)
        quarters: dict[datetime, list[MinuteMean]] = {}
        for minute in minutes:
            quarter = minute.start.replace(minute=minute.start.minute // 15 * 15)
            quarters.setdefault(quarter, []).append(minute)
        rows = [self._build_row(chapter, group) for group in quarters.values()]
        return ValueTable(title=self._texts["hours_title"], minutes=15, rows=rows)

    def _build_row(self, chapter: Chapter, minutes: Sequence[MinuteMean]) -> ValueRow:
        """One line; the mean of several minutes is that of their valid readings."""
        completeness = measure_completeness(minutes)
        start, end = minutes[0].start, minutes[-1].end
        is_event = any(
            event.onset < end and (event.end or self._contents.end) > start for event in chapter.events if event.is_peak
        )
        highest = [minute.max for minute in minutes if minute.max is not None]
        remarks = self._formats.flags(list(completeness.flags))
        return ValueRow(
            time=self._formats.short_time(start.isoformat()),
            readings=completeness.readings,
            expected=completeness.expected,
            valid=completeness.valid,
            mean=_weighted_mean([(minute.mean, minute.valid_count) for minute in minutes]),
            max=max(highest, default=None),
            corrected=_weighted_mean([(minute.corrected, minute.valid_count) for minute in minutes]),
            remarks=remarks
            or ("" if completeness.valid else self._texts["no_value" if completeness.readings else "legend_gap"]),
            is_event=is_event,
        )

    def wind(self, event: DetectedEvent) -> str:
        """The wind as the event has it."""
        wind = event.document.around.wind
        if wind is None:
            return self._texts["wind_unknown"]
        text = describe_wind(self._formats, event.document.around)
        return self._texts["wind_spread"].format(wind=text, spread=f"{wind.spread:.0f}", readings=wind.readings)

    def upwind(self, event: DetectedEvent) -> Sequence[str]:
        """The facilities upwind."""
        return describe_upwind(event, self._formats)

    @property
    def map_alt(self) -> str:
        """The map in a sentence, with the wind as on the page."""
        around, texts = self._contents.events[0].document.around, self._formats.texts
        return texts["rose"].format(wind=describe_wind(self._formats, around)) if around.wind else texts["map"]

    def parameters(self, event: DetectedEvent) -> Sequence[tuple[str, str]]:
        """Name and value of the detector's parameters for the event's property; empty if they were not stored."""
        if event.parameters is None:
            return ()
        tables = msgspec.json.decode(event.parameters, type=dict[str, dict[str, dict[str, Any]]])
        table = tables.get("property", {}).get(event.document.observed_property, {})
        return [(name, msgspec.json.encode(value).decode()) for name, value in table.items()]

    def explanations(self, chapter: Chapter, event: DetectedEvent) -> Sequence[OtherExplanation]:
        """Other explanations, each with what the data show."""
        return list_explanations(self._contents, chapter, event, self._formats)

    def highest_at(self, neighbour: NeighbourMinutes) -> float | None:
        """The highest minute mean of a neighbour during the event."""
        event = self._contents.events[0]
        last = event.end or self._contents.end
        first = event.onset.replace(second=0, microsecond=0)
        means = [mean for at, mean in neighbour.means if first <= at < last and mean is not None]
        return max(means, default=None)

    def level_sentence(self, event: DetectedEvent) -> str:
        """The level that the event reached, by its excess."""
        document, formats = event.document, self._formats
        if not event.is_peak:
            kind = formats.texts["voided"] if document.change == "voided" else self._texts[f"kind_{document.kind}"]
            return self._texts["levels_no_peak"].format(kind=kind)
        key = "at_or_below" if document.peak < document.background else "at_or_above"
        return self._texts[key].format(
            level=formats.texts[document.severity],
            excess=formats.number(document.excess),
            unit=formats.unit_of(document.unit),
            averaging=formats.averaging(document.peak_averaging),
        )

    def levels(self, event: DetectedEvent) -> Sequence[Level]:
        """Each level, and whether the event reached it."""
        return [
            Level(
                name=self._formats.texts[severity.value],
                from_excess=from_excess,
                is_reached=event.document.excess >= from_excess,
            )
            for severity, from_excess in zip(Severity, event.levels or (), strict=False)
        ]

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


def _fill_minutes(minutes: Sequence[MinuteMean]) -> Iterator[MinuteMean]:
    """The minutes, with an empty one where nothing was received between two of them."""
    width = timedelta(minutes=1)
    previous: MinuteMean | None = None
    for minute in minutes:
        while previous is not None and previous.end < minute.start:
            start = previous.end
            nothing = previous._replace(
                start=start, end=start + width, readings=0, valid_count=0, mean=None, min=None, max=None, flags=0,
                corrected=None, rule=None, uncorrected=None,
            )  # fmt: skip
            yield nothing
            previous = nothing
        yield minute
        previous = minute


def build_formats(contents: Contents) -> Formats:
    """The formats of the dossier's language. An event that goes on lasts until the end of its readings."""
    now = contents.events[0].changed_at if isinstance(contents.request, EventRequest) else contents.end
    return Formats(language=contents.request.language, now=now, registry=contents.registry)


def draw_images(contents: Contents, formats: Formats) -> Images:
    """Draw every figure."""
    is_event = isinstance(contents.request, EventRequest)
    event_map = draw_event_map(formats, contents.events[0].document) if is_event else ""
    start, end = contents.start, contents.end
    return Images(
        curves=[_to_address(draw_curve(chapter, start, end, formats)) for chapter in contents.chapters],
        map=_to_address(_make_standalone(str(event_map)).encode()) if event_map else None,
        wind=None if contents.wind is None else _to_address(draw_wind(contents.wind, start, end, formats)),
    )


def render_document(
    document: DossierDocument,
    contents: Contents,
    formats: Formats,
    images: Images,
    exhibits: Sequence[Exhibit],
    **facts: object,
) -> str:
    """Return the document as HTML. `facts`: operator, version, has_verifier."""
    return _TEMPLATES.get_template("dossier.html").render(
        c=contents, d=document, f=formats, t=texts_of("dossier", formats.language), w=formats.texts,
        images=images, exhibits=exhibits, css=_CSS, **facts
    )  # fmt: skip


def render_readme(document: DossierDocument, formats: Formats, paths: Collection[str]) -> str:
    """Return the text file to read first; `paths`: the files that are in the dossier."""
    texts = texts_of("dossier", formats.language)
    present = [(name, texts[key]) for name, key in _DESCRIPTIONS if any(path.startswith(name) for path in paths)]
    return _TEMPLATES.get_template("readme.txt").render(
        d=document,
        t=texts,
        files=present,
        has_deliveries=any(path.endswith("deliveries.json") for path in paths),
        checks=list(document.checks("verify.py" in paths)),
    )


def _make_standalone(svg: str) -> str:
    """A drawing of a page with the namespace and the style that the page gives it."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="380" height="260" ', 1).replace(
        "</title>", f"</title>{_MAP_STYLE}", 1
    )


def _to_address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _format_utc_period(start: datetime, end: datetime) -> str:
    return f"{start.astimezone(UTC):%Y-%m-%d %H:%M:%S} – {end.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _weighted_mean(means: Sequence[tuple[float | None, int]]) -> float | None:
    """The mean of means, weighted by their valid readings; None if any that has readings is missing."""
    if len(means) == 1:
        return means[0][0]
    counted = [(mean, count) for mean, count in means if count]
    total = sum(count for _, count in counted)
    if not total or any(mean is None for mean, _ in counted):
        return None
    return sum(mean * count for mean, count in counted if mean is not None) / total
