"""Rate limit: a token bucket per client, for a bounded number of clients. Pure: takes `now`."""

import ipaddress
from collections import OrderedDict
from collections.abc import Collection, Sequence

from msgspec import Struct

from gateway.access.client_address import client_address

_MAX_CLIENTS = 50_000


class TokenBuckets:
    """Each bucket fills with `per_minute` tokens per minute, up to that number.

    Above `max_clients` the bucket unused for longest is removed, and its client begins with a full one again.
    An attack from 50,000 addresses at once defeats a limit per address; memory must stay bounded.
    """

    def __init__(self, per_minute: int, max_clients: int = _MAX_CLIENTS) -> None:
        self._capacity, self._tokens_per_second, self._max_clients = float(per_minute), per_minute / 60, max_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take_token(self, client: str, now: float) -> float:
        """Return 0 if the request may pass, else the seconds to wait. `now` in seconds, monotonic."""
        tokens, updated_at = self._buckets.pop(client, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - updated_at) * self._tokens_per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._tokens_per_second
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._buckets)


class Client(Struct, frozen=True, kw_only=True):
    """The sender of a request without a key. `is_local`: this machine itself, which has no limit."""

    address: str
    is_local: bool


class AnonymousLimit:
    """The rate limit of requests without a key, per address. Requests and live streams draw on the same tokens."""

    def __init__(self, per_minute: int, proxies: Collection[str]) -> None:
        self._buckets, self._proxies = TokenBuckets(per_minute), frozenset(proxies)

    def identify_client(self, peer: str, forwarded: Sequence[str]) -> Client:
        """Return the client by the rule of `client_address`."""
        address, is_local = client_address(peer, forwarded, self._proxies)
        return Client(address=address, is_local=is_local)

    def take_token(self, client: Client, now: float) -> float:
        """Return 0 if the request may pass, else the seconds to wait."""
        return 0.0 if client.is_local else self._buckets.take_token(rate_limit_key(client.address), now)


def rate_limit_key(address: str) -> str:
    """Return the client of an address: itself, or in IPv6 its /64, the smallest range of one connection."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
