"""Score the shipped detector on seasons that trained nothing: other months of the sensors in Aberdeen.

    git clone https://github.com/gavbarnett/abdn_air_quality    # MIT; content DbCL; commit ea4178e was used
    tests/benchmarks/detection/seasons.py --shared ../shared --recordings abdn_air_quality --write

The clone has a file per day and sensor of sensor.community (`data/luftdaten`). The benchmark of SHARED adds plumes to
each season with a seed that no set of training has, and scores the events of `piekwacht backtest`.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
from markdown import format_table, insert_table
from sets import BUILD, OURS, LabelledSet, detect, make_set, score

SEASONS = {
    "winter 2017/18": ("2018-01-20", "2018-04-20"),
    "summer 2018": ("2018-07-20", "2018-10-20"),
    "winter 2018/19": ("2018-11-01", "2019-02-24"),
    "May 2019": ("2019-05-01", "2019-05-17"),
}
_SEED = 162
_BEGIN, _END = "<!-- table: seasons.py -->", "<!-- end of seasons -->"
COLUMNS = ["season", "stations", "peaks", "recall", "precision", "F1", "false alarms per sensor-day", "delay"]


def main() -> int:
    options = parse_arguments()
    if not (options.recordings / "data" / "luftdaten").is_dir():
        print(
            f"no seasons: {options.recordings} has no folder data/luftdaten; clone the repository named in {__file__}"
        )
        return 1
    recordings = read_recordings(options.recordings)
    folder = (BUILD / "seasons").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for name, (begin, end) in SEASONS.items():
        path = folder / f"{name.replace(' ', '-').replace('/', '-')}.csv.gz"
        season = recordings[(recordings["time"] >= begin) & (recordings["time"] < end)]
        season.to_csv(path, index=False)
        tasks += [
            (options.shared, LabelledSet(name=name, recording=str(path), step=150, tier=tier, seed=_SEED))
            for tier in ("small", "industrial")
        ]
    with ProcessPoolExecutor(options.workers) as pool:
        rows = list(pool.map(score_season, *zip(*tasks, strict=True)))
    table = format_table(rows, COLUMNS)
    print(table)
    if options.write:
        insert_table(options.docs / "detection.md", table, _BEGIN, _END)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def read_recordings(clone):
    """All PM2.5 values of the clone: station, property, time, value."""
    frames = []
    for path in sorted((clone / "data" / "luftdaten").glob("*/*_sds011_sensor_*.csv")):
        day = pd.read_csv(path, sep=";", usecols=["sensor_id", "timestamp", "P2"])
        frames.append(day.assign(P2=pd.to_numeric(day["P2"], errors="coerce")))
    values = pd.concat(frames).dropna().drop_duplicates(["sensor_id", "timestamp"])
    times = pd.to_datetime(values["timestamp"], utc=True, format="ISO8601").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.DataFrame(
        {"station": "s" + values["sensor_id"].astype(str), "property": "pm2_5", "time": times, "value": values["P2"]}
    ).sort_values(["time", "station"])


def score_season(shared, labelled_set):
    """A row of the table."""
    folder = BUILD / "seasons" / f"{Path(labelled_set.recording).name.partition('.')[0]}-{labelled_set.tier}"
    make_set(shared, labelled_set, folder)
    figures = score(shared, labelled_set, folder, detect(labelled_set, folder, OURS))
    stations = pd.read_csv(folder / "observations.csv.gz", usecols=["station"])["station"].nunique()
    shares = [f"{figures[name]:.3f}" for name in ("recall", "precision", "f1")]
    false, delay = f"{figures['false_per_sensor_day']:.2f}", f"{figures['median_delay_s']:.0f} s"
    return [labelled_set.name, str(stations), labelled_set.tier, *shares, false, delay]


if __name__ == "__main__":
    sys.exit(main())
