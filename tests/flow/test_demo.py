"""The demo is the whole system in small: what it accounts for is what the system promises."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.processes import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", "demo", "--port", str(free_port()), "--data-dir", str(folder)]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def account_of(demo: subprocess.Popen[str]) -> dict:
    output, errors = demo.communicate(timeout=200)
    assert demo.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def processes_using(folder: Path) -> list[tuple[int, str]]:
    """(pid, command line) of every process that names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append((int(entry.name), command))
    return found


def test_a_minute_of_the_demo_loses_nothing_and_tells_an_inspector(open_folder):
    account = account_of(start(open_folder, "--duration", "60"))
    assert account["lost"] == account["duplicates"] == 0
    assert account["observations"] > 1000
    assert account["events"] >= 1
    assert account["deliveries"] >= 1
    assert not processes_using(open_folder)


def wait_for_nodes(folder: Path) -> None:
    deadline = time.monotonic() + 90
    while not any(" -m edge_agent run " in command for _, command in processes_using(folder)):
        assert time.monotonic() < deadline, "the demo started no node"
        time.sleep(0.2)


def test_killing_the_gateway_loses_and_doubles_nothing(open_folder):
    demo = start(open_folder, "--duration", "45", "--nodes", "4")
    wait_for_nodes(open_folder)
    killed = set()
    while len(killed) < 3:
        time.sleep(7)
        for pid, command in processes_using(open_folder):
            if " -m gateway up " in command and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    account = account_of(demo)
    assert account["lost"] == account["duplicates"] == 0
    assert account["observations"] > 300


def test_ctrl_c_stops_everything_and_gives_the_account(open_folder):
    demo = start(open_folder, "--nodes", "2")
    wait_for_nodes(open_folder)
    time.sleep(3)
    demo.send_signal(signal.SIGINT)
    assert account_of(demo)["lost"] == 0
    assert not processes_using(open_folder)


def test_a_killed_demo_leaves_no_process_behind(open_folder):
    demo = start(open_folder, "--nodes", "2")
    wait_for_nodes(open_folder)
    demo.kill()
    demo.communicate()
    deadline = time.monotonic() + 10
    while processes_using(open_folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_using(open_folder)
