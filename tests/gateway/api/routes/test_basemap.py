"""The map below the stations comes through us, from a real server; and from nowhere where nobody asked for one."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.api.settings import BaseMapSettings
from tests.gateway.api.conftest import running_api

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
HERE = "10/525/336"  # the IJmond, zoom 10


@pytest.fixture
def elsewhere():
    """A map server; remembers what it was asked, gives `answer`."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.client_address, dict(self.headers)))
            status, body = server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.asked = (200, PIXEL), asked
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def settings(server):
    return BaseMapSettings(url=f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png", attribution="<Kadaster>")


async def test_a_tile_is_fetched_once_for_all_and_says_nothing_of_who_asks(database, broker, node, elsewhere):
    async with running_api(database, broker, base_map=settings(elsewhere)) as (api, _):
        for _ in range(3):
            answer = await api.get(f"/map/{HERE}.png", headers={"Cookie": "a=b", "Referer": "http://x"})
            assert (answer.status_code, answer.content) == (200, PIXEL)
            assert answer.headers["content-type"] == "image/png"
        assert "max-age=86400" in answer.headers["cache-control"]
        ((path, _, headers),) = elsewhere.asked
        assert path == f"/{HERE}.png"
        assert not {"Cookie", "Referer", "X-Forwarded-For"} & headers.keys()
        assert "\\u003cKadaster\\u003e" in (await api.get("/nl/")).text


async def test_tiles_elsewhere_are_none_of_ours(database, broker, node, elsewhere):
    async with running_api(database, broker, base_map=settings(elsewhere)) as (api, _):
        for path in ("10/0/0", "10/525/99999999", "99/1/1", "10/-1/336", "3/4/2"):
            assert (await api.get(f"/map/{path}.png")).status_code == 404, path
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "given", [(500, b"no"), (200, b"<script>alert(1)</script>"), (200, b"\x89PNG" + b"0" * 600_000)]
)
async def test_what_is_no_picture_is_not_passed_on(database, broker, node, elsewhere, given):
    elsewhere.answer = given
    async with running_api(database, broker, base_map=settings(elsewhere)) as (api, _):
        answer = await api.get(f"/map/{HERE}.png")
        assert answer.status_code == 503
        elsewhere.answer = (200, PIXEL)
        assert (await api.get(f"/map/{HERE}.png")).status_code == 200


async def test_without_an_address_there_is_no_map(api, node):
    assert (await api.get(f"/map/{HERE}.png")).status_code == 404
