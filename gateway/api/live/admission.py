"""How often live streams may be opened: per address, and in all.

A stream draws on the tokens of the requests of its address, because the live protocol answers before the access
middleware does. In all, as many streams may open in a minute as may be open at once.
"""

from collections.abc import Sequence

from gateway.access.rate_limit import AnonymousLimit, Client, TokenBuckets
from gateway.api.telemetry import DROPPED

_ALL = "all"


class Admission:
    """Owned by one process. Times are seconds of a monotonic clock."""

    def __init__(self, anonymous_limit: AnonymousLimit, max_viewers: int) -> None:
        self._anonymous_limit, self._opened = anonymous_limit, TokenBuckets(max_viewers)

    def identify_client(self, peer: str, forwarded: Sequence[str]) -> Client:
        """Return the client that a stream counts for, by the rule of the access middleware."""
        return self._anonymous_limit.identify_client(peer, forwarded)

    def admit(self, client: Client, now: float) -> bool:
        """Whether this client may open a stream now. This machine itself always may."""
        if client.is_local:
            return True
        if not self._anonymous_limit.take_token(client, now) and not self._opened.take_token(_ALL, now):
            return True
        DROPPED.labels("rate_limited").inc()
        return False
