"""Direction of a source: regions on the controlled releases beside a naive back-ray, and a polar plot of a year.

    python -m tests.benchmarks.localisation --data ../shared/data

The recording has eight methane sensors around a test site of 0.13 by 0.08 km and seven releases. Places are those of
`wsdaniels/DLQ` (input_data/sensor_locations.csv, leak_data.csv; MIT). `wind_direction` in the recording is the angle
in which the air goes, counter-clockwise from east, as the simulation of that project uses it; it is converted here.

The parameters of the method were chosen on these seven releases.
"""

import argparse
import csv
import gzip
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.localisation.evidence import (
    PlumeEvidence,
    StationEvidence,
    WindSeries,
    choose_threshold,
    subtract_background,
)
from gateway.localisation.locate import SourceLocation, locate_source
from gateway.localisation.polar import compute_cpf, compute_nwr
from gateway.localisation.region import Grid, build_grid
from gateway.model.geodesy import offset_metres

# degrees WGS 84
_CENTRE = (40.59578, -105.13985)
_SENSORS = {
    "S": (40.5954448, -105.1397824),
    "NW": (40.596109, -105.1402488),
    "SE": (40.5954471, -105.1393985),
    "E": (40.59571, -105.13914),
    "N": (40.5961031, -105.1398726),
    "W": (40.5957826, -105.1405673),
    "SW": (40.595471, -105.1402092),
    "NE": (40.59610265, -105.1394702),
}
_SOURCES = {
    "2022-05-09T02:18:02Z": (40.59592817, -105.1394038),
    "2022-05-09T17:49:55Z": (40.59566467, -105.1402658),
    "2022-05-09T21:49:57Z": (40.59593583, -105.1393965),
    "2022-05-10T13:20:00Z": (40.59593483, -105.1402633),
    "2022-05-10T20:28:39Z": (40.595764, -105.1399033),
    "2022-05-11T18:31:08Z": (40.59594067, -105.1403488),
    "2022-05-12T01:01:25Z": (40.59561533, -105.1394182),
}
_INTERVAL = 60.0  # s
_THRESHOLD = choose_threshold("ch4") or math.inf  # ppm above the background
_NAIVE_HALF_WIDTH = 22.5  # degrees of a back-ray
_MINUTES_OF_A_YEAR = 525_600
_GOAL_INSIDE, _GOAL_AREA, _GOAL_POLAR = 0.85, 0.25, 1.0


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Values (stations, minutes), the wind of each minute, and the first minute in seconds since 1970."""

    values: NDArray[np.float64]
    wind: WindSeries
    first: float

    def cut(self, start: int, end: int) -> PlumeEvidence:
        """The evidence of the minutes from `start` up to `end`."""
        rows = zip(_SENSORS.items(), self.values, strict=True)
        stations = []
        for (name, (latitude, longitude)), values in rows:
            east, north = offset_metres(*_CENTRE, latitude, longitude)
            stations.append(StationEvidence(station=name, east=east, north=north, excess=values[start:end]))
        wind = WindSeries(directions=self.wind.directions[start:end], speeds=self.wind.speeds[start:end])
        return PlumeEvidence(stations=stations, wind=wind, threshold=_THRESHOLD, interval=_INTERVAL)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Whether the place is in the regions of 90 and 50 %, and their shares of the map."""

    inside: bool
    inside_half: bool
    area: float
    half_area: float


