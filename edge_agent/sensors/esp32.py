"""A foreign node: an ESP32 or ESP8266 with ESPHome or airRohr that posts its readings to this agent.

Such a board has neither spool nor key: readings lost before the post are lost. After the post they are stored and
signed like any other. Two formats are accepted: SenML (RFC 8428), which ESPHome can be configured to send, and
airRohr's JSON ("send data to own API"). Stamps are the times of arrival.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.sensors.circumstance_flags import CircumstanceFlagger, Circumstances
from edge_agent.sensors.driver import RawReading
from edge_agent.sensors.sensor import Reading, reading_at
from edge_agent.wire import Flag

_MAX_POST_BYTES = 16_384
RANGES = MappingProxyType(
    {
        "pm1": (0.0, 1000.0),
        "pm2_5": (0.0, 999.0),  # 999.9 and 1999.9 of an SDS011 mean "too much or too wet"
        "pm4": (0.0, 1000.0),
        "pm10": (0.0, 1999.0),
        "temperature": (-40.0, 85.0),
        "humidity": (0.0, 100.0),
        "pressure": (300.0, 1100.0),
    }
)
_PARTICLES = {"P0": "pm1", "P1": "pm10", "P2": "pm2_5", "P4": "pm4"}
_CLIMATE = {"temperature": ("temperature", 1.0), "humidity": ("humidity", 1.0), "pressure": ("pressure", 0.01)}
_EXTRAPOLATED = frozenset({"pm4", "pm10"})


class UnreadablePostError(ValueError):
    """A post in neither format: one sentence for the person who configured the board."""


class Esp32Settings(Struct, frozen=True, kw_only=True, tag_field="driver", tag="esp32"):
    """`driver = "esp32"`: receives the posts of one ESP32.

    host            address to listen on; a sender elsewhere in the building needs an address of this machine
    port            port to listen on
    sender          name of the ESP32 (SenML base name, airRohr's esp8266id); others are rejected
    properties      properties that the ESP32 measures
    silent_seconds  time without a post after which the ESP32 is reported as silent
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8085
    sender: Annotated[str, Meta(min_length=1)]
    properties: Annotated[tuple[str, ...], Meta(min_length=1)]
    silent_seconds: Annotated[float, Meta(gt=0)] = 600.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.properties) - set(RANGES))
        if unknown:
            raise ValueError(f"an esp32 gives {', '.join(RANGES)}; not {unknown[0]}")

    @property
    def endpoint(self) -> str:
        """The port on which it listens; no two sensors may share it."""
        return f"{self.host}:{self.port}"


def decode(body: bytes) -> tuple[str, RawReading]:
    """Convert a post to (sender, values). Raises only NotReadableError."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadablePostError(f"not JSON: {error}") from None
    try:
        sender, values = _decode_senml(content) if isinstance(content, list) else _decode_airrohr(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnreadablePostError(f"neither SenML nor airRohr's JSON: {type(error).__name__} {error}") from None
    flags = {name: int(Flag.SIZE_EXTRAPOLATED) for name in values if name in _EXTRAPOLATED}
    return sender, RawReading(values=values, flags=flags)


def _decode_senml(records: list[Any]) -> tuple[str, dict[str, float | None]]:
    """A pack in which the base name is the board's and each name a property of ours."""
    sender, values = "", {}
    for record in records:
        sender = str(record.get("bn", sender))
        if "n" in record:
            values[str(record["n"])] = _finite_float(record["v"])
    return sender.rstrip(":/"), values


def _decode_airrohr(content: Mapping[str, Any]) -> tuple[str, dict[str, float | None]]:
    """value_type is <sensor>_<quantity>, or the quantity alone for a DHT22; values are text."""
    values: dict[str, float | None] = {}
    for item in content["sensordatavalues"]:
        quantity = str(item["value_type"]).rpartition("_")[2]
        if quantity in _PARTICLES:
            values[_PARTICLES[quantity]] = _finite_float(item["value"])
        elif quantity in _CLIMATE:
            name, scale = _CLIMATE[quantity]
            number = _finite_float(item["value"])
            values[name] = None if number is None else round(number * scale, 4)
    return str(content.get("esp8266id") or content["esp32id"]), values


def _finite_float(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]  # raises if it is not a number; the caller reports it
    return number if math.isfinite(number) else None


class Esp32Sensor:
    """The board, as a sensor: each post is a reading."""

    def __init__(self, settings: Esp32Settings) -> None:
        self._settings = settings
        self.name = f"esp32 {settings.sender}"
        self.properties = list(settings.properties)
        self.hang_timeout = max(60.0, settings.silent_seconds)
        self.state = "starting"
        self._flagger = CircumstanceFlagger(ranges=RANGES, warm_up=0.0, stuck_after=3600.0)
        self._humidity: float | None = None
        self._pending: list[RawReading] = []

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Yield one reading per post, until stopped."""
        settings, board = self._settings, self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0  # s; a silent connection does not block other boards

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 < length <= _MAX_POST_BYTES:
                    self.send_error(413 if length else 411)
                    return
                status, sentence = board.accept_post(self.rfile.read(length))
                body = sentence.encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the library's own shape
                """Log nothing: the health message has the state."""

        while not stop.is_set():
            try:
                server = HTTPServer((settings.host, settings.port), Handler)
            except OSError as error:
                self.state = f"cannot listen on {settings.endpoint} ({error.strerror}): choose another host or port"
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
        """HTTP status and sentence for one post; a good one becomes a reading."""
        try:
            sender, raw = decode(body)
        except UnreadablePostError as error:
            self.state = f"a post cannot be read: {error}"
            return 400, str(error)
        if sender != self._settings.sender:
            return 403, f"this agent listens for {self._settings.sender}, not for {sender}"
        values = {name: raw.values[name] for name in self.properties if name in raw.values}
        if not values:
            self.state = f"its posts hold nothing of {', '.join(self.properties)}"
            return 422, self.state
        self.state = "ok"
        self._pending.append(RawReading(values=values, flags=raw.flags))
        self._humidity = raw.values.get("humidity", self._humidity)
        return 200, "ok"

    def _build_reading(self, raw: RawReading) -> Reading:
        moment, now = clock.now(), time.monotonic()
        circumstances = Circumstances(
            now=now,
            started_at=-math.inf,
            cleaning_until=-math.inf,
            humidity=self._humidity,
            clock=moment.clock,
            retried=False,
            broken=False,
        )
        return reading_at(moment, raw.values, self._flagger.compute_flags(raw, circumstances))
