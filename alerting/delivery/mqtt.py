"""The CloudEvent on an MQTT topic, QoS 1: delivered when the broker has acknowledged it."""

import ssl
from pathlib import Path
from typing import Annotated

import aiomqtt
from msgspec import Meta, Struct

from alerting.cloud_event import cloud_event
from alerting.delivery.channel import Attempt, Origin, Outcome
from alerting.errors import SettingsError
from alerting.notification import Notification


class MqttSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.mqtt]]`: a broker and a topic, in which `{area}` and `{station}` are filled in.

    `tls` believes the system's authorities, `ca_file` turns it on with an authority of your own.
    """

    host: str
    topic: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    tls: bool = False
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    retain: bool = False
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        if not self.topic or set("+#\0") & set(self.topic):
            raise SettingsError(f"topic {self.topic!r}: write a topic to publish on, without + and #")
        if set(_filled(self.topic, area="", station="")) & set("{}"):
            raise SettingsError(f"topic {self.topic!r}: only {{area}} and {{station}} are filled in")


async def deliver(notification: Notification, channel: MqttSettings, origin: Origin) -> Attempt:
    """Publish once, on a connection of its own: alerts are rare."""
    alert = notification.alert
    body = cloud_event(notification, source=origin.source, public_url=origin.public_url, at=origin.received_at)
    topic = _filled(channel.topic, area=alert.area, station=alert.station)
    password = channel.password_file.read_text().strip() if channel.password_file else None
    client = aiomqtt.Client(
        channel.host,
        channel.port,
        username=channel.username,
        password=password,
        tls_context=_trust(channel),
        timeout=channel.timeout,
    )
    where = f"{channel.host}:{channel.port}"
    connected = False
    try:
        async with client:
            connected = True
            await client.publish(topic, body, qos=1, retain=channel.retain)
            return Attempt(outcome=Outcome.DELIVERED, detail=f"{where} acknowledged {topic}", content=body)
    except (aiomqtt.MqttError, OSError) as error:
        outcome = Outcome.UNKNOWN if connected else Outcome.FAILED
        return Attempt(outcome=outcome, detail=f"broker {where}: {error or type(error).__name__}", content=body)


def _trust(channel: MqttSettings) -> ssl.SSLContext | None:
    if not channel.tls and channel.ca_file is None:
        return None
    return ssl.create_default_context(cafile=str(channel.ca_file) if channel.ca_file else None)


def _filled(topic: str, *, area: str, station: str) -> str:
    """No name can reach another level of the tree or make a wildcard."""
    for key, value in (("{area}", area), ("{station}", station)):
        topic = topic.replace(key, "".join(c if c not in "+#/\0" else "-" for c in value))
    return topic
