"""The watchdog is fed only while readings are made and stored."""

import socket

import pytest

from edge_agent.watchdog import Watchdog


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def read_messages(systemd) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(systemd.recv(100).decode())
        except BlockingIOError:
            return messages


def test_the_watchdog_is_fed_only_while_readings_are_made_and_stored(systemd, tmp_path):
    watchdog = Watchdog({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "180000000"})
    watchdog.notify_ready()
    assert watchdog.feed(now=100, read_at=99, stored_at=60)
    assert not watchdog.feed(now=101, read_at=100, stored_at=60), "not at every turn"
    assert not watchdog.feed(now=300, read_at=299, stored_at=160), "nothing was stored"
    assert not watchdog.feed(now=300, read_at=160, stored_at=299), "nothing was read"
    assert watchdog.feed(now=300, read_at=299, stored_at=299)
    watchdog.notify_stopping()
    assert read_messages(systemd) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_the_watchdog_sends_nothing():
    watchdog = Watchdog({})
    watchdog.notify_ready()
    assert not watchdog.feed(now=100, read_at=100, stored_at=100)
