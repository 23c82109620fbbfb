"""One connection to the broker, driven by the thread that owns it: no thread, queue or reconnect inside.

paho is limited to MQTT 3.1.1. Each connection is a new client, so that messages which an old client held as unfinished
cannot come back. The spool is the only queue.
"""

import select
import socket
import ssl
from collections import deque
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import paho.mqtt.client as paho
from msgspec import Meta, Struct
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edge_agent.certificate import read_end
from edge_agent.configuration import ConfigurationError


class TlsSettings(Struct, frozen=True, kw_only=True):
    """`[broker.tls]`: files of a mutual TLS connection, in PEM.

    ca           certificate of the only authority that is trusted
    certificate  own certificate
    key          its private key
    """

    ca: Path
    certificate: Path
    key: Path

    def load_context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer with our certificate; ConfigurationError names the file that is wrong."""
        for path in (self.ca, self.certificate, self.key):
            if not path.is_file():
                raise ConfigurationError(f"broker.tls: {path} is not there; copy it from the node's bundle")
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(str(self.certificate), str(self.key))
        except (ssl.SSLError, OSError) as error:
            raise ConfigurationError(
                f"broker.tls: {self.certificate}, its key and {self.ca} do not fit each other ({error})"
            ) from None
        return context

    def read_expiry(self) -> datetime | None:
        """When our certificate ends; None where it cannot be read."""
        try:
            return read_end(self.certificate.read_text())
        except (OSError, ValueError):
            return None


class BrokerSettings(Struct, frozen=True, kw_only=True):
    """`[broker]`: the MQTT broker.

    host               host name or address
    port               without it: 8883 with TLS, 1883 without
    keepalive_seconds  a dead connection is noticed after one and a half times this
    connect_seconds    time for one attempt to connect
    tls                TLS files; without them the connection is not encrypted
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    keepalive_seconds: Annotated[int, Meta(ge=5, le=3600)] = 30
    connect_seconds: Annotated[float, Meta(gt=0, le=120)] = 10.0
    tls: TlsSettings | None = None

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.effective_port}"

    @property
    def effective_port(self) -> int:
        """The port given, or the protocol's own."""
        return self.port or (8883 if self.tls else 1883)


class ConnectionLostError(ConnectionError):
    """The link or the broker is unavailable; the message gives the cause. Temporary."""


class PahoConnection:
    """Connected while it exists. Everything happens in `poll`, in the caller's thread.

    `acknowledged` collects the message ids that the broker accepted, `received` the messages that it delivered.
    """

    def __init__(
        self, settings: BrokerSettings, tls: ssl.SSLContext | None, *, client_id: str, will: "MqttMessage"
    ) -> None:
        """Connect and wait for the broker's consent, or raise ConnectionLost."""
        self.acknowledged: deque[int] = deque()
        self.received: deque[MqttMessage] = deque()
        self._lost_reason: str | None = None
        self._accepted = False
        self._settings = settings
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=True)
        self._client.connect_timeout = settings.connect_seconds
        self._client.will_set(will.topic, will.body, qos=1, retain=True)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        try:
            self._client.connect(settings.host, settings.effective_port, settings.keepalive_seconds)
            for _ in range(100):
                if self._accepted:
                    return
                self.poll(settings.connect_seconds / 100)
        except (OSError, ValueError) as error:
            self._close_socket()
            raise ConnectionLostError(f"no broker at {settings}: {error}") from None
        self._close_socket()
        raise ConnectionLostError(f"no broker at {settings}: it takes the connection and does not answer")

    def publish(self, message: "MqttMessage", *, qos: int = 1) -> int:
        """Hand a message to the link; its id turns up in `acknowledged` when the broker has it."""
        info = self._client.publish(message.topic, message.body, qos=qos, retain=message.retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise ConnectionLostError(f"{self._settings}: {paho.error_string(info.rc)}")
        return info.mid

    def subscribe(self, topic: str) -> None:
        """Ask for a topic at QoS 1."""
        self._client.subscribe(topic, 1)

    def poll(self, timeout: float, wake_socket: socket.socket | None = None) -> None:
        """Read and write what there is, waiting up to `timeout` seconds or until `wake_socket` is readable."""
        sock = self._client.socket()
        if sock is None or self._lost_reason is not None:
            raise ConnectionLostError(f"{self._settings}: {self._lost_reason or 'the connection is closed'}")
        readers = [sock, wake_socket] if wake_socket else [sock]
        writers = [sock] if self._client.want_write() else []
        readable, writable, _ = select.select(readers, writers, [], 0.0 if _has_pending_bytes(sock) else timeout)
        if sock in readable or _has_pending_bytes(sock):
            self._client.loop_read()
        if sock in writable:
            self._client.loop_write()
        self._client.loop_misc()
        if self._lost_reason is not None:
            raise ConnectionLostError(f"{self._settings}: {self._lost_reason}")

    def close(self) -> None:
        """Disconnect in order, so that the broker does not publish the will."""
        self._client.on_disconnect = None
        self._client.disconnect()
        with suppress(OSError, ConnectionLostError):
            for _ in range(5):
                if self._client.socket() is None or not self._client.want_write():
                    break
                self.poll(0.1)
        self._close_socket()

    def abandon(self) -> None:
        """Close the link without a DISCONNECT."""
        self._client.on_disconnect = None
        self._close_socket()

    def _close_socket(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            with suppress(OSError):
                sock.close()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:  # noqa: ANN401 - paho's own shape
        if reason.is_failure:
            self._lost_reason = f"the broker refuses us: {reason}"
        self._accepted = not reason.is_failure

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:  # noqa: ANN401 - as above
        refused = self._settings.tls is not None and not self._accepted
        refusal_text = "it ends the handshake; it may refuse our certificate: expired, revoked, or of another authority"
        self._lost_reason = self._lost_reason or (refusal_text if refused else f"connection lost: {reason}")

    def _on_publish(self, _client: Any, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:  # noqa: ANN401 - as above
        self.acknowledged.append(mid)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401 - as above
        self.received.append(MqttMessage(topic=message.topic, body=bytes(message.payload), retain=message.retain))


def _has_pending_bytes(sock: object) -> bool:
    """Whether TLS holds decrypted bytes: `select` would wait although they can be read."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


class MqttMessage(Struct, frozen=True, kw_only=True):
    """One MQTT message."""

    topic: str
    body: bytes
    retain: bool = False
