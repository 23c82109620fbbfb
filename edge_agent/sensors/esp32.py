"""A foreign node: an ESP32 or ESP8266 with ESPHome or airRohr that posts its readings to this agent.

Such a board has neither spool nor key: readings lost before the post are lost. After the post they are stored and
signed like any other. `posts` reads the two formats, `instruments` chooses the ambient instrument where the board has
several, and the table of sensor models judges each value. Stamps are the times of arrival.
"""

import logging
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.sensor_models import Inlet, find_model
from edge_agent.sensors.circumstance_flags import CircumstanceFlagger, Circumstances, add_humidity_flags
from edge_agent.sensors.driver import RawReading
from edge_agent.sensors.instruments import AmbientInstruments, judge_post
from edge_agent.sensors.posts import QUANTITIES, PostedValue, UnreadablePostError, decode
from edge_agent.sensors.sensor import Reading, reading_at
from edge_agent.wire import INVALID_FLAGS

_LOG = logging.getLogger(__name__)
_MAX_POST_BYTES = 16_384
_MAX_READ_AWAY_BYTES = 1 << 20


class Esp32Settings(Struct, frozen=True, kw_only=True, tag_field="driver", tag="esp32"):
    """`driver = "esp32"`: receives the posts of one ESP32.

    host            address to listen on; a sender elsewhere in the building needs an address of this machine
    port            port to listen on
    sender          name of the ESP32 (SenML base name, airRohr's esp8266id); others are rejected
    properties      properties that the ESP32 measures; a second instrument of one of them is reported beside it, as
                    humidity_heca is
    instruments     property -> instrument that measures it in the ambient air, if the ESP32 has several; default: the
                    order of the table of sensor models
    silent_seconds  time without a post after which the ESP32 is reported as silent
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8085
    sender: Annotated[str, Meta(min_length=1)]
    properties: Annotated[tuple[str, ...], Meta(min_length=1)]
    instruments: dict[str, str] = {}
    silent_seconds: Annotated[float, Meta(gt=0)] = 600.0

    def __post_init__(self) -> None:
        unknown = sorted({*self.properties, *self.instruments} - set(QUANTITIES))
        if unknown:
            raise ValueError(f"an esp32 gives {', '.join(QUANTITIES)}; not {unknown[0]}")
        for quantity, name in self.instruments.items():
            model = find_model(name)
            if model is None or not model.posted or quantity not in model.measurements:
                raise ValueError(f"instruments: no {name!r} that measures {quantity} is in the table of sensor models")
            if model.measurement(quantity).inlet is not Inlet.AMBIENT:
                raise ValueError(f"instruments: {name} does not measure {quantity} of the ambient air")

    @property
    def endpoint(self) -> str:
        """The port on which it listens; no two sensors may share it."""
        return f"{self.host}:{self.port}"


class _JudgedPost(NamedTuple):
    """The values of one post, and the names of those to report: a humidity may serve for flags alone."""

    judged: RawReading
    reported: Sequence[str]


class Esp32Sensor:
    """The board, as a sensor: each post is a reading.

    `refused_counts` maps quantity and reason to the number of values that were refused since the start.
    """

    def __init__(self, settings: Esp32Settings) -> None:
        self._settings = settings
        self.name = f"esp32 {settings.sender}"
        self.properties = list(settings.properties)
        self.hang_timeout = max(60.0, settings.silent_seconds)
        self.state = "starting"
        self.refused_counts: Counter[str] = Counter()
        pinned = {quantity: find_model(name) for quantity, name in settings.instruments.items()}
        self._instruments = AmbientInstruments({quantity: m.name for quantity, m in pinned.items() if m is not None})
        self._flagger = CircumstanceFlagger(settling={}, stuck_after=86_400.0)
        self._humidity: tuple[float, float] | None = None  # % RH, and when it came
        self._pending: list[_JudgedPost] = []

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Yield one reading per post, until stopped."""
        settings = self._settings
        while not stop.is_set():
            try:
                server = _PostServer((settings.host, settings.port), self)
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                self.state = f"cannot listen on {settings.endpoint} ({reason}): choose another host or port"
                stop.wait(5.0)
                continue
            with server:
                server.timeout = 0.5
                self.state = "ok"
                while not stop.is_set():
                    server.handle_request()
                    pending, self._pending = self._pending, []
                    yield from map(self._build_reading, pending)

    def accept_post(self, body: bytes) -> tuple[int, str]:
        """HTTP status and sentence for one post; its values that can be read become a reading."""
        try:
            post = decode(body)
        except UnreadablePostError as error:
            self.state = f"a post cannot be read: {error}"
            return 400, str(error)
        if post.sender != self._settings.sender:
            return 403, f"this agent listens for {self._settings.sender}, not for {post.sender}"
        posted = [value for value in post.values if value.quantity in self.properties]
        refused = [value for value in posted if value.refusal is not None]
        self._count_refused(refused)
        self._count_unnamed(post.unnamed)
        placed = self._instruments.place(post.values)
        names = [name for name, value in placed.items() if value.quantity in self.properties]
        if names:
            self._pending.append(_JudgedPost(judge_post(placed), names))
        if len(refused) == len(posted):
            nothing = f"its posts hold nothing of {', '.join(self.properties)}"
            self.state = f"no value of its post can be used: {_list_refused(refused)}" if refused else nothing
            return 422, self.state
        self.state = "ok"
        unnamed = [f"{post.unnamed} items that name no value"] if post.unnamed else []
        sentences = [*unnamed, *([_list_refused(refused)] if refused else [])]
        return 200, f"ok; refused: {', '.join(sentences)}" if sentences else "ok"

    def _count_unnamed(self, count: int) -> None:
        if count:
            self.refused_counts["items that name no value"] += count

    def _count_refused(self, refused: Sequence[PostedValue]) -> None:
        for value in refused:
            reason = f"{value.quantity}: {value.refusal}"
            self.refused_counts[reason] += 1
            if self.refused_counts[reason] in {1, 10} or self.refused_counts[reason] % 100 == 0:
                _LOG.warning(
                    "%s: refused %s, %s (%d since the start); the other values of the post are stored",
                    self.name, value.name[:64], value.refusal, self.refused_counts[reason],
                )  # fmt: skip

    def _build_reading(self, post: _JudgedPost) -> Reading:
        moment, now, judged = clock.now(), time.monotonic(), post.judged
        circumstances = Circumstances(
            now=now,
            started_at=-math.inf,
            cleaning_until=-math.inf,
            clock=moment.clock,
            retried=False,
            broken=False,
        )
        humidity = judged.values.get("humidity")
        if humidity is not None and not judged.flags["humidity"] & INVALID_FLAGS:
            self._humidity = humidity, now
        flags = add_humidity_flags(
            post.reported, self._flagger.compute_flags(judged, circumstances), self._fresh_humidity(now)
        )
        values = {name: judged.values[name] for name in post.reported}
        return reading_at(moment, values, {name: flags[name] for name in post.reported if name in flags})

    def _fresh_humidity(self, now: float) -> float | None:
        if self._humidity is None or now - self._humidity[1] > self._settings.silent_seconds:
            return None
        return self._humidity[0]


