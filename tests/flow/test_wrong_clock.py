"""A real agent whose clock is 14 days behind: its peak is found once the clock is set, and everything follows."""

import asyncio
import json
import time
import urllib.request
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec import structs

from edge_agent.wire import Flag, Signer
from gateway.enrolment.node_command import format_nodes
from gateway.ingest import late_data
from gateway.ingest.settings import IngestSettings
from gateway.model.registry import Node
from gateway.store import stations
from gateway.system.child_process import find_free_port
from tests.alerting.conftest import settings  # noqa: F401 - a fixture
from tests.alerting.running_dispatcher import run_dispatchers, wait_until_present
from tests.alerting.servers import MailServer
from tests.edge_agent.running_agent import NodeProcess, stop
from tests.edge_agent.wrong_clock import DAY_MS, WrongClock
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.ingest.test_consumer import run_consumer
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEP = 0.1  # s between two posts
BEFORE, PEAK, AFTER, SYNCED = 200, 45, 100, 150  # posts


class Board:
    """A sensor board that posts to the agent. `posts`: value and true time (s) of each."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/"
        self.posts: list[tuple[float, float]] = []

    def post(self, value: float) -> None:
        body = json.dumps([{"bn": "board-1:", "n": "pm2_5", "v": value}]).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/senml+json"})
        self.posts.append((value, time.time()))
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status < 300

    def post_all(self, values: list[float]) -> None:
        due = time.monotonic()
        for value in values:
            self.post(value)
            due += STEP
            time.sleep(max(0.0, due - time.monotonic()))


def clean_air(count: int) -> list[float]:
    return [8.0 + 0.1 * (i % 3) for i in range(count)]


@asynccontextmanager
async def running_installation(tmp_path, broker, database):
    """A node, ingest and API. Yields the node, its board's port and an HTTP client."""
    node, port = NodeProcess(tmp_path / "node"), find_free_port()
    node.gateway = Signer.generate("gateway.ijmond")
    sensor = f'driver = "esp32"\nsender = "board-1"\nproperties = ["pm2_5"]\nport = {port}'
    node.write_config(broker.port, sensor)
    (tmp_path / "gateway.key").write_text(node.gateway.export())
    enrol_node(database)
    with psycopg.connect(database, autocommit=True) as connection:
        place = Node(id=node.id, area=node.area, station="wijk-aan-zee", key=node.key.verifier)
        stations.put_node(connection, place)
    ingest = IngestSettings(key_file=tmp_path / "gateway.key", window_seconds=0.05)
    try:
        async with run_consumer(ingest, broker, database), running_api(database, broker) as (client, _):
            yield node, port, client
    finally:
        node.close()


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


COUNTS = """SELECT count(*), count(*) FILTER (WHERE o.flags & 16384 > 0) FROM observation o
            JOIN datastream d ON d.id = o.datastream_id WHERE d.property_id = 'pm2_5'"""


async def until(condition):
    await asyncio.to_thread(wait_until, condition)


async def test_a_peak_of_a_node_with_a_wrong_clock_is_found_late_and_everything_follows(
    tmp_path,
    broker,
    database,
    monkeypatch,
    settings,  # noqa: F811 - a fixture
):
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 1.0)
    clock = WrongClock(tmp_path)
    clock.set(-14 * DAY_MS, synced=False)
    async with running_installation(tmp_path, broker, database) as (node, port, client):
        process, board = node.start(environment=clock.environment), Board(port)
        await until(lambda: is_listening(board))
        await asyncio.to_thread(board.post_all, clean_air(BEFORE) + [60.0] * PEAK + clean_air(AFTER))
        await until(lambda: rows(database, COUNTS)[0][0] == len(board.posts))
        wrong_count = len(board.posts)
        await check_silence(database, client, wrong_count)
        clock.set(0, synced=True)
        await asyncio.to_thread(board.post_all, clean_air(SYNCED))
        await until(lambda: post_until_detected(board, database))
        await until(lambda: rows(database, COUNTS) == [(len(board.posts), 0)])
        await check_times(database, board, wrong_count)
        await check_answers(client, board)
        await check_digest(database, settings)
        await asyncio.to_thread(stop, process)


