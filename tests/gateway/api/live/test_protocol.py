"""The attributes of uvicorn's HTTP protocol that the live protocol reads, which uvicorn does not document."""

import asyncio

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

_ATTRIBUTES = ("client", "connections", "cycle", "expect_100_continue", "headers", "loop", "parser", "transport", "url")
_METHODS = (
    "connection_made", "connection_lost", "pause_writing", "resume_writing", "on_message_begin", "on_url", "on_header",
    "on_headers_complete", "on_body", "on_message_complete",
)  # fmt: skip
_ADVICE = f"uvicorn {uvicorn.__version__} is not what gateway/api/live/protocol.py expects"


async def ignore_request(scope, receive, send):
    """An ASGI application that is never called."""


@pytest.fixture
async def protocol():
    config = uvicorn.Config(ignore_request)
    config.load()
    server_side = HttpToolsProtocol(config, ServerState(), app_state={})
    server = await asyncio.get_running_loop().create_server(lambda: server_side, "127.0.0.1", 0)
    _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
    async with asyncio.timeout(5):
        while server_side.transport is None:
            await asyncio.sleep(0.01)
    yield server_side
    client.close()
    await client.wait_closed()
    server.close()
    await server.wait_closed()


async def test_the_attributes_that_the_live_protocol_reads_exist(protocol):
    protocol.on_message_begin()  # sets the attributes of a request
    missing = [name for name in _ATTRIBUTES if not hasattr(protocol, name)]
    assert not missing, f"{_ADVICE}: no attribute {', '.join(missing)}"


async def test_the_attributes_have_the_types_that_the_live_protocol_uses(protocol):
    protocol.on_message_begin()
    assert isinstance(protocol.url, bytes), _ADVICE
    assert isinstance(protocol.headers, list), _ADVICE
    assert isinstance(protocol.client, tuple), _ADVICE
    assert isinstance(protocol.parser, httptools.HttpRequestParser), _ADVICE
    assert protocol.expect_100_continue is False, _ADVICE
    assert protocol.cycle is None, _ADVICE
    assert protocol in protocol.connections, _ADVICE


def test_a_request_cycle_says_whether_its_response_is_complete():
    assert "response_complete" in RequestResponseCycle.__init__.__code__.co_names, _ADVICE


@pytest.mark.parametrize("name", _METHODS)
def test_the_methods_that_the_live_protocol_extends_exist(name):
    assert callable(getattr(HttpToolsProtocol, name, None)), f"{_ADVICE}: no method {name}"
