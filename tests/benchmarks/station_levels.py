"""How long the levels of a station page take from readings of each second, on plain PostgreSQL of this machine.

    python -m tests.benchmarks.station_levels

A month of PM2.5 and PM10 at one station. Plain PostgreSQL computes every hour from the readings; TimescaleDB has the
hours. A page reads seven days, at most once in ten minutes per station.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from gateway.api.data.assessments import assess_station
from gateway.api.data.database import Database
from gateway.api.data.loading import load_public_registry
from gateway.export.assessed import build_period
from gateway.model.legal_day import legal_date
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.store.stored_readings import INSERT_DATASTREAM

STATION, ZONE = "wijk-aan-zee", "Europe/Amsterdam"


def fill(dsn: str) -> None:
    """Store a month of readings."""
    enrol_node(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO batch VALUES (1, 'ijm-001', 'a', 1, '', '', 'b', 0, 'synced', false, now(), now())"
        )
        for name in ("pm2_5", "pm10"):
            ((id_,),) = connection.execute(INSERT_DATASTREAM, [name]).fetchall()
            connection.execute(
                "INSERT INTO observation SELECT %s, now() - i * interval '1 second', 10 + 5 * random(), 0, 1 "
                "FROM generate_series(0, 86400 * 31) AS i",
                [id_],
            )
        connection.execute("ANALYZE")


async def measure(dsn: str) -> None:
    """Print the time of the second of two runs."""
    database = Database(dsn)
    async with database.open_pool():
        registry = await load_public_registry(database.fetch)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for days in (7, 30):
            today = legal_date(now)
            period = build_period(today - timedelta(days=days), today, ZONE)
            for _ in range(2):
                begin = time.perf_counter()
                assessed = await assess_station(database.fetch_costly_rows, registry, STATION, period, now, None)
                elapsed = time.perf_counter() - begin
            print(f"{days} days, {len(assessed.streams)} datastreams: {elapsed:.2f} s")


def main() -> None:
    """Measure in a database of its own."""
    with tempfile.TemporaryDirectory(prefix="piekwacht-benchmark-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user where we are root
        with Postgres(Path(folder), options={"fsync": "off"}) as server:
            dsn = server.create_database("station_levels")
            migrate(dsn)
            fill(dsn)
            asyncio.run(measure(dsn))


if __name__ == "__main__":
    main()