def _list_refused(refused: Sequence[PostedValue]) -> str:
    return ", ".join(f"{value.name[:64]} ({value.refusal})" for value in refused)


class _PostServer(HTTPServer):
    """The HTTP server of one board. A connection that breaks is one line of the log."""

    def __init__(self, address: tuple[str, int], board: Esp32Sensor) -> None:
        self.board = board
        super().__init__(address, _PostHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - the library's own shape
        """Log the error of one request."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _LOG.info("%s: the connection broke (%s); the board posts again", self.board.name, error)
        else:
            _LOG.exception("%s: unexpected failure with a post", self.board.name)


class _PostHandler(BaseHTTPRequestHandler):
    """Reads the body of one post, of a stated and bounded length."""

    timeout = 5.0  # s; a silent connection does not block other boards
    server: _PostServer

    def do_POST(self) -> None:
        """Answer with a status and a sentence."""
        text = self.headers.get("Content-Length") or ""
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if length == 0:
            self._respond(411, "a post needs a Content-Length of more than 0 bytes; one in chunks is not read")
        elif encoding != "identity":
            self.rfile.read(min(length, _MAX_POST_BYTES))
            self._respond(415, f"a post packed with {encoding[:32]} is not read: send it as plain JSON")
        elif length > _MAX_POST_BYTES:
            self.rfile.read(min(length, _MAX_READ_AWAY_BYTES))  # else the board sees a broken connection, no answer
            self._respond(413, f"a post of {length} bytes; at most {_MAX_POST_BYTES} are read: send fewer values")
        else:
            self._respond(*self.server.board.accept_post(self.rfile.read(length)))

    def _respond(self, status: int, sentence: str) -> None:
        body = sentence.encode("utf-8", "replace") + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the library's own shape
        """Log nothing: the health message has the state."""
