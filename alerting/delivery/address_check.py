"""Distinguishes public addresses from private ones, which webhooks must not reach.

Resolve a name once and connect to the checked address. `special_addresses.csv` has IANA's registries with their dates;
Python's own list is older than some blocks, and differs from one version to the next.
"""

import csv
import ipaddress
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REGISTRY = Path(__file__).with_name("special_addresses.csv")
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6's public internet (RFC 4291)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


class SpecialBlock(Struct, frozen=True, kw_only=True):
    """One row of the registries. A block that is not globally reachable, or n/a, is not public."""

    network: Network
    is_reachable: bool


@cache
def load_special_blocks() -> Sequence[SpecialBlock]:
    """Return all blocks, the most specific first."""
    with _REGISTRY.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    blocks = [
        SpecialBlock(network=ipaddress.ip_network(row["block"]), is_reachable=row["globally_reachable"] == "true")
        for row in rows
    ]
    return sorted(blocks, key=lambda block: -block.network.prefixlen)


def is_public(text: str) -> bool:
    """Return whether the address is public; an IPv6 address that embeds an IPv4 address is judged by that one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = _embedded_address(address)
    if inner is not None:
        return is_public(str(inner))
    if address.is_multicast or (address.version == 6 and address not in _UNICAST):
        return False
    block = next((block for block in load_special_blocks() if _contains(block.network, address)), None)
    return block is None or block.is_reachable


def _embedded_address(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address in an IPv4-mapped, 6to4, Teredo or NAT64 address; of Teredo that of the client."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _contains(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network
