"""Child processes that never outlive this process.

The kernel sends SIGKILL to each child when the thread that started it dies (PR_SET_PDEATHSIG), so that not even
a kill -9 of a demo leaves a database behind.
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
    """One running program. A context manager: its exit stops the program."""

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
                process_group=0,  # Ctrl-C in the terminal reaches only the parent, which then stops us in order
            )

    @property
    def is_running(self) -> bool:
        """Whether the program still runs."""
        return self.process.poll() is None

    def stop(self, timeout: float = 20.0) -> int:
        """Send the stop signal, wait `timeout` seconds, then kill. Return the exit code."""
        if self.is_running:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def wait_until(self, is_ready: Callable[[], bool], *, timeout: float = 30.0) -> Self:
        """Return self once `is_ready()`; StartError with the end of the log if the program ends or time is up."""
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
        """Return the last lines of its log, joined."""
        text = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(text[-lines:]) or "its log is empty"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def make_parent_death_hook(parent_pid: int) -> Callable[[], None]:
    """Return a `preexec_fn`: the kernel kills the new process when the thread that started it dies."""

    def set_death_signal() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent_pid:  # the parent died before the prctl
                os._exit(1)

    return set_death_signal


_USED_PORTS: set[int] = set()


def find_free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port on which nothing listened a moment ago; never the same one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _USED_PORTS:
            _USED_PORTS.add(port)
            return port


def is_port_open(host: str, port: int) -> bool:
    """Whether a server accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True
