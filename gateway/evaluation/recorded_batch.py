"""A recording as the observations that live ingest would make of it, and a registry of its stations.

The values become the batches of readings that a replaying node would send. From there they take the same way: placed by
`gateway.decoding`, with the limits of the registry of properties. All stations are in one area.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from edge_agent.recordings.recording import RecordedReading, RecordedValue, group_readings
from edge_agent.sensors.recorded_flags import judge_reading
from edge_agent.wire import UNDATED_FLAGS, ReadingBatch
from gateway.decoding.decode import Payload, VerifiedBatch, place_observations
from gateway.model.observation import ObservationBatch
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station

_UNDATED = int(UNDATED_FLAGS)
_AREA = "recording"


def build_observations(values: Sequence[RecordedValue]) -> tuple[Registry, ObservationBatch]:
    """Return values, flags and covariates as live ingest places them, in order of time."""
    registry = _build_registry(values)
    series: dict[tuple[str, bool], list[RecordedReading]] = {}
    for reading in map(judge_reading, group_readings(values)):
        undated = any(bits & _UNDATED for bits in reading.flags.values())
        series.setdefault((reading.station, undated), []).append(reading)
    rows = place_observations([_build_batch(readings) for readings in series.values()], registry)
    # Only the file marks a time as not believed, never the year.
    undated_batches = np.array([undated for _, undated in series], bool)
    flags = np.where(undated_batches[rows.batch], rows.flags | _UNDATED, rows.flags).astype(np.int32)
    return registry, rows.with_flags(flags)[np.argsort(rows.observed_at, kind="stable")]


def _build_batch(readings: Sequence[RecordedReading]) -> VerifiedBatch:
    """All readings of a station as one batch, received just after the last of them."""
    properties = dict.fromkeys(name for reading in readings for name in reading.values)
    batch = ReadingBatch(
        v=1,
        node=readings[0].station,
        inc=_AREA,
        seq=1,
        boot=_AREA,
        t0=0,
        dt=[reading.at for reading in readings],
        values={name: [reading.values.get(name) for reading in readings] for name in properties},
        flags={name: [reading.flags.get(name, 0) for reading in readings] for name in properties},
    )
    received_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=readings[-1].at)
    payload = Payload(topic="", body=b"", received_at=received_at)
    first, last = min(batch.dt), max(batch.dt)
    return VerifiedBatch(payload=payload, batch=batch, sha256=b"", first_ms=first, last_ms=last, clock_doubt=None)


def _build_registry(values: Sequence[RecordedValue]) -> Registry:
    series = sorted({(value.station, value.observed_property) for value in values})
    datastreams = [
        Datastream(slot=slot, id=slot, station=station, node=station, observed_property=name)
        for slot, (station, name) in enumerate(series)
    ]
    return Registry(
        areas={},
        sites=[],
        stations={
            name: Station(id=name, area=_AREA, name=name, latitude=0.0, longitude=0.0)
            for name in dict.fromkeys(station for station, _ in series)
        },
        nodes={},
        properties={name: _describe_property(name) for _, name in series},
        datastreams=datastreams,
        slots={(datastream.node, datastream.observed_property): datastream.slot for datastream in datastreams},
    )


def _describe_property(name: str) -> ObservedProperty:
    """The row of the registry of properties; one that is not there has neither unit nor limits."""
    row = PROPERTIES.get(name)
    if row is None:
        return ObservedProperty(id=name, unit="1", name={})
    return ObservedProperty(
        id=name,
        unit=row.unit,
        name={"nl": row.name.nl, "en": row.name.en},
        names_in_text=row.names_in_text,
        lower=row.lower,
        upper=row.upper,
        max_rise=row.max_rise,
        severity_levels=row.severity,
    )
