"""What the list of plumes costs, and what giving new events their plume costs. Run as a module.

python -m tests.benchmarks.plumes [PLUMES]

A real PostgreSQL with so many plumes (10,000) of five properties at two stations each, the API in a process of its own,
one client; every address is a new one, so that no answer is cached. Then transactions that store five new events.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import uvloop

from gateway.store import stations
from gateway.store.connection import Store
from gateway.store.migrate import migrate
from gateway.store.plumes import assign_plumes
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import ProcessorTime, print_percentiles, running_api_process, time_request
from tests.gateway.model.test_plume_membership import make_event

STATIONS, REQUESTS, TRANSACTIONS = 50, 100, 100
PROPERTIES = ("pm2_5", "pm10", "pm1", "pm4", "voc_raw")
PATHS = {
    "100 newest": "/api/v1/plumes?limit=100&end={until}",
    "100 in the middle": "/api/v1/plumes?limit=100&end={middle}",
    "100 of one station": "/api/v1/plumes?limit=100&station=s{station}&end={until}",
    "open ones": "/api/v1/plumes?limit=100&open=true&end={until}",
    "page of peaks": "/nl/events?from=2020-01-01&to=2090-01-{day}",
}


def insert_plumes(dsn: str, count: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO area VALUES ('ijmond', 'IJmond', 'OD', '{"type":"Polygon","coordinates":[]}')"""
        )
        connection.execute(
            "INSERT INTO station SELECT 's'||i, 'ijmond', 'Station '||i, 52, 4 FROM generate_series(0, %s) i",
            [STATIONS],
        )
        connection.execute("INSERT INTO node SELECT 'n'||i, 'ijmond', 'key' FROM generate_series(0, %s) i", [STATIONS])
        connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
               SELECT 's'||i, 'n'||i, p FROM generate_series(0, %s) i, unnest(%s::text[]) p""",
            [STATIONS, list(PROPERTIES)],
        )
        connection.execute(
            """INSERT INTO event (id, revision, change, kind, datastream_id, area_id, station_id, property_id, severity,
                                  onset, peak_at, detected_at, ended_at, peak, background, excess, noise, confidence,
                                  reasons, detector, detected_late, plume_id)
               SELECT 'p'||i||'-'||k||'-'||j, 3, 'ended', 'peak', d.id, 'ijmond', d.station_id, d.property_id, 'severe',
                      t.at, t.at, t.at, CASE WHEN i > 10 THEN t.at + interval '4 minutes' END, 80, 8, 72, 1, 0.9, '{}',
                      'peak@2#0', false, 'p'||i||'-0-0'
               FROM generate_series(1, %(count)s) i
               CROSS JOIN generate_series(0, 1) k CROSS JOIN generate_series(0, 4) j
               CROSS JOIN LATERAL (SELECT now() - i * interval '20 minutes' + (k * 3 + j) * interval '10 seconds') t(at)
               JOIN datastream d ON d.station_id = 's'||((i + k) %% %(stations)s)
                   AND d.property_id = (%(names)s::text[])[j + 1]
               ORDER BY i DESC""",
            {"count": count, "stations": STATIONS, "names": list(PROPERTIES)},
        )
        connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state, finished_at)
               SELECT id, 1, 'od', 'email:0', id, 'delivered', detected_at FROM event WHERE id = plume_id"""
        )
        connection.execute("VACUUM ANALYZE")


async def measure_lists(port: int, api_pid: int, database_pid: int) -> None:
    now = datetime.now(UTC)
    for name, path in PATHS.items():
        seconds = []
        api_time, database_time = ProcessorTime(api_pid), ProcessorTime(database_pid)
        for number in range(REQUESTS + 20):
            until, middle = now + timedelta(seconds=number), now - timedelta(days=60, seconds=number)
            address = path.format(
                until=f"{until:%Y-%m-%dT%H:%M:%SZ}", middle=f"{middle:%Y-%m-%dT%H:%M:%SZ}", station=number % STATIONS,
                day=f"{number % 28 + 1:02}",
            )  # fmt: skip
            seconds.append(await time_request(port, address))
        print_percentiles(f"plumes, {name}", seconds[20:])
        api_ms, database_ms = (each.ms_per_request(len(seconds)) for each in (api_time, database_time))
        print(f"  of processor: {api_ms:.1f} ms, and {database_ms:.1f} ms in the database", flush=True)


async def measure_transactions(dsn: str) -> None:
    """Seconds until five new events have their plume, among those of the last six hours."""
    store, seconds = Store(dsn), []
    async with store.transaction() as tx:
        registry = await stations.load_registry(tx)
    for number in range(TRANSACTIONS):
        events = [
            make_event(f"n{number}-{name}", station=f"s{number % STATIONS}", name=name, onset=datetime.now(UTC))
            for name in PROPERTIES
        ]
        async with store.transaction() as tx:
            started = time.perf_counter()
            await assign_plumes(tx, events, registry)
            seconds.append(time.perf_counter() - started)
    await store.close()
    print_percentiles("five new events get their plume", seconds[10:])


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder)) as server, Broker(Path(folder) / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            insert_plumes(dsn, count)
            with running_api_process(dsn, broker.settings) as (port, pid):
                asyncio.run(measure_lists(port, pid, server.pid))
                uvloop.run(measure_transactions(dsn))


if __name__ == "__main__":
    main()
