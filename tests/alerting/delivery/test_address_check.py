"""No disguise of an inner address makes it public: whatever hides an IPv4 address is judged by that address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.delivery.address_check import is_public

INNER = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4",
]  # fmt: skip
INNER_6 = [
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "2001:db8::/32",
    "100::/64",
    "64:ff9b:1::/48",
]


def within(network):
    known = ipaddress.ip_network(network)
    return st.integers(int(known.network_address), int(known.broadcast_address)).map(
        lambda number: ipaddress.IPv6Address(number) if known.version == 6 else ipaddress.IPv4Address(number)
    )


def disguises(inner):
    """The same IPv4 address in all the ways that IPv6 can carry it."""
    number = int(inner)
    yield inner
    yield ipaddress.IPv6Address(number | 0xFFFF << 32)  # mapped
    yield ipaddress.IPv6Address(number | 0xFFFF << 48)  # translated, ::ffff:0:a.b.c.d
    yield ipaddress.IPv6Address(number)  # compatible
    yield ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1)  # 6to4
    yield ipaddress.IPv6Address(0x64FF9B << 96 | number)  # NAT64
    yield ipaddress.IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | number ^ 0xFFFFFFFF)  # Teredo


@pytest.mark.parametrize("network", INNER)
def test_no_inner_address_is_public_in_any_disguise(network):
    @given(within(network))
    def law(inner):
        for one in disguises(inner):
            assert not is_public(str(one)), one

    law()


@pytest.mark.parametrize("network", INNER_6)
def test_no_inner_ipv6_address_is_public(network):
    @given(within(network))
    def law(inner):
        assert not is_public(str(inner))
        assert not is_public(f"{inner}%eth0")

    law()


@given(st.sampled_from(["8.8.8.8", "145.100.1.2", "52.1.1.1"]).map(ipaddress.IPv4Address))
def test_a_public_address_is_public(address):
    assert is_public(str(address))
    assert is_public(f"::ffff:{address}")


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f000001", "2130706433", "127.1"])
def test_what_is_no_address_is_not_guessed_at(text):
    with pytest.raises(ValueError, match="address"):
        is_public(text)
