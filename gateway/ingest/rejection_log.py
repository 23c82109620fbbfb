"""Logs rejected payloads, at most so many lines per minute: a flood of them must not fill the disk with its log."""

from collections.abc import Sequence

from alerting.log import get_logger
from gateway.decoding.decode import RejectedPayload

_LOG = get_logger("gateway.ingest")
_MINUTE = 60.0  # s
_MAX_LINES = 60  # per minute


class RejectionLog:
    """Remembers the lines of the current minute."""

    def __init__(self) -> None:
        self._minute_began_at = float("-inf")
        self._lines = self._unlogged = self._omitted = 0

    def log(self, rejected: Sequence[RejectedPayload], omitted: int, now: float) -> None:
        """Log each payload, or at the end of the minute how many there were more.

        `omitted`: how many of them quarantine had no room for; `now`: seconds of any monotonic clock.
        """
        if now - self._minute_began_at >= _MINUTE:
            self._log_remainder()
            self._minute_began_at, self._lines, self._unlogged, self._omitted = now, 0, 0, 0
        self._omitted += omitted
        for rejection in rejected:
            if self._lines >= _MAX_LINES:
                self._unlogged += 1
                continue
            self._lines += 1
            _LOG.info(
                "payload quarantined",
                reason=rejection.reason.value,
                topic=rejection.payload.topic[:200],
                detail=rejection.detail[:200],
            )

    def _log_remainder(self) -> None:
        if self._unlogged:
            _LOG.warning("more payloads quarantined", payloads=self._unlogged)
        if self._omitted:
            _LOG.warning("quarantine has no room: payloads are counted only", payloads=self._omitted)
