"""Viewers that never read, and viewers that connect and vanish, leak no memory, file or viewer count."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.api.telemetry import VIEWERS
from gateway.live.message import LiveObservation
from gateway.mqtt.client import create_client as mqtt
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import AT, message, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LIVE_REQUEST = b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n"


def count_open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_five_hundred_frozen_viewers_are_disconnected_and_others_get_everything(database, broker, monkeypatch):
    monkeypatch.setattr("gateway.api.live.subscribers.STALL_TIMEOUT", 1.0)
    async with running_api(database, broker, max_viewers_per_address=1_000) as (api, _):
        await api.get("/healthz")
        before, frozen = count_open_files(), []
        for _ in range(500):
            client_socket = socket.socket()
            client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            client_socket.connect((api.base_url.host, api.base_url.port))
            client_socket.sendall(LIVE_REQUEST)
            frozen.append(client_socket)
            await asyncio.sleep(0)
        await until(lambda: VIEWERS._value.get() == 500)
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port, limit=2**20)
        writer.write(LIVE_REQUEST)
        observations = [
            LiveObservation(station=f"s{i}", observed_property="pm2_5", observed_at=AT, value=1.0, flags=0)
            for i in range(300)
        ]
        async with mqtt(broker, "a-gateway") as connection:
            for number in range(1, 16):
                await connection.publish(
                    "pw/v1/ijmond/live", replace(message(number), observations=observations).encode()
                )
                while f"id: {number}".encode() not in await asyncio.wait_for(reader.readline(), 20):
                    pass
        await until(lambda: VIEWERS._value.get() == 1, 30)
        writer.close()
        for client_socket in frozen:
            client_socket.close()
        await until(lambda: count_open_files() <= before + 1)
    assert VIEWERS._value.get() == 0


async def test_ten_thousand_short_connections_leak_nothing(database, broker):
    async with running_api(database, broker, max_viewers_per_address=1_000) as (api, _):
        await api.get("/healthz")
        before = count_open_files()
        for number in range(10_000):
            client_socket = socket.create_connection((api.base_url.host, api.base_url.port))
            if number % 3:
                client_socket.sendall(LIVE_REQUEST if number % 3 == 1 else LIVE_REQUEST[:30])
            client_socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # reset instead of FIN
            if number % 5 == 0:
                await asyncio.sleep(0)
            client_socket.close()
            if number % 100 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: VIEWERS._value.get() == 0 and count_open_files() <= before + 1, 60)
        assert (await api.get("/healthz")).status_code == 200
