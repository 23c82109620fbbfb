"""agent.toml: assembled here, each table described where it is used."""

import hashlib
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.broker import BrokerSettings
from edge_agent.collector import BatchSettings
from edge_agent.configuration import ConfigurationError, load_toml
from edge_agent.sensor_factory import SensorSettings
from edge_agent.spool import SpoolSettings
from edge_agent.wire import Name, NoteError, Signer, Verifier


class NodeSettings(Struct, frozen=True, kw_only=True):
    """`[node]`: the identity of this node.

    id        MQTT client id and common name of the certificate
    area      area whose gateway receives the readings
    key_file  private key that signs every batch, `PRIVATE+KEY+...`, mode 0600
    """

    id: Name
    area: Name
    key_file: Path

    def load_signer(self) -> Signer:
        """The node's key; ConfigurationError where it cannot be read or is another node's."""
        path = self.key_file
        try:
            signer = Signer.parse(path.read_text())
        except OSError as error:
            raise ConfigurationError(f"node.key_file: {path} cannot be read ({error.strerror})") from None
        except (NoteError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"node.key_file: {path}: {error}") from None
        if signer.name != self.id:
            raise ConfigurationError(f"node.key_file: {path} is the key of {signer.name}, and this node is {self.id}")
        return signer


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """`[gateway]`: keys that verify the gateway's StoredRanges. Give two while one replaces the other.

    keys       verifier keys
    key_files  files with one verifier key each
    """

    keys: list[str] = []
    key_files: list[Path] = []

    def load_verifiers(self) -> list[Verifier]:
        """The gateway's keys; ConfigurationError where there is none or one cannot be read."""
        texts = [(f"gateway.keys[{i}]", text) for i, text in enumerate(self.keys)]
        for path in self.key_files:
            try:
                texts.append((f"gateway.key_files: {path}", path.read_text()))
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"gateway.key_files: {path} cannot be read ({error})") from None
        if not texts:
            raise ConfigurationError("gateway: give the area gateway's verifier key in `keys` or `key_files`")
        return [_parse_verifier(source, text) for source, text in texts]


def _parse_verifier(source: str, text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except NoteError as error:
        raise ConfigurationError(f"{source}: {error}") from None


class LogSettings(Struct, frozen=True, kw_only=True):
    """`[log]`: logs on standard error, and a record of readings.

    generated  file that records every reading, outside the spool, to check the system against
    level      lowest level that is written
    """

    generated: Path | None = None
    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file."""

    node: NodeSettings
    gateway: GatewaySettings
    spool: SpoolSettings
    broker: BrokerSettings = BrokerSettings()
    batch: BatchSettings = BatchSettings()
    log: LogSettings = LogSettings()
    sensor: Annotated[list[SensorSettings], Meta(min_length=1)]


class Configuration(Struct, frozen=True, kw_only=True):
    """A settings file as it was read; `hash` names the version in force."""

    settings: Settings
    hash: str


def read_configuration(path: Path) -> Configuration:
    """Read agent.toml, or raise ConfigurationError."""
    return Configuration(settings=load_toml(path, Settings), hash=hash_configuration(path.read_bytes()))


def hash_configuration(content: bytes) -> str:
    """The name of one version of a configuration."""
    return hashlib.sha256(content).hexdigest()[:16]
