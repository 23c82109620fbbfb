"""Decoding in a separate process, so that it takes no time from the process that feeds the database.

Threads of one process would wait for each other: both need the interpreter lock. A small site never starts the helper
process. If the helper dies, does not answer or is still loading, the caller's own process decodes.
"""

import io
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import Pipe

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.decoding.decode import Payload
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.decoding.helper import GREETING
from gateway.model.registry import Registry

_LOG = get_logger("gateway.decoding")
_RESTART_INTERVAL = 10.0  # s from one start to the next


class Decoder:
    """Decodes payloads for one gateway; may be called from several threads."""

    def __init__(self, *, min_payloads: int = 100, timeout: float = 30.0) -> None:
        """`min_payloads`: fewest for which the helper is used; `timeout`: s without an answer until it is killed."""
        self._min_payloads, self._timeout, self._lock = min_payloads, timeout, threading.Lock()
        self._helper: _HelperProcess | None = None
        self._next_start_at = 0.0  # monotonic clock

    def decode(self, payloads: Sequence[Payload], registry: Registry) -> DecodedPayloads:
        """Return the same as `DecodedPayloads.from_payloads`."""
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
        """Whether the helper process has decoded anything yet."""
        return self._helper is not None and self._helper.registry is not None

    def close(self) -> None:
        """Stop the helper process."""
        with self._lock:
            self._stop_helper()

    def _stop_helper(self) -> None:
        if self._helper is not None:
            self._helper.kill()
            self._helper = None


class _HelperProcess:
    """The helper process. It ends by itself when the other end of its pipe is closed."""

    def __init__(self) -> None:
        self._pipe, child_end = Pipe()
        self.registry: Registry | None = None  # last one sent to it
        self._is_loaded = False
        with child_end:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-m", "gateway.decoding.helper", str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                process_group=0,  # Ctrl-C in the terminal reaches only the gateway, which then stops us in order
            )

    @property
    def is_ready(self) -> bool:
        """Whether it has finished loading. OSError or EOFError if it died or has another version."""
        if not self._is_loaded and self._pipe.poll():
            greeting = self._pipe.recv_bytes()
            if greeting != GREETING:
                raise OSError(f"it is {greeting!r}, we are {GREETING!r}: restart the gateway")
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
        self.process.kill()  # it has nothing to lose
        self.process.wait()


def _strip_registry(registry: Registry) -> Registry:
    """Keep what decoding reads: the registry of a large network takes long to send."""
    return replace(registry, areas={}, sites=(), stations={}, datastreams=())


class _PayloadUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, payloads: Sequence[Payload]) -> None:
        super().__init__(io.BytesIO(data))
        self._payloads = payloads

    def persistent_load(self, number: int) -> Payload:
        return self._payloads[number]
