"""`piekwacht bench detect`: cost of the detector per reading, compared with river.

Medians of CPU time over several runs of the kernel as live detection calls it. The readings are made up: their
values change neither the work nor its order. With the network term all sensors are in one area of 40 by 40 km.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gateway.detection.detector import Detector
from gateway.detection.records import EVENT, STREAM, KernelRows, allocate_changes
from gateway.detection.settings import DetectionSettings
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station

_INTERVAL_MS = 10_000  # ms between readings
_WARM_UP_READINGS = 30  # readings before the measurement
_SMALL_AREA = 5  # sensors of a small area
_SETTLING_MS = 3_600_000  # ms until the learning rate of a stream is constant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--sensors", type=int, default=2_000, help="datastreams with the network term (2000)")
    parser.add_argument("--datastreams", type=int, default=100_000, help="datastreams for the proof of linearity")
    parser.add_argument("--runs", type=int, default=7, help="runs of which the median is told (7)")


def run(args: argparse.Namespace) -> int:
    """Measure and print; the last line is JSON."""
    alone = _measure_detector(build_registry(args.sensors, areas=args.sensors), args.runs)
    together = _measure_detector(build_registry(args.sensors, areas=1), args.runs)
    few = _measure_detector(build_registry(args.sensors, areas=max(1, args.sensors // _SMALL_AREA)), args.runs)
    many = _measure_detector(
        build_registry(args.datastreams, areas=max(1, args.datastreams // args.sensors)), args.runs
    )
    river, reason = _measure_river(args.runs)
    result = {
        "ns_per_reading": round(alone, 1),
        "ns_per_reading_network": round(together, 1),
        "ns_per_reading_small_areas": round(few, 1),
        "ns_per_reading_many": round(many, 1),
        "sensors": args.sensors,
        "datastreams": args.datastreams,
        "bytes_per_datastream": STREAM.itemsize + EVENT.itemsize,
        "river_ns_per_reading": None if river is None else round(river),
        "river_ratio": None if river is None else round(river / alone, 1),
        "river_reason": reason,
    }
    text = f"a reading costs {alone:.1f} ns, {together:.1f} with its neighbours, {many:.1f} among {args.datastreams:,}"
    print(text)  # noqa: T201 - the command's own output
    print(json.dumps(result))  # noqa: T201
    return 0


def build_registry(sensors: int, *, areas: int) -> Registry:
    """Build made-up stations spread over `areas` areas of 40 by 40 km, each with one PM2.5 sensor."""
    places = np.random.default_rng(1).random((sensors, 2)) * [0.36, 0.58] + [52.3, 4.5]
    stations = {
        f"s{i}": Station(id=f"s{i}", area=f"a{i % areas}", name="", latitude=latitude, longitude=longitude)
        for i, (latitude, longitude) in enumerate(places.tolist())
    }
    streams = [Datastream(slot=i, id=i, station=s, node=s, observed_property="pm2_5") for i, s in enumerate(stations)]
    return Registry(
        areas={},
        sites=[],
        stations=stations,
        nodes={},
        properties={"pm2_5": ObservedProperty(id="pm2_5", unit="ug/m3", name={})},
        datastreams=streams,
        slots={(s.node, s.observed_property): s.slot for s in streams},
    )


def _measure_detector(registry: Registry, runs: int) -> float:
    """Return the median of ns per reading."""
    detector, stream_count = Detector(DetectionSettings()), len(registry.datastreams)
    states = detector.initial(registry)
    rounds = max(_WARM_UP_READINGS, 400_000 // stream_count)
    slots = np.tile(np.arange(stream_count, dtype=np.int32), rounds)
    value = 8 + np.random.default_rng(2).normal(0, 0.4, stream_count * rounds)
    at = np.repeat(np.arange(rounds) * _INTERVAL_MS, stream_count)
    changes = allocate_changes(len(value), stream_count)
    rows = KernelRows(
        slots=slots, at=at, value=value, flags=np.zeros(len(at), np.int32), wind=np.zeros((0, 3), np.float32)
    )

    def run_once(begin: int) -> None:
        detector.advance(states, rows._replace(at=at + begin), changes)

    run_once(0)
    run_once(_SETTLING_MS)
    return _median_ns(run_once, [_SETTLING_MS + (1 + i) * rounds * _INTERVAL_MS for i in range(runs)]) / len(value)


def _median_ns(run_once: Callable[[int], None], arguments: list[int]) -> float:
    """Return the median CPU time of a call in ns."""
    times_ns = [time.thread_time_ns()]
    for argument in arguments:
        run_once(argument)
        times_ns.append(time.thread_time_ns())
    return statistics.median(after - before for before, after in pairwise(times_ns))


def _measure_river(runs: int) -> tuple[float | None, str | None]:
    """Return ns per reading of river's GaussianScorer, its fastest detector, or the reason why it is missing."""
    try:
        anomaly: Any = importlib.import_module("river.anomaly")
    except ImportError:
        return None, "river is not installed: it comes with the extra `dev`"
    values = (8 + np.random.default_rng(2).normal(0, 0.4, 5_000)).tolist()
    scorer = anomaly.GaussianScorer(window_size=144)

    def run_once(_: int) -> None:
        for value in values:
            scorer.score_one(None, value)
            scorer.learn_one(None, value)

    return _median_ns(run_once, list(range(runs))) / len(values), None
