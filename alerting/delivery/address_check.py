"""Distinguishes public addresses from private ones, which webhooks must not reach.

Resolve a name once and connect to the checked address.
"""

import ipaddress

_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT (RFC 6598)
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6's public internet (RFC 4291)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def is_public(text: str) -> bool:
    """Return whether the address is public; an IPv6 address that embeds an IPv4 address is judged by that one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in _SHARED
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(str(inner))
    return address in _UNICAST and address.is_global
