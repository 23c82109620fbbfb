"""Requests that a proxy in front of the server could read otherwise, and requests of absurd size, over real sockets."""

import asyncio
from urllib.parse import urlencode

import psycopg
import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from tests.gateway.api.conftest import running_api

GET = b"GET /api/v1 HTTP/1.1\r\nHost: here\r\n"
FORM = (
    b"POST /account/sign-in HTTP/1.1\r\nHost: here\r\nSec-Fetch-Site: same-origin\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
SMUGGLED = b"GET /api/v1/areas HTTP/1.1\r\nHost: here\r\n\r\n"
CHUNKED = FORM + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and chunks": FORM + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two encodings": FORM + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "unknown encoding": FORM + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "encoding in two layers": FORM + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": FORM + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "two equal lengths": FORM + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
    "two lengths": FORM + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\na=b",
    "a list of lengths": FORM + b"Content-Length: 3, 3\r\n\r\na=b",
    "a signed length": FORM + b"Content-Length: +3\r\n\r\na=b",
    "a negative length": FORM + b"Content-Length: -3\r\n\r\na=b",
    "an absurd length": FORM + b"Content-Length: 99999999999999999999999999\r\n\r\na=b",
    "lines without CR": b"GET /api/v1 HTTP/1.1\nHost: here\n\n",
    "a folded header": GET + b"X-A: b\r\n c\r\n\r\n",
    "NUL in a header": GET + b"X-A: b\0c\r\n\r\n",
    "CR in a header": GET + b"X-A: b\rc\r\n\r\n",
    "no host": b"GET /api/v1 HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: elsewhere\r\n\r\n",
    "HTTP/0.9": b"GET /api/v1\r\n\r\n",
    "HTTP/2 in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    "another protocol": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
    "a negative chunk": CHUNKED + b"-3\r\na=b\r\n0\r\n\r\n",
    "a chunk of overflowing size": CHUNKED + b"fffffffffffffffff3\r\na=b\r\n0\r\n\r\n",
    "chunks without CR": CHUNKED + b"3\na=b\n0\n\n",
    "a header of 70 kB": GET + b"X-A: " + b"y" * 70_000 + b"\r\n\r\n",
    "a thousand headers": GET + b"".join(b"X-%d: y\r\n" % number for number in range(1_000)) + b"\r\n",
    "trailers of 200 kB": CHUNKED + b"0\r\n" + b"".join(b"X-%d: %1000d\r\n" % (n, n) for n in range(200)) + b"\r\n",
    "an address of 70 kB": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    "bytes in the address": b"GET /api/v1/stations/\xc3\xa9 HTTP/1.1\r\nHost: here\r\n\r\n",
}
ACCEPTED_ONCE = {
    "a body of a GET is not the next request": GET + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "an upgrade to HTTP/2 is ignored": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
    "a live stream reads no further request": GET.replace(b"v1", b"v1/live")
    + b"Content-Length: 2\r\n\r\nhi"
    + SMUGGLED,
}


@pytest.fixture
async def server(database, broker):
    async with running_api(database, broker) as (client, _):
        yield client


async def send(client, data, within=1.0):
    """Everything that the server answers to these bytes in this time."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    answer = b""
    try:
        writer.write(data)
        async with asyncio.timeout(within):
            while part := await reader.read(65_536):
                answer += part
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return answer


async def test_an_ambiguous_or_absurd_request_is_refused_and_ends_its_connection(server):
    answers = await asyncio.gather(*(send(server, data, within=10.0) for data in REFUSED.values()))
    for name, answer in zip(REFUSED, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 400 "), name
        assert answer.count(b"HTTP/1.1 ") == 1, name
    assert (await server.get("/api/v1")).status_code == 200, "others are served"


async def test_one_request_gets_one_answer(server):
    answers = await asyncio.gather(*(send(server, data, within=3.0) for data in ACCEPTED_ONCE.values()))
    for name, answer in zip(ACCEPTED_ONCE, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 200 "), name
        assert answer.count(b"HTTP/1.1 ") == 1, name
    assert (await send(server, (GET + b"\r\n") * 3, within=3.0)).count(b"HTTP/1.1 200 ") == 3


async def test_fields_after_the_body_are_no_headers(server, database):
    """The last X-Forwarded-For is that of our proxy; a trailer must not become a later one."""
    body = b"name=x&password=y&code=1"
    head = CHUNKED.replace(b"Host: here\r\n", b"Host: here\r\nX-Forwarded-For: 192.0.2.1\r\n")
    trailer = b"%x\r\n%b\r\n0\r\nX-Forwarded-For: 198.51.100.99\r\nHost: elsewhere\r\n\r\n" % (len(body), body)
    answer = await send(server, head + trailer, within=15.0)
    assert answer.startswith(b"HTTP/1.1 403 ")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT address FROM access.audit").fetchall() == [("192.0.2.1",)]


@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "ａｎｎａ", "\u202egnp", "\ud800", "x" * 127, "anna@od.example "])
async def test_any_text_as_a_name_gets_the_same_refusal(server, database, name):
    form = {"name": name.encode("utf-8", "surrogatepass"), "password": b"\0\xff", "code": "１"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await server.post("/account/sign-in", content=urlencode(form), headers=headers)
    assert answer.status_code == 403
    assert "klopt niet" in answer.text
    with psycopg.connect(database) as connection:
        (who,) = connection.execute("SELECT who FROM access.audit").fetchone()
    assert who.isprintable(), "the log is printed in terminals"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"area":' + b"[" * 50_000 + b"}",
        b'{"match":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"reason":"\\ud800"}',
        b'{"reason":"\xed\xa0\x80"}',
        b'{"reason":"\xff"}',
        b'{"area":"a\\u0000","match":["station=\\"a\\u0000b\\""],"reason":"r","endsAt":"2999-01-01T00:00:00Z"}',
        b"",
        b"null",
        b'{"reason":' + b"9" * 50_000 + b"}",
    ],
    ids=range(10),
)
async def test_any_json_body_is_refused_with_a_sentence(server, database, body):
    accounts = Accounts(database)
    await accounts.put_account("anna@od.example", Role.ADMIN, ["*"], None)
    key = await accounts.put_key("anna@od.example", list(Scope), ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for path in ("/api/v1/silences", "/api/v1/silences/preview"):
        answer = await server.post(path, content=body, headers=headers)
        if answer.status_code not in {200, 400}:
            pytest.fail(f"{path}: {answer.status_code} {answer.text[:300]}")
    if b"\\u0000" not in body:
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(("body", "endsAt"))
