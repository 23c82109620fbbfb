"""Viewers that never read, and viewers that come and vanish: nothing of them stays."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.api.telemetry import VIEWERS
from gateway.live.message import LiveObservation
from gateway.mqtt.settings import create_client as mqtt
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import AT, message, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ASK = b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n"


def files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_five_hundred_frozen_readers_are_cut_and_the_others_see_everything(database, broker, monkeypatch):
    monkeypatch.setattr("gateway.api.live.subscribers.STALL_TIMEOUT", 1.0)
    async with running_api(database, broker, max_viewers_per_address=1_000) as (api, _):
        await api.get("/healthz")
        before, frozen = files(), []
        for _ in range(500):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            one.connect((api.base_url.host, api.base_url.port))
            one.sendall(ASK)
            frozen.append(one)
            await asyncio.sleep(0)
        await until(lambda: VIEWERS._value.get() == 500)
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
        writer.write(ASK)
        wide = [
            LiveObservation(station=f"s{i}", observed_property="pm2_5", observed_at=AT, value=1.0, flags=0)
            for i in range(300)
        ]
        async with mqtt(broker, "a-gateway") as connection:
            for number in range(1, 16):
                await connection.publish("pw/v1/ijmond/live", replace(message(number), observations=wide).encode())
                while f"id: {number}".encode() not in await asyncio.wait_for(reader.readline(), 20):
                    pass
        await until(lambda: VIEWERS._value.get() == 1, 30)
        writer.close()
        for one in frozen:
            one.close()
        await until(lambda: files() <= before + 1)
    assert VIEWERS._value.get() == 0


async def test_ten_thousand_that_connect_and_vanish_leave_nothing(database, broker):
    async with running_api(database, broker, max_viewers_per_address=1_000) as (api, _):
        await api.get("/healthz")
        before = files()
        for number in range(10_000):
            one = socket.create_connection((api.base_url.host, api.base_url.port))
            if number % 3:
                one.sendall(ASK if number % 3 == 1 else ASK[:30])
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not a farewell
            if number % 5 == 0:
                await asyncio.sleep(0)
            one.close()
            if number % 100 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: VIEWERS._value.get() == 0 and files() <= before + 1, 60)
        assert (await api.get("/healthz")).status_code == 200
