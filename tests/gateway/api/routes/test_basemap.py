"""The base map: tiles come through the API from a map server, and only if the operator configures one."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.api.settings import BaseMapSettings
from tests.gateway.api.conftest import running_api

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
TILE = "10/525/336"  # the IJmond, zoom 10


@pytest.fixture
def map_server():
    """A map server: stores the requests in `requests` and sends `response`, a status and a body."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.path, self.client_address, dict(self.headers)))
            status, body = server.response
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.response, server.requests = (200, PIXEL), requests
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def settings(server):
    return BaseMapSettings(url=f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png", attribution="<Kadaster>")


async def test_a_tile_is_fetched_once_for_all_visitors_without_their_headers(database, broker, node, map_server):
    async with running_api(database, broker, base_map=settings(map_server)) as (api, _):
        for _ in range(3):
            response = await api.get(f"/map/{TILE}.png", headers={"Cookie": "a=b", "Referer": "http://x"})
            assert (response.status_code, response.content) == (200, PIXEL)
            assert response.headers["content-type"] == "image/png"
        assert "max-age=86400" in response.headers["cache-control"]
        ((path, _, headers),) = map_server.requests
        assert path == f"/{TILE}.png"
        assert not {"Cookie", "Referer", "X-Forwarded-For"} & headers.keys()
        assert "\\u003cKadaster\\u003e" in (await api.get("/nl/")).text


async def test_tiles_outside_our_areas_are_not_fetched(database, broker, node, map_server):
    async with running_api(database, broker, base_map=settings(map_server)) as (api, _):
        for path in ("10/0/0", "10/525/99999999", "99/1/1", "10/-1/336", "3/4/2"):
            assert (await api.get(f"/map/{path}.png")).status_code == 404, path
        assert map_server.requests == []


@pytest.mark.parametrize(
    "map_response", [(500, b"no"), (200, b"<script>alert(1)</script>"), (200, b"\x89PNG" + b"0" * 600_000)]
)
async def test_a_response_that_is_not_an_image_is_not_passed_on(database, broker, node, map_server, map_response):
    map_server.response = map_response
    async with running_api(database, broker, base_map=settings(map_server)) as (api, _):
        response = await api.get(f"/map/{TILE}.png")
        assert response.status_code == 503
        map_server.response = (200, PIXEL)
        assert (await api.get(f"/map/{TILE}.png")).status_code == 200


async def test_without_a_url_there_is_no_base_map(api, node):
    assert (await api.get(f"/map/{TILE}.png")).status_code == 404