def is_listening(board) -> bool:
    try:
        board.post(8.0)
    except OSError:
        board.posts.pop()
        return False
    return True


def post_until_detected(board, database) -> bool:
    """Late data are detected on with the next readings, once no more of them arrive."""
    board.post_all(clean_air(3))
    return bool(rows(database, "SELECT 1 FROM event WHERE ended_at IS NOT NULL"))


async def check_silence(database, client, count):
    """The wrong clock is named; its readings are in no answer but the raw ones; the station counts as silent."""
    assert rows(database, COUNTS) == [(count, count)], "every value is of an unknown time"
    assert rows(database, "SELECT 1 FROM event") == []
    ((undated_since, error_ms, last_heard, last_seen),) = rows(
        database,
        """SELECT undated_since, clock_error_ms, last_heard, last_seen
           FROM node_status CROSS JOIN alerting.heard WHERE node_id = 'ijm-001'""",
    )
    assert abs(error_ms + 14 * DAY_MS) < 10_000
    assert last_heard == undated_since < last_seen, "silent since the first of these batches"
    (line,) = format_nodes(database)
    assert "its clock is 14 days, 0:00:0" in line
    assert "behind since" in line
    station = (await client.get("/api/v1/stations")).json()["features"][0]
    assert station["properties"]["newest"] == {}
    means = (await client.get("/api/v1/stations/wijk-aan-zee/observations")).json()
    assert means["items"] == []
    start = datetime.now(UTC) - timedelta(days=14, hours=1)
    period = {"averaging": "raw", "start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()}
    raw = (await client.get("/api/v1/stations/wijk-aan-zee/observations", params=period)).json()["items"]
    assert raw
    assert all("time_suspect" in reading["flags"] for reading in raw)


async def check_times(database, board, wrong_count):
    """Every value lies where it was measured, to within the time that a post takes."""
    stored = rows(
        database,
        """SELECT o.value, extract(epoch FROM o.observed_at)::float8, stamped_at IS NOT NULL FROM observation o
           JOIN datastream d ON d.id = o.datastream_id WHERE d.property_id = 'pm2_5' ORDER BY 2""",
    )
    assert [value for value, *_ in stored] == [value for value, _ in board.posts]
    errors = [at - true_at for (_, at, _), (_, true_at) in zip(stored, board.posts, strict=True)]
    assert max(map(abs, errors)) < 1.5
    assert [moved for *_, moved in stored] == [True] * wrong_count + [False] * (len(board.posts) - wrong_count)


async def check_answers(client, board):
    began = next(at for value, at in board.posts if value == 60.0)
    (event,) = (await client.get("/api/v1/events")).json()["items"]
    assert (event["peak"], event["detectedLate"]) == (60.0, True)
    assert abs(datetime.fromisoformat(event["onset"]).timestamp() - began) < 3.0
    means = (await client.get("/api/v1/stations/wijk-aan-zee/observations")).json()["items"]
    highest = {datetime.fromisoformat(mean["start"]).timestamp() for mean in means if mean["max"] == 60.0}
    assert highest == {at // 60 * 60 for value, at in board.posts if value == 60.0}
    assert sum(mean["validCount"] for mean in means) == len(board.posts)
    station = (await client.get("/api/v1/stations")).json()["features"][0]
    assert station["properties"]["newest"]["pm2_5"]["mean"] < 61
    assert not any(flag == "time_suspect" for flag in station["properties"]["newest"]["pm2_5"]["flags"])


async def check_digest(database, make_settings):
    """The inspectorate gets no page, but the peak is in the digest of the day."""
    with MailServer() as server:
        chosen = make_settings(mail=server)
        async with run_dispatchers(structs.replace(chosen, digest_at="23:59"), database):
            await wait_until_present(database, "SELECT 1 FROM alerting.decision WHERE reason = 'detected_late'")
            assert server.received == []
        async with run_dispatchers(structs.replace(chosen, digest_at="00:00"), database):
            await until(lambda: server.received)
    (mail,) = server.received
    assert b"dagoverzicht" in mail.content.lower()
    assert rows(database, f"SELECT 1 FROM observation WHERE flags & {int(Flag.TIME_SUSPECT)} > 0") == []
