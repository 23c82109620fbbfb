"""The present time of the readings, by which live detection ends the events of silent datastreams.

The pipeline asks it between transactions. Readings of a recording may be old: the clock therefore follows the newest
reading and adds the time since it arrived. After a restart it begins at the newest stored reading.
"""

import time
from collections.abc import Callable

from gateway.detection.analyzer import AnalyzerState

_DELIVERY_MS = 120_000  # ms that a reading may be on its way: the clock tolerance of nodes


class ReadingClock:
    """Time of the readings of one gateway, in ms UTC."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._newest_ms, self._arrived_at = 0, monotonic()

    def complete_until(self, state: AnalyzerState) -> int:
        """Return the time up to which every live reading has arrived, unless its delivery takes over two minutes."""
        newest_ms = int(state.detection.streams["at"].max(initial=0))
        if newest_ms != self._newest_ms:
            self._newest_ms, self._arrived_at = newest_ms, self._monotonic()
        return newest_ms + round(1_000 * (self._monotonic() - self._arrived_at)) - _DELIVERY_MS
