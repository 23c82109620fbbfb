"""The address that a request comes from, behind trusted proxies. Pure.

Called by the access middleware and by the live protocol: both limit requests or streams per address, so both
must use the same rule.
"""

import ipaddress
from collections.abc import Collection, Sequence


def client_address(peer: str, forwarded: Sequence[str], proxies: Collection[str]) -> tuple[str, bool]:
    """Return the client's address, and whether the request comes from this machine itself.

    `peer` is the address at the other end of the connection, `forwarded` has the values of all X-Forwarded-For headers.
    Only a peer among the trusted `proxies` may name another address: the last one, which the nearest proxy
    added. Without a header the request of such a peer is its own (Prometheus, `piekwacht doctor`).
    An unreadable address is ignored.
    """
    if peer not in proxies:
        return peer, False
    if not forwarded:
        return peer, True
    try:
        return str(ipaddress.ip_address(forwarded[-1].rsplit(",", 1)[-1].strip())), False
    except ValueError:
        return peer, False
