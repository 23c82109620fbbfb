"""The CloudEvent on an MQTT topic, QoS 1: delivered when the broker has acknowledged it."""

import ssl

import aiomqtt

from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome
from alerting.delivery.settings import MqttSettings, fill_topic
from alerting.message.cloud_event import build_cloud_event
from alerting.message.notification import Notification


async def deliver(notification: Notification, channel: MqttSettings, context: DeliveryContext) -> Delivery:
    """Publish once, on a new connection, because alerts are rare."""
    alert = notification.alert
    body = build_cloud_event(notification, source=context.source, public_url=context.public_url, at=context.received_at)
    topic = fill_topic(channel.topic, area=alert.area, station=alert.station)
    password = channel.password_file.read_text().strip() if channel.password_file else None
    client = aiomqtt.Client(
        channel.host,
        channel.port,
        username=channel.username,
        password=password,
        tls_context=_tls_context(channel),
        timeout=channel.timeout,
    )
    address = f"{channel.host}:{channel.port}"
    connected, acknowledged = False, False
    delivered = Delivery(outcome=DeliveryOutcome.DELIVERED, detail=f"{address} acknowledged {topic}", content=body)
    try:
        async with client:
            connected = True
            await client.publish(topic, body, qos=1, retain=channel.retain and not alert.is_test)
            acknowledged = True
    except (aiomqtt.MqttError, OSError) as error:
        if acknowledged:  # only the farewell failed
            return delivered
        outcome = DeliveryOutcome.UNKNOWN if connected else DeliveryOutcome.FAILED
        return Delivery(outcome=outcome, detail=f"broker {address}: {error or type(error).__name__}", content=body)
    return delivered


def _tls_context(channel: MqttSettings) -> ssl.SSLContext | None:
    if not channel.tls and channel.ca_file is None:
        return None
    return ssl.create_default_context(cafile=str(channel.ca_file) if channel.ca_file else None)
