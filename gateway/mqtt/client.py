"""MQTT client of the API's live feed and of tools; ingest has its own connection (`mqtt.connection`)."""

import aiomqtt

from gateway.mqtt.settings import BrokerSettings

_KEEPALIVE_SECONDS = 30


def create_client(settings: BrokerSettings, client_id: str) -> aiomqtt.Client:
    """Create a client that is not yet connected. Raises OSError if the password file or a TLS file cannot be read."""
    password = settings.password_file.read_text().strip() if settings.password_file else None
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=client_id,
        username=settings.username,
        password=password,
        tls_context=settings.tls.create_context() if settings.tls else None,
        keepalive=_KEEPALIVE_SECONDS,
    )
