"""The base map: drawn areas, archives of vector tiles, and tiles that come through the API from a map server."""

import asyncio
import base64
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.api.settings import BaseMapSettings
from tests.gateway.api.archive_writer import write_archive
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


def settings(server, **options):
    url = f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png"
    return BaseMapSettings(url=url, attribution="<Kadaster>", **options)


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


async def test_many_visitors_of_a_new_tile_cause_one_request(database, broker, node, map_server, tmp_path):
    async with running_api(database, broker, base_map=settings(map_server, cache_folder=tmp_path)) as (api, _):
        answers = await asyncio.gather(*(api.get(f"/map/{TILE}.png") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(map_server.requests) == 1
        assert (tmp_path / TILE).read_bytes() == PIXEL


async def test_a_stored_tile_is_served_after_a_restart_and_while_the_server_is_away(
    database, broker, node, map_server, tmp_path
):
    base_map = settings(map_server, cache_folder=tmp_path / "tiles")
    async with running_api(database, broker, base_map=base_map) as (api, _):
        assert (await api.get(f"/map/{TILE}.png")).status_code == 200
    async with running_api(database, broker, base_map=base_map) as (api, _):  # fresh: not asked again
        assert (await api.get(f"/map/{TILE}.png")).content == PIXEL
        assert len(map_server.requests) == 1
    two_days_ago = time.time() - 2 * 86_400
    os.utime(tmp_path / "tiles" / TILE, (two_days_ago, two_days_ago))
    map_server.response = (500, b"no")
    async with running_api(database, broker, base_map=base_map) as (api, _):
        stale = await api.get(f"/map/{TILE}.png")
        assert (stale.status_code, stale.content) == (200, PIXEL)
        assert "max-age=60" in stale.headers["cache-control"]
        assert len(map_server.requests) == 2
        assert (await api.get("/map/10/526/336.png")).status_code == 503
    map_server.response = (200, PIXEL + b"new")
    async with running_api(database, broker, base_map=base_map) as (api, _):
        assert (await api.get(f"/map/{TILE}.png")).content == PIXEL + b"new"


async def test_an_unreachable_server_is_not_queried_for_each_tile(database, broker, node, map_server):
    base_map = settings(map_server)
    map_server.shutdown()
    map_server.server_close()
    async with running_api(database, broker, base_map=base_map) as (api, _):
        started_at = time.monotonic()
        answers = [await api.get(f"/map/10/52{x}/336.png") for x in range(4, 7)]
        assert {answer.status_code for answer in answers} == {503}
        assert time.monotonic() - started_at < 5


async def test_a_redirect_to_another_address_is_not_followed(database, broker, node, map_server):
    map_server.response = (302, b"")
    async with running_api(database, broker, base_map=settings(map_server)) as (api, _):
        assert (await api.get(f"/map/{TILE}.png")).status_code == 503
        assert len(map_server.requests) == 1


async def test_a_disk_that_refuses_costs_only_the_store(database, broker, node, map_server, tmp_path):
    (tmp_path / "tiles").write_text("a file, no folder")
    base_map = settings(map_server, cache_folder=tmp_path / "tiles")
    async with running_api(database, broker, base_map=base_map) as (api, _):
        assert (await api.get(f"/map/{TILE}.png")).content == PIXEL


async def test_the_drawn_base_map_is_served_with_an_etag(api, node):
    answer = await api.get("/map/areas/ijmond.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    assert {"Noordzee", "Wijk aan Zee", "Tata Steel"} <= {f["properties"]["name"] for f in answer.json()["features"]}
    again = await api.get("/map/areas/ijmond.geojson", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await api.get("/map/areas/atlantis.geojson")).status_code == 404


@pytest.fixture
async def archive_api(database, broker, node, tmp_path):
    """(client, bytes of the archive `ijmond`)."""
    content = write_archive(tmp_path / "ijmond.pmtiles").read_bytes()
    async with running_api(database, broker, base_map=BaseMapSettings(archive_folder=tmp_path)) as (api, _):
        yield api, content


ARCHIVE = "/map/archives/ijmond.pmtiles"


@pytest.mark.parametrize(
    ("range_header", "first", "end"), [("bytes=0-126", 0, 127), ("bytes=100-", 100, None), ("bytes=-10", -10, None)]
)
async def test_a_range_of_an_archive_is_206(archive_api, range_header, first, end):
    api, content = archive_api
    answer = await api.get(ARCHIVE, headers={"Range": range_header})
    part = content[first:end]
    assert (answer.status_code, answer.content) == (206, part)
    start = first % len(content)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(content)}"
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("range_header", ["bytes=9999999-", "bytes=-0", "bytes=9999999-99999999"])
async def test_a_range_beyond_the_end_is_416(archive_api, range_header):
    api, content = archive_api
    answer = await api.get(ARCHIVE, headers={"Range": range_header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("range_header", ["bytes=0-1,5-9", "lines=1-2", "bytes=9-1", "bytes", "bytes=a-b", "bytes=-"])
async def test_a_range_that_we_need_not_understand_gets_the_whole_file(archive_api, range_header):
    api, content = archive_api
    answer = await api.get(ARCHIVE, headers={"Range": range_header})
    assert (answer.status_code, answer.content) == (200, content)


async def test_an_archive_has_a_version(archive_api, tmp_path):
    api, content = archive_api
    answer = await api.get(ARCHIVE, headers={"Range": "bytes=0-9"})
    etag, modified = answer.headers["etag"], answer.headers["last-modified"]
    for condition in ({"If-None-Match": etag}, {"If-None-Match": "*"}, {"If-Modified-Since": modified}):
        assert (await api.get(ARCHIVE, headers=condition)).status_code == 304
    assert (await api.get(ARCHIVE, headers={"Range": "bytes=0-9", "If-Range": etag})).status_code == 206
    assert (await api.get(ARCHIVE, headers={"Range": "bytes=0-9", "If-Range": '"old"'})).content == content
    os.utime(tmp_path / "ijmond.pmtiles", (1, 1))
    assert (await api.get(ARCHIVE, headers={"If-None-Match": etag})).status_code == 200


async def test_only_listed_archives_are_served(archive_api, tmp_path):
    api, _ = archive_api
    for name in ("other", "..%2Fijmond", "IJMOND", "ijmond.pmtiles"):
        assert (await api.get(f"/map/archives/{name}.pmtiles")).status_code == 404, name
    assert '"url": "/map/archives/ijmond.pmtiles"' in (await api.get("/nl/")).text
    (tmp_path / "ijmond.pmtiles").unlink()
    assert (await api.get(ARCHIVE)).status_code == 404
