"""The helper process that decodes for `gateway.decoding.process`; it reads payloads from a pipe and sends columns back.

It imports nothing that decoding does not need, so that it helps soon after its start.
"""

import copyreg
import io
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

from gateway.decoding.decode import Payload
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.system.gc_tuning import freeze_gc

GREETING = f"piekwacht {version('piekwacht')}".encode()  # differs if another version was installed meanwhile


def _reduce_observations(rows: ObservationBatch) -> tuple[Callable[[], ObservationBatch], tuple[()]]:
    return partial(ObservationBatch.from_columns, **rows.non_neutral_columns()), ()


class PayloadPickler(pickle.Pickler):
    """Replaces each payload by its index, as the parent has it, and leaves out neutral columns of observations."""

    dispatch_table = copyreg.dispatch_table | {ObservationBatch: _reduce_observations}

    def __init__(self, file: io.BytesIO, payloads: Sequence[Payload]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._numbers = {id(payload): number for number, payload in enumerate(payloads)}

    def persistent_id(self, obj: Any) -> int | None:  # noqa: ANN401 - pickle's signature
        """Return the index of a payload; pickle writes it in place of the payload."""
        return self._numbers[id(obj)] if type(obj) is Payload else None


def _serve_requests(pipe: Connection) -> None:
    """Run in the helper process: decode until the parent closes the pipe."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager signals all processes; the gateway stops us
    freeze_gc(raise_thresholds=True)
    registry: Registry
    pipe.send_bytes(GREETING)
    while True:
        try:
            new_registry, columns = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our parent
        except (EOFError, OSError):
            return
        if new_registry is not None:  # always in the first request
            registry = new_registry
        payloads = [Payload(topic=t, body=b, received_at=at, replayed=replayed) for t, b, at, replayed in columns]
        decoded, buffer = DecodedPayloads.from_payloads(payloads, registry), io.BytesIO()
        PayloadPickler(buffer, payloads).dump((decoded.headers, decoded.rejected, decoded.rows))
        try:
            pipe.send_bytes(buffer.getbuffer())
        except OSError:
            return


if __name__ == "__main__":
    _serve_requests(Connection(int(sys.argv[1])))
