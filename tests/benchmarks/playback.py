"""The size of a day of playback, and the time of the first one that no cache has. Run as a module.

python -m tests.benchmarks.playback --data FOLDER [--stations 100] [--days 3]

FOLDER has `pm_rtp_2019_1min.csv.gz`: three collocated dust sensors in August 2019, a mean per minute. Each station gets
a real day of one of these sensors, with 60 readings per minute, so that plain PostgreSQL computes the minutes as for a
network at 1 Hz. Each further day has the values of another sensor-day. The database of the benchmark is new.
"""

import argparse
import asyncio
import csv
import gzip
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

from gateway.model.legal_day import day_start
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import ProcessorTime, running_api_process

MINUTES, LEAST_MINUTES = 1_440, 1_300  # of a day; a day with fewer is left out


def read_days(path: Path) -> list[list[float | None]]:
    """Each sensor-day as its values by minute."""
    days: dict[tuple[str, str], list[float | None]] = defaultdict(lambda: [None] * MINUTES)
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["time"])
            days[row["station"], row["time"][:10]][at.hour * 60 + at.minute] = float(row["value"])
    return [values for _, values in sorted(days.items()) if sum(v is not None for v in values) >= LEAST_MINUTES]


def insert_registry(connection: psycopg.Connection, stations: int) -> None:
    outline = '{"type":"Polygon","coordinates":[]}'
    connection.execute("INSERT INTO area VALUES ('ijmond', 'IJmond', 'OD', %s)", [outline])
    connection.execute(
        "INSERT INTO station SELECT 's'||i, 'ijmond', 'Station '||i, 52 + i * 0.001, 4 FROM generate_series(1, %s) i",
        [stations],
    )
    connection.execute("INSERT INTO node SELECT 'n'||i, 'ijmond', 'key' FROM generate_series(1, %s) i", [stations])
    connection.execute(
        """INSERT INTO datastream (station_id, node_id, property_id)
           SELECT 's'||i, 'n'||i, 'pm2_5' FROM generate_series(1, %s) i ORDER BY i""",
        [stations],
    )
    connection.execute("INSERT INTO batch VALUES (1, 'n1', 'a', 1, '', '', 'b', 0, 'synced', false, now(), now())")
    connection.execute("CREATE TABLE minute (datastream int, at timestamptz, value float8)")


def insert_day(connection: psycopg.Connection, start: datetime, days: list[list[float | None]]) -> None:
    """Readings of one day at every station."""
    connection.execute("TRUNCATE minute")
    with connection.cursor().copy("COPY minute FROM STDIN") as copy:
        for number, values in enumerate(days, 1):
            for minute, value in enumerate(values):
                if value is not None:
                    copy.write_row((number, start + timedelta(minutes=minute), value))
    connection.execute(
        """INSERT INTO observation SELECT m.datastream, m.at + s * interval '1 second', m.value, 0, 1
           FROM minute m CROSS JOIN generate_series(0, 59) s ORDER BY m.at, s, m.datastream"""
    )


async def measure(port: int, starts: list[datetime], api_pid: int, database_pid: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, verify=False) as client:
        for start in starts:
            day = f"{start + timedelta(hours=12):%Y-%m-%d}"
            for what in ("first", "again"):
                api_time, database_time = ProcessorTime(api_pid), ProcessorTime(database_pid)
                began = time.perf_counter()
                headers = {"Accept-Encoding": "gzip", "Cache-Control": "no-cache"}
                async with client.stream("GET", f"/api/v1/playback?day={day}", headers=headers) as response:
                    size = sum([len(part) async for part in response.aiter_raw()])
                seconds = time.perf_counter() - began
                assert response.status_code == 200
                api_s, database_s = (each.ms_per_request(1) / 1e3 for each in (api_time, database_time))
                print(
                    f"{day}, {what}: {seconds:.2f} s, {size / 1e3:.0f} kB gzipped; of processor: "
                    f"{api_s:.2f} s, and {database_s:.2f} s in the database",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--days", type=int, default=3)
    arguments = parser.parse_args()
    real_days = read_days(arguments.data / "pm_rtp_2019_1min.csv.gz")
    print(f"{len(real_days)} real sensor-days")
    today = day_start(datetime.now(UTC), "Europe/Amsterdam")
    starts = [today - timedelta(days=number) for number in range(1, arguments.days + 1)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder)) as server, Broker(Path(folder) / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            with psycopg.connect(dsn, autocommit=True) as connection:
                insert_registry(connection, arguments.stations)
                for shift, start in enumerate(starts):
                    chosen = [real_days[(i + 7 * shift) % len(real_days)] for i in range(arguments.stations)]
                    insert_day(connection, start, chosen)
                connection.execute("VACUUM ANALYZE")
            with running_api_process(dsn, broker.settings) as (port, pid):
                asyncio.run(measure(port, starts, pid, server.pid))


if __name__ == "__main__":
    main()
