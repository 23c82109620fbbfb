"""Replicas share the load: a stream behind a proxy resumes at any replica."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import httpx

from gateway.system.child_process import is_port_open
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import event, message, publish


class Proxy:
    """Forwards each connection to the first replica that accepts one."""

    def __init__(self, *ports):
        self.ports, self.tasks = list(ports), set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.connect, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def connect(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        port = next(port for port in self.ports if is_port_open("127.0.0.1", port))
        upstream = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError):
            await asyncio.gather(self.copy_stream(reader, upstream[1]), self.copy_stream(upstream[0], writer))

    async def copy_stream(self, reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def client_until(port, count, seen):
    """An EventSource as in browsers: it reconnects by itself with the last id; collects `count` revisions in `seen`."""
    last = None
    while len(seen) < count:
        headers = {} if last is None else {"Last-Event-ID": last}
        with suppress(httpx.HTTPError):
            async with (
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5, verify=False) as client,
                client.stream("GET", "/api/v1/live", headers=headers) as response,
            ):
                name = None
                async for line in response.aiter_lines():
                    field, _, value = line.partition(": ")
                    last = value if field == "id" else last
                    name = value if field == "event" else name
                    assert name != "stale"
                    if field == "data" and name == "event" and json.loads(value)["revision"] not in seen:
                        seen.append(json.loads(value)["revision"])
                    if len(seen) == count:
                        return
        await asyncio.sleep(0.1)


async def test_a_stream_resumes_at_another_replica_without_loss(database, broker):
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        replica_1, _ = await first.enter_async_context(running_api(database, broker))
        replica_2, _ = await stack.enter_async_context(running_api(database, broker))
        ports = replica_1.base_url.port, replica_2.base_url.port
        proxy = await stack.enter_async_context(Proxy(*ports))
        seen = []
        client = asyncio.create_task(client_until(proxy.port, 60, seen))
        await asyncio.sleep(0.5)
        number = 0
        for phase in range(3):
            for _ in range(20):
                number += 1
                await publish(broker, message(number, event=event(number)))
                await asyncio.sleep(0.01)
                if phase == 1 and number == 30:
                    stopping = asyncio.create_task(first.aclose())  # stop the replica that serves the stream
            if phase == 1:
                await stopping
                replica_3, _ = await stack.enter_async_context(running_api(database, broker))
                proxy.ports = [replica_2.base_url.port, replica_3.base_url.port]
        async with asyncio.timeout(20):
            await client
    assert seen == list(range(1, 61)), json.dumps(seen)
