"""The reports of a service to the program that started it: systemd, or the supervisor of `piekwacht up`.

The protocol is that of sd_notify(3), a datagram to the socket named in NOTIFY_SOCKET. A service reports from its event
loop: a loop that hangs reports nothing, and is ended and started again.
"""

import asyncio
import faulthandler
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from gateway import telemetry

SILENCE_LIMIT = 10.0  # s without a report, after which a service hangs; WatchdogSec= of the systemd units
_INTERVAL = 1.0  # s between two reports


class ServiceManager:
    """Sends nothing where no program listens."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    async def report_liveness(self, service_name: str) -> None:
        """Report that the service is ready, then every second that its event loop had a turn, until cancelled."""
        if not faulthandler.is_enabled():
            faulthandler.enable()  # SIGABRT, which ends a silent service, writes where it hangs
        self._notify("READY=1")
        answered_at = telemetry.ANSWERED_AT.labels(service_name)
        while True:
            answered_at.set(time.time())
            self._notify("WATCHDOG=1")
            await asyncio.sleep(_INTERVAL)

    def _notify(self, text: str) -> None:
        if self._address:
            # a program that does not read must not stop us: it sees our silence
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.settimeout(0)
                client.sendto(text.encode(), self._address)
