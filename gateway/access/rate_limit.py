"""How many requests somebody may still send: a token bucket each, for a bounded number of them. Pure: takes `now`."""

import ipaddress
from collections import OrderedDict

_MOST = 50_000


class Buckets:
    """Fills with `per_minute` tokens a minute up to as many; the one unused for longest is forgotten first.

    Who is forgotten begins with a full bucket: with 50,000 addresses at once we are under attack by so many
    that a limit for each does not help, and memory must not be what gives way.
    """

    def __init__(self, per_minute: int, most: int = _MOST) -> None:
        self._size, self._rate, self._most = float(per_minute), per_minute / 60, most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, now: float) -> float:
        """0 where the request may pass, else after how many seconds one may. `now` in seconds, never backwards."""
        tokens, at = self._left.pop(who, (self._size, now))
        tokens = min(self._size, tokens + (now - at) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._left[who] = (tokens if wait else tokens - 1, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._left)


def household(address: str) -> str:
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
