"""Verifying and reading in a process of its own, where it takes no time from the one that feeds the database.

Threads of one process wait for each other here: both need the interpreter's lock. A small site never
starts the process; where it dies, falls silent or is not there yet, the work is done in the caller's own.
"""

import io
import logging
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

from gateway.decoding.decode import Payload
from gateway.decoding.decoded_payloads import Decoded
from gateway.model.registry import Registry
from gateway.system.gc_tuning import settle

_LOG = logging.getLogger(__name__)


class Decoder:
    """Reads payloads for one gateway; may be called from several threads."""

    def __init__(self, *, worth: int = 100, patience: float = 30.0) -> None:
        """`worth`: fewest payloads for which another process is asked; `patience`: s until it counts as dead."""
        self._worth, self._patience, self._lock = worth, patience, threading.Lock()
        self._helper: _Helper | None = None
        self._next_at = 0.0  # when another may be started, by the monotonic clock

    def decode(self, payloads: Sequence[Payload], registry: Registry) -> Decoded:
        """As `Decoded.of`."""
        if len(payloads) < self._worth:
            return Decoded.of(payloads, registry)
        with self._lock:
            try:
                if self._helper is None and time.monotonic() >= self._next_at:
                    self._next_at = time.monotonic() + _PAUSE
                    self._helper = _Helper()
                if self._helper and self._helper.ready:
                    return self._helper.decode(payloads, registry, self._patience)
            except (OSError, EOFError) as error:
                _LOG.warning("the decoding process is gone (%r): the work is done here until the next one", error)
                self._end()
        return Decoded.of(payloads, registry)

    @property
    def begun(self) -> bool:
        """Whether the other process has done any of the work."""
        return self._helper is not None and self._helper.known is not None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._helper is not None:
            self._helper.end()
            self._helper = None


class _Helper:
    """The other process, as long as it lives. It ends by itself when nobody holds the other end of its pipe."""

    def __init__(self) -> None:
        self._link, theirs = Pipe()
        self.known: Registry | None = None  # what it decodes by
        self._begun = False
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-m", "gateway.decoding.process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C in the terminal reaches the gateway alone, which ends us in order
            )

    @property
    def ready(self) -> bool:
        """Whether it has loaded what it needs; OSError or EOFError where it died of that or is not of our version."""
        if not self._begun and self._link.poll():
            told = self._link.recv_bytes()
            if told != _READY:
                raise OSError(f"it is {told!r}, we are {_READY!r}: restart the gateway")
            self._begun = True
        return self._begun

    def decode(self, payloads: Sequence[Payload], registry: Registry, patience: float) -> Decoded:
        news = None if registry is self.known else _of_use(registry)
        columns = [(p.topic, p.body, p.received_at, p.replayed) for p in payloads]
        self._link.send_bytes(pickle.dumps((news, columns), pickle.HIGHEST_PROTOCOL))
        self.known = registry
        if not self._link.poll(patience):
            raise TimeoutError(f"no answer in {patience:.0f} s")
        headings, rejected, rows = _Unpickler(self._link.recv_bytes(), payloads).load()
        return Decoded(payloads=payloads, registry=registry, headings=headings, rejected=rejected, rows=rows)

    def end(self) -> None:
        self._link.close()
        self.process.kill()  # it holds nothing that could be lost
        self.process.wait()


_READY = f"piekwacht {version('piekwacht')}".encode()  # another one was installed meanwhile: it is not for us
_PAUSE = 10.0  # s from one start to the next


def _of_use(registry: Registry) -> Registry:
    """What decoding reads of a registry; all of a large network takes long to send."""
    return replace(registry, areas={}, sites=(), stations={}, datastreams=())


class _Pickler(pickle.Pickler):
    """Payloads are told by their number: who asked has them."""

    def __init__(self, file: io.BytesIO, payloads: Sequence[Payload]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._numbers = {id(payload): number for number, payload in enumerate(payloads)}

    def persistent_id(self, obj: Any) -> int | None:  # noqa: ANN401 - as pickle has it
        return self._numbers[id(obj)] if type(obj) is Payload else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, payloads: Sequence[Payload]) -> None:
        super().__init__(io.BytesIO(data))
        self._payloads = payloads

    def persistent_load(self, number: int) -> Payload:
        return self._payloads[number]


def _serve(link: Connection) -> None:
    """In the other process: until nobody asks any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever ends a whole service ends the gateway first
    settle(seldom=True)
    registry: Any = None
    link.send_bytes(_READY)
    while True:
        try:
            news, columns = pickle.loads(link.recv_bytes())  # noqa: S301 - from our parent
        except (EOFError, OSError):
            return
        registry = news or registry
        payloads = [Payload(topic=t, body=b, received_at=at, replayed=again) for t, b, at, again in columns]
        decoded, answer = Decoded.of(payloads, registry), io.BytesIO()
        _Pickler(answer, payloads).dump((decoded.headings, decoded.rejected, decoded.rows))
        try:
            link.send_bytes(answer.getbuffer())
        except OSError:
            return


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