def read_recording(folder: Path) -> Recording:
    """The controlled releases, one row a minute."""
    with gzip.open(folder / "controlled_releases.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    first = min(_seconds(row["time"]) for row in rows) // 60 * 60
    minutes = round((max(_seconds(row["time"]) for row in rows) - first) / _INTERVAL) + 1
    values = np.full((len(_SENSORS), minutes), np.nan)
    speeds, directions = np.full(minutes, np.nan), np.full(minutes, np.nan)
    for row in rows:
        minute = round((_seconds(row["time"]) - first) / _INTERVAL)
        values[list(_SENSORS).index(row["station"].partition(":")[2]), minute] = float(row["value"])
        if row["wind_speed"] and row["wind_direction"]:
            speeds[minute], directions[minute] = float(row["wind_speed"]), (270 - float(row["wind_direction"])) % 360
    excess = np.array([subtract_background(series, _INTERVAL) for series in values])
    return Recording(values=excess, wind=WindSeries(directions=directions, speeds=speeds), first=first)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    recording = read_recording(parser.parse_args(arguments).data)
    with (Path(parser.parse_args(arguments).data) / "controlled_releases_truth.csv").open() as file:
        releases = [(row["onset"], row["end"]) for row in csv.DictReader(file)]
    grid = build_grid(-100, -100, 100, 100, 5)
    print("window      method     scored  refused  inside 90 %  inside 50 %  area 90 %  area 50 %")
    whole: list[Score] = []
    for name, length in (("release", None), ("60 minutes", 60), ("30 minutes", 30)):
        ours, naive, refused = _score_windows(recording, grid, releases, length)
        whole = ours if length is None else whole
        _print_row(name, "rose", ours, refused)
        _print_row(name, "back-ray", naive, refused)
    seconds = _time_polar()
    print(f"polar plots of {_MINUTES_OF_A_YEAR:,} minutes, CPF and NWR: {seconds:.2f} s (goal {_GOAL_POLAR:.0f})")
    inside = statistics.mean(score.inside for score in whole)
    area = statistics.median(score.area for score in whole)
    return int(not (inside >= _GOAL_INSIDE and area <= _GOAL_AREA and seconds <= _GOAL_POLAR))


def _score_windows(
    recording: Recording, grid: Grid, releases: Sequence[tuple[str, str]], length: int | None
) -> tuple[list[Score], list[Score], int]:
    """The scores of our method and of the back-ray in the windows that are not refused, and how many are refused."""
    ours, naive, refused = [], [], 0
    for onset, end in releases:
        begin, stop = (round((_seconds(at) - recording.first) / _INTERVAL) for at in (onset, end))
        step = length or stop - begin
        for start in range(begin, stop - step + 1, step):
            evidence = recording.cut(start, start + step)
            location = locate_source(evidence, grid)
            if location.refusal is not None:
                refused += 1
                continue
            place = offset_metres(*_CENTRE, *_SOURCES[onset])
            ours.append(_score(grid, location.region(0.9), location.region(0.5), place))
            ray = _draw_back_ray(evidence, grid, location)
            naive.append(_score(grid, ray, ray, place))
    return ours, naive, refused


def _score(grid: Grid, region: NDArray[np.bool_], half: NDArray[np.bool_], place: tuple[float, float]) -> Score:
    column, row = int(np.argmin(abs(grid.easts - place[0]))), int(np.argmin(abs(grid.norths - place[1])))
    return Score(
        inside=bool(region[row, column]),
        inside_half=bool(half[row, column]),
        area=float(region.mean()),
        half_area=float(half.mean()),
    )


def _draw_back_ray(evidence: PlumeEvidence, grid: Grid, location: SourceLocation) -> NDArray[np.bool_]:
    """The sector upwind of the station with the highest sum: what a person draws with one arrow of the mean wind."""
    worst = max(evidence.stations, key=lambda row: float(np.nansum(np.maximum(row.excess, 0))))
    high = evidence.wind.list_usable(1.0) & (worst.excess > evidence.threshold)
    angles = np.radians(evidence.wind.directions[high])
    direction = np.degrees(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())) if high.any() else 0.0
    bearings = np.degrees(np.arctan2(grid.easts[None, :] - worst.east, grid.norths[:, None] - worst.north))
    ray: NDArray[np.bool_] = abs((bearings - direction + 180) % 360 - 180) <= _NAIVE_HALF_WIDTH
    return ray


def _print_row(window: str, method: str, scores: Sequence[Score], refused: int) -> None:
    print(
        f"{window:<11} {method:<9} {len(scores):>7} {refused:>8} "
        f"{statistics.mean(s.inside for s in scores):>12.2f} {statistics.mean(s.inside_half for s in scores):>12.2f} "
        f"{statistics.median(s.area for s in scores):>10.3f} {statistics.median(s.half_area for s in scores):>10.3f}"
    )


def _time_polar() -> float:
    """The median of five runs over a year of minutes, in seconds."""
    random = np.random.default_rng(1)
    values = random.gamma(2.0, 5.0, _MINUTES_OF_A_YEAR)
    speeds, directions = random.gamma(2.0, 2.0, _MINUTES_OF_A_YEAR), random.uniform(0, 360, _MINUTES_OF_A_YEAR)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        compute_cpf(values, speeds, directions)
        compute_nwr(values, speeds, directions)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


if __name__ == "__main__":
    sys.exit(main())
