"""Both faces of the API, pages and live feed, use one rule for the address of a request behind a proxy."""

import httpx
import pytest

from gateway.access.client_address import client_address
from gateway.access.settings import AccessSettings
from tests.gateway.api.conftest import running_api

PROXIES = ["127.0.0.1", "::1"]
CLIENT = {"X-Forwarded-For": "192.0.2.1"}
SPOOFED = {"X-Forwarded-For": "192.0.2.99, 192.0.2.1"}  # the client sent an address, our proxy added the real one


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("127.0.0.1", [], ("127.0.0.1", True)),
        ("127.0.0.1", ["192.0.2.1"], ("192.0.2.1", False)),
        ("127.0.0.1", ["192.0.2.99, 192.0.2.1"], ("192.0.2.1", False)),
        ("127.0.0.1", ["192.0.2.99", "192.0.2.1"], ("192.0.2.1", False)),  # a proxy may add a second header
        ("127.0.0.1", ["2001:DB8::1"], ("2001:db8::1", False)),
        ("127.0.0.1", ["no address"], ("127.0.0.1", False)),
        ("127.0.0.1", [""], ("127.0.0.1", False)),
        ("198.51.100.7", [], ("198.51.100.7", False)),
        ("198.51.100.7", ["192.0.2.1"], ("198.51.100.7", False)),  # not one of our proxies
        ("local", ["192.0.2.1"], ("local", False)),
        ("unknown", [], ("unknown", False)),
    ],
)
def test_only_a_trusted_proxy_names_the_client(peer, forwarded, expected):
    assert client_address(peer, forwarded, PROXIES) == expected


async def test_pages_and_live_feed_count_for_the_address_that_the_proxy_added(database, broker):
    settings = {"access": AccessSettings(requests_per_minute=2), "max_viewers_per_address": 1}
    async with running_api(database, broker, **settings) as (client, _), client.stream("GET", "/api/v1/live") as own:
        async with client.stream("GET", "/api/v1/live", headers=CLIENT) as first:
            assert (own.status_code, first.status_code) == (200, 200)
            assert (await client.get("/api/v1/live", headers=SPOOFED)).status_code == 503
        statuses = [(await client.get("/api/v1/stations", headers=headers)).status_code for headers in [SPOOFED] * 3]
    assert statuses[-1] == 429


async def test_without_trusted_proxies_neither_face_reads_the_header(database, broker):
    settings = {"access": AccessSettings(requests_per_minute=2), "max_viewers_per_address": 1, "trusted_proxies": []}
    async with (
        running_api(database, broker, **settings) as (client, _),
        httpx.AsyncClient(base_url=client.base_url, verify=False) as other,
        client.stream("GET", "/api/v1/live", headers=CLIENT) as stream,
    ):
        assert stream.status_code == 200
        addresses = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(2, 5)]
        assert (await other.get("/api/v1/live", headers=addresses[0])).status_code == 503
        statuses = [(await other.get("/api/v1/stations", headers=headers)).status_code for headers in addresses]
    assert statuses[-1] == 429
