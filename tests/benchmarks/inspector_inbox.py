"""The cost of the inspectors' inbox: its first page, its searches, and the page of one plume. Run as a module.

python -m tests.benchmarks.inspector_inbox [PLUMES]

A real PostgreSQL with so many plumes (10,000) of ten events. A tenth of them have a note, another tenth an
acknowledgement. The API runs in a separate process, with one client that has a key. None of the pages is cached.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psycopg

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import ProcessorTime, print_percentiles, running_api_process
from tests.benchmarks.plumes import insert_plumes

REQUESTS, WARM_UP = 100, 10
PATHS = {
    "first page": "/nl/inspector",
    "new ones": "/nl/inspector?state=new",
    "last month, wind from the south-west": "/nl/inspector?wind=sw&from=2020-01-01",
    "one station and property": "/nl/inspector?station=s{number}&property=pm10",
    "a word in a note": "/nl/inspector?text=zwaailicht {number}",
    "a word that is nowhere": "/nl/inspector?text=niets {number}",
    "false alarms": "/nl/inspector?state=false_alarm",
    "calendar": "/nl/inspector/calendar",
    "page of a plume": "/nl/inspector/plumes/p{number}-0-0",
}


def insert_answers(dsn: str) -> None:
    """Wind for every event; a note and an acknowledgement for every tenth plume, a false alarm for every hundredth."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """UPDATE event SET around = jsonb_build_object('wind', jsonb_build_object(
                   'direction', abs(hashtext(plume_id)) %% 360, 'spread', 12, 'speed', 4, 'readings', 60))""".replace(
                "%%", "%"
            )
        )
        connection.execute(
            """INSERT INTO alerting.note (plume, author, text)
               SELECT id, 'anna', 'zwaailicht ' || row_number() OVER (ORDER BY id) FROM event
               WHERE id = plume_id AND abs(hashtext(id)) % 10 = 0"""
        )
        connection.execute(
            """INSERT INTO alerting.acknowledgement (event_id, who, note, via)
               SELECT id, 'anna', 'onderweg', 'account' FROM event WHERE id = plume_id AND abs(hashtext(id)) % 10 = 1"""
        )
        connection.execute(
            """INSERT INTO alerting.false_alarm (plume, cause, note, author, stations, severities)
               SELECT id, 'work', '', 'anna', ARRAY[station_id], ARRAY['severe'] FROM event
               WHERE id = plume_id AND abs(hashtext(id)) % 100 = 2"""
        )
        connection.execute("VACUUM ANALYZE")


async def measure_pages(dsn: str, port: int, api_pid: int, database_pid: int) -> None:
    accounts = Accounts(dsn)
    await accounts.put_account("anna", Role.INSPECTOR, ["ijmond"], None)
    key = await accounts.put_key("anna", [Scope.ANSWER_ALERTS], ["*"], purpose="benchmark", days=1)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        for name, path in PATHS.items():
            seconds = []
            api_time, database_time = ProcessorTime(api_pid), ProcessorTime(database_pid)
            for number in range(REQUESTS + WARM_UP):
                started = time.perf_counter()
                answer = await client.get(path.format(number=number % 50 + 1))
                seconds.append(time.perf_counter() - started)
                answer.raise_for_status()
            print_percentiles(f"inspectors, {name}", seconds[WARM_UP:])
            api_ms, database_ms = (each.ms_per_request(len(seconds)) for each in (api_time, database_time))
            print(f"  of processor: {api_ms:.1f} ms, and {database_ms:.1f} ms in the database", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder)) as server, Broker(Path(folder) / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            insert_plumes(dsn, count)
            insert_answers(dsn)
            with running_api_process(dsn, broker.settings) as (port, pid):
                asyncio.run(measure_pages(dsn, port, pid, server.pid))


if __name__ == "__main__":
    main()
