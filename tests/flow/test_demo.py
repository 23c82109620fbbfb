"""The demo runs the whole system in small, and its reconciliation proves that nothing is lost or stored twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from gateway import settings
from gateway.demo.past_plan import PastFiles
from gateway.system.child_process import find_free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def start_demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", "demo", "--port", str(find_free_port()), "--data-dir", str(folder)]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def read_reconciliation(demo: subprocess.Popen[str]) -> dict:
    output, errors = demo.communicate(timeout=200)
    assert demo.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def find_processes(folder: Path) -> list[tuple[int, str]]:
    """Return (pid, command line) of every process that names the folder."""
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                processes.append((int(entry.name), command))
    return processes


def wait_for_nodes(folder: Path) -> None:
    nodes = lambda: any(" -m edge_agent run " in command for _, command in find_processes(folder))  # noqa: E731
    wait_until(nodes, 90, "the demo started no node")


def has_delivered_mail(folder: Path) -> bool:
    """Whether a mail reached the demo's inspector."""
    with psycopg.connect(settings.read(folder / "piekwacht.toml").database.dsn) as connection:
        mails = "SELECT 1 FROM alerting.outbox WHERE state = 'delivered' AND channel LIKE 'email%'"
        return connection.execute(mails).fetchone() is not None


PAST_EVENTS = """
    SELECT kind, detected_late, count(*), count(*) FILTER (WHERE id IN (SELECT event_id FROM alerting.outbox))
    FROM event WHERE onset < %(end)s GROUP BY kind, detected_late"""
PAST_FLAGS = "SELECT bool_or(flags & 32 <> 0), bool_or(flags & 64 <> 0) FROM observation WHERE observed_at < %(end)s"


def check_past(folder: Path) -> None:
    """The two days have regional peaks, fog and a stuck sensor; nobody is notified of what happened then."""
    plan = PastFiles(folder=folder).read_plan()
    assert plan is not None
    with psycopg.connect(settings.read(folder / "piekwacht.toml").database.dsn) as connection:
        events = connection.execute(PAST_EVENTS, {"end": plan.end}).fetchall()
        assert {kind for kind, *_ in events} >= {"peak", "regional", "humidity"}
        assert [(late, notified) for _, late, _, notified in events] == [(True, 0)] * len(events)
        assert connection.execute(PAST_FLAGS, {"end": plan.end}).fetchone() == (True, True)
        assert connection.execute("SELECT count(*) > 1000 FROM log_leaf").fetchone() == (True,)


PAST_READING = """
    SELECT d.station_id, d.property_id, o.observed_at FROM observation o JOIN datastream d ON d.id = o.datastream_id
    WHERE o.observed_at < %(end)s AND o.flags = 0 ORDER BY o.observed_at, d.id LIMIT 1"""


def verify_past_reading(folder: Path) -> str:
    """Verify the oldest reading by its evidence from the site; return the state of the verdict."""
    plan, configuration = PastFiles(folder=folder).read_plan(), settings.read(folder / "piekwacht.toml")
    assert plan is not None
    with psycopg.connect(configuration.database.dsn) as connection:
        station, name, at = connection.execute(PAST_READING, {"end": plan.end}).fetchone()
    address = f"http://127.0.0.1:{configuration.api.port}/api/v1/stations/{station}/evidence"
    moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
    response = httpx.get(address, params={"property": name, "at": moment}, verify=False, timeout=30)
    assert response.status_code == 200, response.text
    file = folder / "past.piekwacht.json"
    file.write_bytes(response.content)
    command = [sys.executable, "-m", "gateway", "verify", "--json", str(file)]
    return json.loads(subprocess.run(command, capture_output=True, text=True).stdout)["verdict"]["state"]


def find_ingesting_gateway(folder: Path) -> int | None:
    """Return the pid of the gateway once it is connected to the broker."""
    port = settings.read(folder / "piekwacht.toml").api.port
    try:
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2, verify=False).text
    except httpx.HTTPError:
        return None
    running = [pid for pid, command in find_processes(folder) if " -m gateway up " in command]
    return running[0] if running and "piekwacht_ingest_connected 1.0" in metrics else None


