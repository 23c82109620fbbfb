"""The CloudEvent on an MQTT topic, QoS 1: delivered when the broker has acknowledged it."""

import ssl

import aiomqtt

from alerting.delivery.channel import Attempt, Origin, Outcome
from alerting.delivery.settings import MqttSettings, filled
from alerting.message.cloud_event import cloud_event
from alerting.message.notification import Notification


async def deliver(notification: Notification, channel: MqttSettings, origin: Origin) -> Attempt:
    """Publish once, on a connection of its own: alerts are rare."""
    alert = notification.alert
    body = cloud_event(notification, source=origin.source, public_url=origin.public_url, at=origin.received_at)
    topic = filled(channel.topic, area=alert.area, station=alert.station)
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
