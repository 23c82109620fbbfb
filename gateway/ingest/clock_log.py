"""Logs when the clock of a node begins or ceases to be wrong; one record per change, not one per batch."""

from collections.abc import Iterable

from alerting.log import get_logger
from gateway.decoding.decode import BatchHeader
from gateway.model.clock_doubt import ClockDoubt, describe_clock_error
from gateway.model.timestamps import to_ms

_LOG = get_logger("gateway.ingest")


class ClockLog:
    """Remembers which nodes sent a live batch whose stamps are not believed."""

    def __init__(self) -> None:
        self._doubts: dict[str, ClockDoubt] = {}

    def log_changes(self, headers: Iterable[BatchHeader]) -> None:
        """Log each node whose state changed. Batches from the backlog do not show the present clock."""
        for header in headers:
            if header.late or header.clock_doubt is self._doubts.get(header.node):
                continue
            if header.clock_doubt is None:
                del self._doubts[header.node]
                _LOG.info("clock of a node is right again", node=header.node)
            else:
                self._doubts[header.node] = header.clock_doubt
                error = describe_clock_error(header.latest_ms - to_ms(header.payload.received_at))
                _LOG.warning(
                    "clock of a node is wrong: its batches have no date",
                    node=header.node,
                    reason=header.clock_doubt.value,
                    detail=error,
                )