def test_the_demo_notifies_an_inspector_and_ctrl_c_ends_it_with_nothing_lost(open_folder):
    demo = start_demo(open_folder)
    wait_for_nodes(open_folder)
    wait_until(lambda: has_delivered_mail(open_folder), 90, "no mail was delivered")
    check_past(open_folder)
    assert verify_past_reading(open_folder) != "false"
    demo.send_signal(signal.SIGINT)
    reconciliation = read_reconciliation(demo)
    assert reconciliation["lost"] == reconciliation["duplicates"] == 0
    assert reconciliation["past_readings"] >= 12 * 48 * 60
    assert 20 < reconciliation["past_events"] < reconciliation["events"]
    assert reconciliation["observations"] > 10 * reconciliation["past_readings"]
    assert reconciliation["events"] >= 1
    assert reconciliation["deliveries"] >= 1
    assert not find_processes(open_folder)


def test_killing_the_gateway_loses_and_doubles_nothing(open_folder):
    demo = start_demo(open_folder, "--nodes", "4", "--history", "0")
    wait_for_nodes(open_folder)
    killed: set[int | None] = {None}
    while len(killed) < 4:
        wait_until(lambda: find_ingesting_gateway(open_folder) not in killed, 60, "no gateway took over")
        pid = find_ingesting_gateway(open_folder)
        time.sleep(2)  # while it ingests
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    wait_until(lambda: find_ingesting_gateway(open_folder) not in killed, 60, "no gateway took over")
    demo.send_signal(signal.SIGINT)
    reconciliation = read_reconciliation(demo)
    assert reconciliation["lost"] == reconciliation["duplicates"] == 0
    assert reconciliation["observations"] > 300


def find_agents(folder: Path) -> dict[str, int]:
    """Return the pid of each running node by its id."""
    running = [(pid, command) for pid, command in find_processes(folder) if " -m edge_agent run " in command]
    return {Path(command.split()[-1]).parent.name: pid for pid, command in running}


def test_the_demo_starts_a_node_again_that_ends_and_loses_nothing_of_it(open_folder):
    demo = start_demo(open_folder, "--nodes", "2", "--history", "0")
    wait_until(lambda: len(find_agents(open_folder)) == 2, 150, "the demo started no nodes")
    first = find_agents(open_folder)
    log = open_folder / "nodes" / "ijm-001" / "generated.jsonl"
    wait_until(lambda: log.exists() and log.stat().st_size, 60, "the node reads nothing")
    os.kill(first["ijm-001"], signal.SIGTERM)  # it stores what it has read, and ends
    wait_until(lambda: find_agents(open_folder).get("ijm-001") not in {None, first["ijm-001"]}, 60, "no new agent")
    assert find_agents(open_folder)["ijm-002"] == first["ijm-002"], "the other node is left alone"
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size > size, 60, "the new agent reads nothing")
    demo.send_signal(signal.SIGINT)
    reconciliation = read_reconciliation(demo)
    assert reconciliation["lost"] == reconciliation["duplicates"] == reconciliation["unlogged"] == 0


def test_a_car_and_a_drone_have_tracks_and_lose_nothing(open_folder):
    demo = start_demo(open_folder, "--nodes", "1", "--history", "0", "--mobile")
    wait_for_nodes(open_folder)
    wait_until(lambda: find_ingesting_gateway(open_folder) is not None, 90, "no gateway")
    address = f"http://127.0.0.1:{settings.read(open_folder / 'piekwacht.toml').api.port}/api/v1"

    def list_vehicles() -> set[str]:
        items = httpx.get(f"{address}/tracks", verify=False, timeout=10).json()["items"]
        return {item["vehicle"] for item in items if item["positions"] > 10}

    wait_until(lambda: list_vehicles() == {"car", "drone"}, 60, "no tracks", pause=1.0)
    assert len(httpx.get(f"{address}/stations", verify=False).json()["features"]) == 1
    demo.send_signal(signal.SIGINT)
    reconciliation = read_reconciliation(demo)
    assert reconciliation["lost"] == reconciliation["duplicates"] == 0


def test_a_demo_of_some_seconds_ends_by_itself(open_folder):
    reconciliation = read_reconciliation(start_demo(open_folder, "--duration", "3", "--nodes", "1", "--history", "0"))
    assert reconciliation["lost"] == reconciliation["duplicates"] == 0
    assert not find_processes(open_folder)


def test_a_killed_demo_leaves_no_process_behind(open_folder):
    demo = start_demo(open_folder, "--nodes", "2")
    wait_for_nodes(open_folder)
    demo.kill()
    demo.communicate()
    deadline = time.monotonic() + 10
    while find_processes(open_folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not find_processes(open_folder)
