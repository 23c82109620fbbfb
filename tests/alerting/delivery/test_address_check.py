"""A private IPv4 address inside an IPv6 address is never public: the inner address decides."""

import csv
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.delivery import address_check
from alerting.delivery.address_check import is_public, load_special_blocks

INNER = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29",
    "192.0.0.8/32", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
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
    "2001:2::/48",
    "3fff::/20",
    "5f00::/16",
]


def addresses_of(network):
    block = ipaddress.ip_network(network)
    return st.integers(int(block.network_address), int(block.broadcast_address)).map(
        lambda number: ipaddress.IPv6Address(number) if block.version == 6 else ipaddress.IPv4Address(number)
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
    @given(addresses_of(network))
    def law(inner):
        for address in disguises(inner):
            assert not is_public(str(address)), address

    law()


@pytest.mark.parametrize("network", INNER_6)
def test_no_inner_ipv6_address_is_public(network):
    @given(addresses_of(network))
    def law(inner):
        assert not is_public(str(inner))
        assert not is_public(f"{inner}%eth0")

    law()


@given(st.sampled_from(["8.8.8.8", "145.100.1.2", "52.1.1.1"]).map(ipaddress.IPv4Address))
def test_a_public_address_is_public(address):
    assert is_public(str(address))
    assert is_public(f"::ffff:{address}")


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f000001", "2130706433", "127.1"])
def test_a_text_that_is_no_address_is_an_error(text):
    with pytest.raises(ValueError, match="address"):
        is_public(text)


def registry_rows():
    """The rows of the registries, read apart from the product's own reader."""
    lines = Path(address_check.__file__).with_name("special_addresses.csv").read_text("utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#")))[1:]


def most_specific(address):
    """`globally_reachable` of the smallest block with this address, the slow and obvious way; true outside all."""
    matching = [
        (network.prefixlen, reachable)
        for network, reachable in ((ipaddress.ip_network(block), reachable) for block, reachable, _ in registry_rows())
        if network.version == address.version and address in network
    ]
    return max(matching)[1] if matching else "true"


@pytest.mark.parametrize(("block", "reachable"), [(block, reachable) for block, reachable, _ in registry_rows()])
def test_each_block_of_the_registries_is_judged_by_its_most_specific_row(block, reachable):
    network = ipaddress.ip_network(block)
    assert reachable in {"true", "false", "n/a"}
    for address in (network.network_address, network.broadcast_address):
        if address.version == 4:
            for disguised in list(disguises(address))[:2]:
                assert is_public(str(disguised)) == (most_specific(address) == "true"), disguised
        elif address in ipaddress.ip_network("2000::/3") and not (address.sixtofour or address.teredo):
            assert is_public(str(address)) == (most_specific(address) == "true"), address
        elif address not in ipaddress.ip_network("64:ff9b::/96") and not (address.sixtofour or address.teredo):
            assert not is_public(str(address))


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_a_disguised_address_is_as_public_as_the_plain_one(address):
    expected = most_specific(address) == "true" and not address.is_multicast
    plain, mapped, translated, compatible, sixtofour, nat64, teredo = disguises(address)
    assert [is_public(str(disguised)) for disguised in (plain, mapped, sixtofour, nat64, teredo)] == [expected] * 5
    assert not is_public(str(translated))
    assert not is_public(str(compatible))


def test_the_blocks_are_those_of_the_file_and_the_file_names_its_sources():
    assert len(load_special_blocks()) == len(registry_rows()) > 45
    text = Path(address_check.__file__).with_name("special_addresses.csv").read_text("utf-8")
    for source in ("iana-ipv4-special-registry, of 20", "iana-ipv6-special-registry, of 20"):
        assert source in text
