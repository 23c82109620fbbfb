"""The self-test over recordings of real sensors, taken in by a real gateway: what it says, and what it costs.

    .venv/bin/python tests/benchmarks/selftest_recordings.py ../shared/data --days 5

Prints the figures of `piekwacht selftest` for each recording, then seconds for an hour of an area, and for a shadow
detector to follow the same batches.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg

from edge_agent.wire import ReadingBatch, Signer, Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.command import format_detection_rate
from gateway.evaluation.selftest.hour_loader import HourExaminer
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.selftest.statistics import compute_detection_rates, sum_exposures
from gateway.evaluation.shadow.follower import ShadowFollower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.registry import Area, Node, Station
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres

RECORDINGS = ("pm_aberdeen_2019.csv.gz", "pm_rtp_2019_1min.csv.gz")
HOUR = timedelta(hours=1)
OUTLINE = {"type": "Polygon", "coordinates": [[[0, 50], [1, 50], [1, 51], [0, 50]]]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, default=5.0)
    options = parser.parse_args()
    for name in RECORDINGS:
        with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as folder:
            Path(folder).chmod(0o755)
            with Postgres(Path(folder)) as server:
                dsn = server.create_database("bench")
                migrate(dsn)
                asyncio.run(_measure_recording(dsn, options.folder / name, options.days))


async def _measure_recording(dsn, path, days):
    frame = pd.read_csv(path)
    moments = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
    frame["at"] = ((moments - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("1ms")).astype(np.int64)
    frame = frame[(frame["at"] < frame["at"].min() + days * 86_400_000) & frame["value"].notna()].sort_values("at")
    begin = datetime.fromtimestamp(int(frame["at"].min()) / 1000, UTC).replace(minute=0, second=0, microsecond=0)
    nodes = _enrol_nodes(dsn, sorted(frame["station"].unique()))
    count = await _ingest_recording(dsn, frame, nodes)
    print(f"{path.name}: {len(frame)} readings of {len(nodes)} sensors in {count} batches")
    examiner, seconds, results = HourExaminer(DetectionSettings(), SelfTestSettings()), [], []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as tx:
        for number in range(6, int(days * 24) - 2):
            started = time.perf_counter()
            results.append(await examiner.examine(tx, "bench", begin + number * HOUR))
            seconds.append(time.perf_counter() - started)
    for rate in compute_detection_rates(peak for result in results for peak in result.peak_results):
        print(f"  {format_detection_rate(rate)}")
    for exposure in sum_exposures(exposure for result in results for exposure in result.exposures):
        daily = exposure.alone / exposure.sensor_days
        peaks_text = f"{exposure.peaks} peaks, {exposure.alone} alone ({daily:.2f} a day)"
        print(f"  {exposure.interval} s, {exposure.sensor_days:.1f} sensor-days: {peaks_text}")
    print(f"  an hour of the area was examined in {statistics.median(seconds):.2f} s (median)")
    follower = ShadowFollower(dsn, ShadowSettings(name="bench", begin_hours=1e5), settle_seconds=0.0)
    await follower.catch_up()
    started = time.perf_counter()
    await follower.catch_up()
    print(f"  a shadow followed the {count} batches in {time.perf_counter() - started:.2f} s")
    await follower.close()


def _enrol_nodes(dsn, names):
    with psycopg.connect(dsn, autocommit=True) as connection:
        stations.put_area(connection, Area(id="bench", name="", authority="", outline=OUTLINE))
        signers = {}
        for number, name in enumerate(names):
            signer = signers[name] = Signer.generate(f"node-{number}")
            station = Station(id=f"s{number}", area="bench", name=name, latitude=50 + number / 100, longitude=0.5)
            stations.put_station(connection, station)
            stations.put_node(connection, Node(id=signer.name, area="bench", station=station.id, key=signer.verifier))
    return signers


async def _ingest_recording(dsn, frame, nodes):
    """Ten minutes of every sensor a transaction, as it would have come live."""
    store = Store(dsn)
    pipeline, count = Pipeline(store, Flagger(), Detector(DetectionSettings())), 0
    for period, rows in frame.groupby(frame["at"] // 600_000):
        received = datetime.fromtimestamp((period + 1) * 600, UTC)
        payloads = [
            _build_payload(nodes[name], period, station_rows, received)
            for name, station_rows in rows.groupby("station")
        ]
        await pipeline.process(payloads)
        count += len(payloads)
    await store.close()
    return count


def _build_payload(signer, period, rows, received):
    t0 = int(rows["at"].iloc[0])
    batch = ReadingBatch(
        v=1,
        node=signer.name,
        inc="k3v5x2m2q7ab",
        seq=int(period),
        boot="bench",
        t0=t0,
        dt=(rows["at"] - t0).tolist(),
        values={"pm2_5": rows["value"].tolist()},
    )
    topic = str(Topic(area="bench", node=signer.name, kind=TopicKind.READINGS))
    return Payload(topic=topic, body=signer.sign(batch.encode()), received_at=received)


if __name__ == "__main__":
    main()
