"""Connection settings of the MQTT broker."""

import ssl
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, structs


class TlsSettings(Struct, frozen=True, kw_only=True):
    """`[broker.tls]` and `[broker.api_tls]`: files of a mutual TLS connection, in PEM.

    ca           certificate of the authority that the broker must have; no other is trusted
    certificate  own certificate
    key          its private key
    """

    ca: Path
    certificate: Path
    key: Path

    def for_area(self, area: str) -> "TlsSettings":
        """Return these settings with the area's certificate and key (`NAME.AREA.pem`), if these files exist."""
        certificate, key = (path.with_name(f"{path.stem}.{area}{path.suffix}") for path in (self.certificate, self.key))
        return structs.replace(self, certificate=certificate, key=key) if certificate.exists() else self

    def create_context(self) -> ssl.SSLContext:
        """TLS 1.3 with our certificate, trusting only `ca`."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(self.certificate), str(self.key))
        return context


class BrokerSettings(Struct, frozen=True, kw_only=True):
    """`[broker]`: the MQTT broker, as the gateway and the API reach it.

    host           host name or address
    port           8883 is usual with TLS
    username       user name, if the broker asks for one
    password_file  file with the password
    tls            TLS files of the gateway; without them the connection is not encrypted
    api_tls        TLS files of the API, needed with `piekwacht up`; else a broker that uses certificates as client ids
                   disconnects gateway and API in turn
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = None
    api_tls: TlsSettings | None = None

    def for_area(self, area: str) -> "BrokerSettings":
        """Return the settings of one shared area: it has a separate session, which some brokers name by certificate."""
        return structs.replace(self, tls=self.tls.for_area(area) if self.tls else None)

    def for_api(self) -> "BrokerSettings":
        """Return the settings of the API."""
        return structs.replace(self, tls=self.api_tls or self.tls)

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"
