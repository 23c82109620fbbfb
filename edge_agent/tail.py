"""`piekwacht-agent tail`: the readings of a running agent as they are made, without a broker.

The command opens a socket beside the spool. The agent sends its readings to that socket while it exists, and never
waits for the command. While nobody runs the command, it costs the agent nothing.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import msgspec

from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import Flag


def socket_path(spool: Path) -> Path:
    """Return the socket on which `piekwacht-agent tail` listens."""
    return spool.with_suffix(".tail")


class TailSender:
    """The agent's end."""

    def __init__(self, spool: Path) -> None:
        self._address = str(socket_path(spool))  # using a Path would cost more time than making a reading
        self._socket: socket.socket | None = None

    def send(self, readings: Sequence[tuple[str, Reading]]) -> None:
        """Send readings, each with its sensor, to the listener; a slow listener misses readings."""
        if not readings or not os.path.exists(self._address):  # noqa: PTH110
            return
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # noqa: FBT003 - the library's own shape
        with contextlib.suppress(OSError):
            for sensor, reading in readings:
                self._socket.sendto(msgspec.json.encode((sensor, reading)), self._address)


def receive_readings(spool: Path, *, timeout: float) -> Generator[tuple[str, Reading], None, None]:
    """The viewer's end: readings as they come; AgentError when none comes within `timeout` seconds."""
    address = socket_path(spool)
    with contextlib.suppress(OSError):
        address.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        listener.bind(str(address))
        listener.settimeout(timeout)
        while True:
            yield msgspec.json.decode(listener.recv(65_536), type=tuple[str, Reading])
    except TimeoutError:
        raise AgentError(f"no reading in {timeout:g} s: is the agent of this configuration running?") from None
    except OSError as error:
        raise AgentError(f"cannot listen at {address} ({error.strerror}): run this as the agent's own user") from None
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            address.unlink()


def format_reading(sensor: str, reading: Reading) -> str:
    """One reading for a person: time, sensor, values, and flags by name."""
    time_of_day = time.strftime("%H:%M:%S", time.localtime(reading.observed_at / 1000))
    parts = []
    for name, value in reading.values.items():
        flags = "|".join(flag.name.lower() for flag in Flag(reading.flags.get(name, 0)) if flag.name)
        parts.append(f"{name} {'-' if value is None else format(value, 'g')}{f' ({flags})' if flags else ''}")
    return f"{time_of_day}  {sensor:24}  {'  '.join(parts)}"


def print_readings(spool: Path, *, count: int | None, timeout: float = 90.0) -> None:
    """Print readings until interrupted, or `count` of them."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        contextlib.closing(receive_readings(spool, timeout=timeout)) as readings,
    ):
        for number, (sensor, reading) in enumerate(readings, start=1):
            sys.stdout.write(format_reading(sensor, reading) + "\n")
            sys.stdout.flush()
            if number == count:
                return
