"""Replicas share the load: a stream behind a proxy goes on where it was, whichever replica it comes back to."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import httpx

from gateway.system.child_process import is_port_open
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import event, message, publish


class Proxy:
    """Passes each connection on to the first of its replicas that answers."""

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
        behind = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError):
            await asyncio.gather(self.pour(reader, behind[1]), self.pour(behind[0], writer))

    async def pour(self, reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def client_until(port, wanted, seen):
    """An EventSource, as browsers have it: it comes back by itself and says where it was."""
    last = None
    while len(seen) < wanted:
        headers = {} if last is None else {"Last-Event-ID": last}
        with suppress(httpx.HTTPError):
            async with (
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client,
                client.stream("GET", "/api/v1/live", headers=headers) as answer,
            ):
                name = None
                async for line in answer.aiter_lines():
                    field, _, value = line.partition(": ")
                    last = value if field == "id" else last
                    name = value if field == "event" else name
                    assert name != "stale"
                    if field == "data" and name == "event" and json.loads(value)["revision"] not in seen:
                        seen.append(json.loads(value)["revision"])
                    if len(seen) == wanted:
                        return
        await asyncio.sleep(0.1)


async def test_a_stream_goes_on_across_the_restart_of_a_replica_without_loss(database, broker):
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        one, _ = await first.enter_async_context(running_api(database, broker))
        two, _ = await stack.enter_async_context(running_api(database, broker))
        ports = one.base_url.port, two.base_url.port
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
                    stopping = asyncio.create_task(first.aclose())  # the one that serves goes away under it
            if phase == 1:
                await stopping
                again, _ = await stack.enter_async_context(running_api(database, broker))
                proxy.ports = [two.base_url.port, again.base_url.port]
        async with asyncio.timeout(20):
            await client
    assert seen == list(range(1, 61)), json.dumps(seen)
