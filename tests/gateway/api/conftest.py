"""Fixtures: the API on a free port, with a running database and broker."""

import asyncio
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.operator.tools import DATABASE_ONLY
from gateway.system.child_process import find_free_port, is_port_open


@asynccontextmanager
async def running_api(
    dsn,
    broker,
    public_log=None,
    *,
    dossiers=None,
    subscriptions=None,
    reports=None,
    alerting=None,
    operator_tools=DATABASE_ONLY,
    guest_settings=None,
    assessment=None,
    port=None,
    **settings,
):
    """Yields (client, task). The client sends the origin of its requests, as a browser does."""
    port = port or find_free_port()
    task = asyncio.create_task(
        serve(
            ApiSettings(port=port, **settings),
            dsn,
            broker,
            public_log,
            dossiers,
            subscriptions=subscriptions,
            reports=reports,
            alerting=alerting,
            operator_tools=operator_tools,
            guest_settings=guest_settings,
            assessment=assessment,
        )
    )
    try:
        async with asyncio.timeout(10):
            while not is_port_open("127.0.0.1", port):
                await asyncio.sleep(0.02)
        origin = f"http://127.0.0.1:{port}"
        headers = {"Sec-Fetch-Site": "same-origin"}
        # without TLS: to load the certificate authorities takes longer than the start of the API
        async with httpx.AsyncClient(base_url=origin, headers=headers, timeout=60, verify=False) as client:
            yield client, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def api(database, broker):
    async with running_api(database, broker) as (client, _):
        yield client
