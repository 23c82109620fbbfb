"""Child processes that can neither outlive us nor be forgotten.

Each child gets SIGKILLed by the kernel when the thread that started it dies (PR_SET_PDEATHSIG),
so that not even a kill -9 of a demo leaves a database behind.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from gateway.errors import StartError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """One running program. A context manager: leaving it stops the program."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.log, self.stop_signal = name, log, stop_signal
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user,
                group=user,
                extra_groups=[] if user is not None else None,
                env={**os.environ, **(environment or {})},
                preexec_fn=make_parent_death_hook(os.getpid()),  # noqa: PLW1509 - one prctl, no lock is taken
                process_group=0,  # Ctrl-C in the terminal reaches the parent alone, which then stops us in order
            )

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended yet."""
        return self.process.poll() is None

    def stop(self, timeout: float = 20.0) -> int:
        """Ask, wait `timeout` seconds, then kill. Returns the exit code."""
        if self.is_running:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def wait_until(self, is_ready: Callable[[], bool], *, timeout: float = 30.0) -> Self:
        """Return self once `ready()`; StartError with the end of the log where the program ends or time is up."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            if not self.is_running:
                raise StartError(f"{self.name} ended while starting: {self.read_log_tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise StartError(f"{self.name} was not ready after {timeout:.0f} s: {self.read_log_tail()}")
            time.sleep(0.02)
        return self

    def read_log_tail(self, lines: int = 3) -> str:
        """The end of its log, on one line."""
        text = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(text[-lines:]) or "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def make_parent_death_hook(parent_pid: int) -> Callable[[], None]:
    """For a new process to call: the kernel ends it when the thread that started it dies."""

    def set_death_signal() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent_pid:  # it died before we asked
                os._exit(1)

    return set_death_signal


_USED_PORTS: set[int] = set()


def find_free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listened on a moment ago; never the same one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _USED_PORTS:
            _USED_PORTS.add(port)
            return port


def is_port_open(host: str, port: int) -> bool:
    """Whether somebody accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True
