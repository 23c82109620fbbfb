"""`piekwacht backtest`: the gateway's own detector over recordings, in causal order.

The files are read as a replaying node reads them (`edge_agent.recordings`), also as Parquet. Their values go through
the same ranges, placing, quality flags and detector as live readings, in the order of time; nothing uses data later
than `detected_at`. The values read, and the lines that were not, are reported on standard error.
"""

import argparse
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Container, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from edge_agent.configuration import ConfigurationError, load_toml
from edge_agent.recordings.formats import FORMATS
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording as read_text_recording
from edge_agent.recordings.reader import read_table
from edge_agent.recordings.recording import RecordedValue, Recording
from edge_agent.recordings.times import DayOrder
from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.kernels.detect import LONGEST_INTERVAL_MS
from gateway.detection.row_order import order_rows
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.parquet_table import ParquetTable
from gateway.evaluation.recorded_batch import build_observations
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger

_PARQUET = b"PAR1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="CSV (also gzipped) or Parquet; several files are one recording, such as dust and wind",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="EVENTS.json", help="file for the events")
    parser.add_argument("--all", action="store_true", help="also glitches, fog, sick sensors, regional episodes")
    parser.add_argument("--detector", type=Path, metavar="FILE.toml", help="settings other than the shipped ones")
    parser.add_argument("--format", choices=list(FORMATS), help="format of the files; default: recognised")
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="time=Datum,pm2_5=PM25",
        help="columns by name: time, date, station, property, value, flags or a property, each with its column",
    )
    parser.add_argument("--time-zone", metavar="ZONE", help="zone of times without an offset, such as Europe/Amsterdam")
    parser.add_argument(
        "--dates", choices=[order.value for order in DayOrder], help="how 3-4-2026 is read, if the file does not say"
    )
    parser.add_argument("--station", metavar="ID", help="station of a file without a column of stations")
    parser.add_argument(
        "--model", metavar="NAME", help="sensor model of the files, such as sds011; default: as the file or format says"
    )


def run(args: argparse.Namespace) -> int:
    """Read, detect, write. Raises ConfigurationError if a recording cannot be used."""
    settings = load_toml(args.detector, DetectionSettings) if args.detector else DetectionSettings()
    recordings = [read_recording(path, _options(args)) for path in args.files]
    for sentence in _describe(recordings, settings):
        print(f"piekwacht: {sentence}", file=sys.stderr)  # noqa: T201 - the command's own output
    events = detect_events(recordings, settings, all_kinds=args.all)
    try:
        args.output.write_text(json.dumps([_event_to_dict(event) for event in events], indent=1) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{args.output}: cannot be written ({error.strerror})") from None
    print(f"{len(events)} events in {args.output}")  # noqa: T201 - the command's own output
    return 0


def _options(args: argparse.Namespace) -> RecordingOptions:
    return RecordingOptions(
        format=args.format,
        columns=parse_columns(args.columns),
        time_zone=args.time_zone,
        day_order=DayOrder(args.dates) if args.dates else None,
        station=args.station,
        model=args.model,
    )


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """`time=Datum,pm2_5=PM2,5` -> {time: Datum, pm2_5: "PM2,5"}. Raises ConfigurationError."""
    columns: dict[str, str] = {}
    for text in texts:
        for part in re.split(r",(?=[a-z0-9_]+=)", text):
            role, mark, column = part.partition("=")
            if not mark or not column.strip():
                raise ConfigurationError(f"--columns {part!r}: write it as time=COLUMN")
            columns[role.strip()] = column
    return columns


def _describe(recordings: Sequence[Recording], settings: DetectionSettings) -> list[str]:
    sentences = [sentence for recording in recordings for sentence in recording.describe()]
    names = sorted({value.observed_property for recording in recordings for value in recording.values})
    unknown = [name for name in names if name not in PROPERTIES]
    if unknown:
        sentences.append(f"not in the registry of properties, so without limits: {', '.join(unknown)}")
    if not settings.enabled_properties().keys() & set(names):
        sentences.append(f"no peaks are detected of {', '.join(names) or 'nothing'}")
    slow = _list_slow_streams(recordings, settings.enabled_properties())
    if slow:
        sentences.append(
            f"{len(slow)} streams have readings more than {LONGEST_INTERVAL_MS // 60_000} minutes apart, which show no "
            f"short peaks; none are detected in them, the first is {slow[0]}"
        )
    return sentences


def _list_slow_streams(recordings: Sequence[Recording], properties: Container[str]) -> list[str]:
    """Return the names of streams of these properties whose median interval is too long for peaks."""
    times: dict[str, list[int]] = defaultdict(list)
    for recording in recordings:
        for value in filter(lambda value: value.observed_property in properties, recording.values):
            times[f"{value.station} {value.observed_property}"].append(value.at)
    return sorted(
        name
        for name, moments in times.items()
        if len(moments) > 1 and median(b - a for a, b in pairwise(sorted(moments))) > LONGEST_INTERVAL_MS
    )


def detect_events(
    recordings: Sequence[Recording], settings: DetectionSettings, *, all_kinds: bool = False
) -> list[Event]:
    """Return the last revision of each event of these recordings together, by detected_at.

    Without `all_kinds` those that alarm: not what is regional, a glitch, fog or a sick sensor, nor what was taken back.
    """
    values = [value for recording in recordings for value in recording.values]
    last_revisions = {event.id: event for event in detect_revisions(values, settings)}
    standing = [event for event in last_revisions.values() if all_kinds or event.is_valid_peak]
    return sorted(standing, key=lambda event: (event.detected_at, event.id))


def detect_revisions(values: Sequence[RecordedValue], settings: DetectionSettings) -> list[Event]:
    """Return all revisions that live detection would have reported for these values, in order."""
    return analyze_values(values, settings)[2]


def analyze_values(
    values: Sequence[RecordedValue], settings: DetectionSettings
) -> tuple[Registry, ObservationBatch, list[Event]]:
    """Return the registry of the values, the values with all flags, and all revisions of events, in order of time."""
    registry, batch = build_observations(sorted(values, key=_order_key))
    analyzer = Analyzer(flagger=Flagger(), detector=Detector(settings))
    _, rows, events = analyzer.analyze(analyzer.initial(registry), order_rows(batch, registry))
    return registry, rows, events


def _order_key(value: RecordedValue) -> tuple[int, str, str, bool, float, int]:
    """Return a key that orders all values of a recording, whatever the order of its lines."""
    number = math.nan if value.value is None else value.value
    is_missing = math.isnan(number)
    return value.at, value.station, value.observed_property, is_missing, 0.0 if is_missing else number, value.flags


def read_recording(path: Path, options: RecordingOptions | None = None) -> Recording:
    """Read a file as text or as Parquet. Raises ConfigurationError in one sentence."""
    options = options or RecordingOptions()
    if _is_parquet(path):
        return read_table(ParquetTable(path), options)
    return read_text_recording(path, options)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == _PARQUET
    except OSError:
        return False  # the reader of text names the reason


def _event_to_dict(event: Event) -> dict[str, Any]:
    return {
        "station": event.station,
        "property": event.observed_property,
        "onset": _format_time(event.onset),
        "peak_at": _format_time(event.peak_at),
        "end": _format_time(event.end),
        "peak": event.peak,
        "background": event.background,
        "excess": event.excess,
        "confidence": event.confidence,
        "detected_at": _format_time(event.detected_at),
        "kind": event.kind.value,
        "change": event.change.value,
        "words": event.words,
        "reasons": list(event.reasons),
        "wind": None if event.wind is None else event.wind.direction,
        "detector": event.detector,
    }


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
