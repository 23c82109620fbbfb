"""`piekwacht backtest`: the gateway's own detector over a recording, in causal order.

The recording is CSV (also gzipped) or Parquet with columns station, property, time, value, and optionally rh,
temperature, wind_speed, wind_direction. It goes through the same quality flags and the same detector as live
readings, in the order of time; nothing uses data later than `detected_at`.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from alerting.errors import one_line
from edge_agent.configuration import ConfigurationError, load_toml
from gateway.detection.detector import Detector
from gateway.detection.row_order import order_rows
from gateway.detection.settings import DetectionSettings
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station
from gateway.quality.flagger import Flagger

_REQUIRED_COLUMNS = ("station", "property", "time", "value")
_COVARIATES = ("rh", "wind_speed", "wind_direction")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet: station,property,time,value,...")
    parser.add_argument("--output", type=Path, required=True, metavar="EVENTS.json")
    parser.add_argument("--all", action="store_true", help="also glitches, fog, sick sensors, regional episodes")
    parser.add_argument("--detector", type=Path, metavar="FILE.toml", help="settings other than the shipped ones")


def run(args: argparse.Namespace) -> int:
    """Read, detect, write. Raises ConfigurationError if the recording cannot be used."""
    settings = load_toml(args.detector, DetectionSettings) if args.detector else DetectionSettings()
    events = detect_events(read_recording(args.file), settings, all_kinds=args.all)
    try:
        args.output.write_text(json.dumps([_event_to_dict(event) for event in events], indent=1) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{args.output}: cannot be written ({error.strerror})") from None
    print(f"{len(events)} events in {args.output}")  # noqa: T201 - the command's own output
    return 0


def detect_events(table: pa.Table, settings: DetectionSettings, *, all_kinds: bool = False) -> list[Event]:
    """Return the last revision of each event of a recording, by detected_at.

    Without `all_kinds` those that alarm: not what is regional, a glitch, fog or a sick sensor, nor what was taken back.
    """
    last_revisions = {event.id: event for event in detect_revisions(table, settings)}
    standing = [event for event in last_revisions.values() if all_kinds or event.is_valid_peak]
    return sorted(standing, key=lambda event: (event.detected_at, event.id))


def detect_revisions(table: pa.Table, settings: DetectionSettings) -> list[Event]:
    """Return all revisions that live detection would have reported for a recording, in order."""
    registry, batch = _load_rows(table)
    flagger, detector = Flagger(), Detector(settings)
    _, batch = flagger.flag(flagger.initial(registry), order_rows(batch, registry), registry)
    return detector.detect(detector.initial(registry), batch, registry)[1]


def read_recording(path: Path) -> pa.Table:
    """Read the recording as a table. Raises ConfigurationError in one sentence."""
    try:
        if path.suffix == ".parquet":
            table = pa.parquet.read_table(path)
        else:
            table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=_COLUMN_TYPES))
    except (OSError, pa.ArrowException) as error:
        reason = one_line(error)
        raise ConfigurationError(f"{path}: not a recording in CSV or Parquet ({reason[:200]})") from None
    missing = [name for name in _REQUIRED_COLUMNS if name not in table.column_names]
    if missing:
        raise ConfigurationError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(_REQUIRED_COLUMNS)}")
    return table


_COLUMN_TYPES = {
    "station": pa.string(),
    "property": pa.string(),
    "value": pa.float64(),
    **dict.fromkeys(_COVARIATES, pa.float64()),
}


def _load_rows(table: pa.Table) -> tuple[Registry, ObservationBatch]:
    """Return rows in order of time, and a registry of their stations and properties."""
    at = _to_ms(table["time"])
    order = np.lexsort((np.arange(len(at)), at))
    pairs = pc.binary_join_element_wise(table["station"].cast(pa.string()), table["property"].cast(pa.string()), "\x1f")
    encoded = pairs.combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    names = [tuple(text.split("\x1f")) for text in sorted(texts)]
    ranks = np.argsort(sorted(range(len(texts)), key=texts.__getitem__))  # slots do not depend on the order of rows
    slots = ranks[encoded.indices.to_numpy(zero_copy_only=False)]
    columns = {name: _to_floats(table[name])[order] for name in _COVARIATES if name in table.column_names}
    batch = ObservationBatch.from_columns(slots[order], at[order], _to_floats(table["value"])[order], **columns)
    return _build_registry(names), batch


def _build_registry(names: Sequence[tuple[str, ...]]) -> Registry:
    datastreams = [
        Datastream(slot=slot, id=slot, station=station, node=station, observed_property=name)
        for slot, (station, name) in enumerate(names)
    ]
    stations = dict.fromkeys(station for station, _ in names)
    return Registry(
        areas={},
        sites=[],
        stations={
            station_id: Station(id=station_id, area="recording", name=station_id, latitude=0.0, longitude=0.0)
            for station_id in stations
        },
        nodes={},
        properties={name: ObservedProperty(id=name, unit="1", name={}) for _, name in names},
        datastreams=datastreams,
        slots={(d.node, d.observed_property): d.slot for d in datastreams},
    )


def _to_floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _to_ms(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """RFC 3339 or epoch seconds -> ms UTC."""
    if pa.types.is_timestamp(column.type):
        timestamps = column.cast(pa.timestamp("ms"), safe=False)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        seconds = column.cast(pa.float64()).to_numpy()
        if not np.isfinite(seconds).all():
            raise ConfigurationError("time: a row has none")
        return np.asarray(np.round(seconds * 1000), np.int64)
    else:
        timestamps = pa.chunked_array([[_parse_time(text) for text in column.to_pylist()]], pa.int64())
    if timestamps.null_count:
        raise ConfigurationError("time: a row has none")
    return np.asarray(timestamps.cast(pa.int64()).to_numpy(), np.int64)


def _parse_time(text: str | None) -> int:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        raise ConfigurationError(f"time: {text!r} is neither RFC 3339 nor epoch seconds") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


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
        "detector": event.detector,
    }


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
