"""A push service on loopback: it decrypts each message as a browser does, and checks the headers.

`http_ece.decrypt` and `Vapid02.verify` judge what our encryption and signature made. It runs in a thread, or in a
separate process for measurements.
"""

import asyncio
import json
import threading
from base64 import urlsafe_b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from os import urandom

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from alerting.subscriptions.contact_store import BrowserKeys


@dataclass
class Browser:
    """A browser with its keys; `path` is its endpoint's."""

    path: str
    private_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: urandom(16))

    @property
    def keys(self) -> BrowserKeys:
        point = self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return BrowserKeys(key=point, secret=self.secret)

    def decrypt(self, body: bytes) -> dict:
        plain = http_ece.decrypt(body, private_key=self.private_key, auth_secret=self.secret, version="aes128gcm")
        return json.loads(plain)


@dataclass
class Push:
    """One request: the endpoint's path, headers in lower case, the body as it came."""

    path: str
    headers: dict
    body: bytes


class PushService:
    """Answers each POST with the next of `answers[path]` (the last one permanently), else with 201.

    An answer is a status, or a status and headers; 0 hangs until the service ends.
    """

    def __init__(self, answers=None):
        self.answers, self.pushes = answers or {}, []
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def url(self, browser: Browser) -> str:
        return self.origin + browser.path

    def received_by(self, browser: Browser) -> list[dict]:
        return [browser.decrypt(push.body) for push in self.pushes if push.path == browser.path]

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(5)

    def _run(self):
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stopped, self._tasks = asyncio.Event(), set()
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = head[0].split(" ")[1]
                self.pushes.append(Push(path, headers, body))
                await self._answer(path, writer)
        writer.close()

    async def _answer(self, path, writer):
        answers = self.answers.get(path, [201])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if status == 0:
            await asyncio.sleep(3600)
        lines = [f"HTTP/1.1 {status} x", "content-length: 0", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()


def read_claims(push: Push) -> dict:
    """The claims of a VAPID header, after its signature was verified."""
    assert Vapid02.verify(push.headers["authorization"])
    token = push.headers["authorization"].partition(" t=")[2].partition(",")[0]
    payload = token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
