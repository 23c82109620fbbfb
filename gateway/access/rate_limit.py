"""How many requests somebody may still send: a token bucket each, for a bounded number of them. Pure: takes `now`."""

import ipaddress
from collections import OrderedDict

_MAX_CLIENTS = 50_000


class TokenBuckets:
    """Fills with `per_minute` tokens a minute up to as many; the one unused for longest is forgotten first.

    Who is forgotten begins with a full bucket: with 50,000 addresses at once we are under attack by so many
    that a limit for each does not help, and memory must not be what gives way.
    """

    def __init__(self, per_minute: int, max_clients: int = _MAX_CLIENTS) -> None:
        self._capacity, self._tokens_per_second, self._max_clients = float(per_minute), per_minute / 60, max_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take_token(self, client: str, now: float) -> float:
        """0 where the request may pass, else after how many seconds one may. `now` in seconds, never backwards."""
        tokens, updated_at = self._buckets.pop(client, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - updated_at) * self._tokens_per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._tokens_per_second
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._buckets)


def rate_limit_key(address: str) -> str:
    """Whom an address stands for: itself, or in IPv6 the /64 that one connection is given whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
