"""Where a webhook may not go: addresses inside our own walls. Resolve once, connect to that address."""

import ipaddress

_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT (RFC 6598)
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6's open internet there is (RFC 4291)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def is_public(text: str) -> bool:
    """Whether the address is one of the open internet; what hides an IPv4 address is judged by that address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in _SHARED
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(str(inner))
    return address in _UNICAST and address.is_global
