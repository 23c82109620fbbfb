"""The watchdog is fed by progress and by nothing else."""

import socket

import pytest

from edge_agent.watchdog import Watchdog


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def heard(systemd) -> list[str]:
    words = []
    while True:
        try:
            words.append(systemd.recv(100).decode())
        except BlockingIOError:
            return words


def test_it_is_fed_only_while_readings_are_made_and_stored(systemd, tmp_path):
    watchdog = Watchdog({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "180000000"})
    watchdog.notify_ready()
    assert watchdog.feed(now=100, read_at=99, stored_at=60)
    assert not watchdog.feed(now=101, read_at=100, stored_at=60), "not at every turn"
    assert not watchdog.feed(now=300, read_at=299, stored_at=160), "nothing was stored"
    assert not watchdog.feed(now=300, read_at=160, stored_at=299), "nothing was read"
    assert watchdog.feed(now=300, read_at=299, stored_at=299)
    watchdog.notify_stopping()
    assert heard(systemd) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_it_is_silent():
    watchdog = Watchdog({})
    watchdog.notify_ready()
    assert not watchdog.feed(now=100, read_at=100, stored_at=100)
