"""systemd's watchdog, fed only while readings are made and stored: a node that only looks alive is restarted.

The notification protocol is a datagram to the socket named in NOTIFY_SOCKET (sd_notify(3)).
"""

import os
import socket
from collections.abc import Mapping


class Watchdog:
    """Does nothing where systemd does not listen."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period = int(environment.get("WATCHDOG_USEC", "0")) / 1e6
        self._fed_at = float("-inf")

    def notify_ready(self) -> None:
        """The agent works."""
        self._notify("READY=1")

    def notify_stopping(self) -> None:
        """The agent hands over and ends."""
        self._notify("STOPPING=1")

    def feed(self, *, now: float, read_at: float, stored_at: float) -> bool:
        """Feed it if both a reading and a store are newer than half its period. Times are monotonic seconds."""
        if not self._period or now - self._fed_at < self._period / 4:
            return False
        if now - min(read_at, stored_at) > self._period / 2:
            return False
        self._fed_at = now
        self._notify("WATCHDOG=1")
        return True

    def _notify(self, text: str) -> None:
        if self._address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.sendto(text.encode(), self._address)
