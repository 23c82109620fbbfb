"""Verifying and reading in a process of its own, where it takes no time from the one that feeds the database.

Threads of one process wait for each other here: both need the interpreter's lock. A small site never
starts the process; where it dies, falls silent or is not there yet, the work is done in the caller's own.
"""

import io
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.decoding.decode import Payload
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.model.registry import Registry
from gateway.system.gc_tuning import freeze_gc

_LOG = get_logger("gateway.decoding")


class Decoder:
    """Reads payloads for one gateway; may be called from several threads."""

    def __init__(self, *, min_payloads: int = 100, timeout: float = 30.0) -> None:
        """`worth`: fewest payloads for which another process is asked; `patience`: s until it counts as dead."""
        self._min_payloads, self._timeout, self._lock = min_payloads, timeout, threading.Lock()
        self._helper: _HelperProcess | None = None
        self._next_start_at = 0.0  # when another may be started, by the monotonic clock

    def decode(self, payloads: Sequence[Payload], registry: Registry) -> DecodedPayloads:
        """As `Decoded.of`."""
        if len(payloads) < self._min_payloads:
            return DecodedPayloads.from_payloads(payloads, registry)
        with self._lock:
            try:
                if self._helper is None and time.monotonic() >= self._next_start_at:
                    self._next_start_at = time.monotonic() + _RESTART_INTERVAL
                    self._helper = _HelperProcess()
                if self._helper and self._helper.is_ready:
                    return self._helper.decode(payloads, registry, self._timeout)
            except (OSError, EOFError) as error:
                _LOG.warning("decoding process lost; decoding here until it is back", error=one_line(error))
                self._stop_helper()
        return DecodedPayloads.from_payloads(payloads, registry)

    @property
    def has_used_helper(self) -> bool:
        """Whether the other process has done any of the work."""
        return self._helper is not None and self._helper.registry is not None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop_helper()

    def _stop_helper(self) -> None:
        if self._helper is not None:
            self._helper.kill()
            self._helper = None


class _HelperProcess:
    """The other process, as long as it lives. It ends by itself when nobody holds the other end of its pipe."""

    def __init__(self) -> None:
        self._pipe, child_end = Pipe()
        self.registry: Registry | None = None  # what it decodes by
        self._is_loaded = False
        with child_end:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-m", "gateway.decoding.process", str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                process_group=0,  # Ctrl-C in the terminal reaches the gateway alone, which ends us in order
            )

    @property
    def is_ready(self) -> bool:
        """Whether it has loaded what it needs; OSError or EOFError where it died of that or is not of our version."""
        if not self._is_loaded and self._pipe.poll():
            greeting = self._pipe.recv_bytes()
            if greeting != _GREETING:
                raise OSError(f"it is {greeting!r}, we are {_GREETING!r}: restart the gateway")
            self._is_loaded = True
        return self._is_loaded

    def decode(self, payloads: Sequence[Payload], registry: Registry, timeout: float) -> DecodedPayloads:
        new_registry = None if registry is self.registry else _strip_registry(registry)
        columns = [(p.topic, p.body, p.received_at, p.replayed) for p in payloads]
        self._pipe.send_bytes(pickle.dumps((new_registry, columns), pickle.HIGHEST_PROTOCOL))
        self.registry = registry
        if not self._pipe.poll(timeout):
            raise TimeoutError(f"no answer in {timeout:.0f} s")
        headers, rejected, rows = _PayloadUnpickler(self._pipe.recv_bytes(), payloads).load()
        return DecodedPayloads(payloads=payloads, registry=registry, headers=headers, rejected=rejected, rows=rows)

    def kill(self) -> None:
        self._pipe.close()
        self.process.kill()  # it holds nothing that could be lost
        self.process.wait()


_GREETING = f"piekwacht {version('piekwacht')}".encode()  # another one was installed meanwhile: it is not for us
_RESTART_INTERVAL = 10.0  # s from one start to the next


def _strip_registry(registry: Registry) -> Registry:
    """What decoding reads of a registry; all of a large network takes long to send."""
    return replace(registry, areas={}, sites=(), stations={}, datastreams=())


class _PayloadPickler(pickle.Pickler):
    """Payloads are told by their number: who asked has them."""

    def __init__(self, file: io.BytesIO, payloads: Sequence[Payload]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._numbers = {id(payload): number for number, payload in enumerate(payloads)}

    def persistent_id(self, obj: Any) -> int | None:  # noqa: ANN401 - as pickle has it
        return self._numbers[id(obj)] if type(obj) is Payload else None


class _PayloadUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, payloads: Sequence[Payload]) -> None:
        super().__init__(io.BytesIO(data))
        self._payloads = payloads

    def persistent_load(self, number: int) -> Payload:
        return self._payloads[number]


def _serve_requests(pipe: Connection) -> None:
    """In the other process: until nobody asks any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever ends a whole service ends the gateway first
    freeze_gc(raise_thresholds=True)
    registry: Any = None
    pipe.send_bytes(_GREETING)
    while True:
        try:
            new_registry, columns = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our parent
        except (EOFError, OSError):
            return
        registry = new_registry or registry
        payloads = [Payload(topic=t, body=b, received_at=at, replayed=replayed) for t, b, at, replayed in columns]
        decoded, buffer = DecodedPayloads.from_payloads(payloads, registry), io.BytesIO()
        _PayloadPickler(buffer, payloads).dump((decoded.headers, decoded.rejected, decoded.rows))
        try:
            pipe.send_bytes(buffer.getbuffer())
        except OSError:
            return


if __name__ == "__main__":
    _serve_requests(Connection(int(sys.argv[1])))
