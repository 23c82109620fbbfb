"""Configuration from afar: signed, versioned, tried, and taken back by the node itself when it does no good.

The gateway publishes a Desired on the node's `config` topic, retained. Only `[batch]`, `[[sensor]]` and
the certificate can be replaced: identity, keys, broker and spool are the business of whoever holds the
card. A new version is on trial: it is kept once the gateway has confirmed readings made under it, and
taken back when that does not happen in time, when the agent cannot start with it, or when it keeps
dying of it. A certificate that the broker refuses is thereby taken back like a sensor that does not work.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edge_agent.configuration import ConfigurationError, convert
from edge_agent.sensor_factory import assemble
from edge_agent.sensor_state import Memory
from edge_agent.settings import Configuration, Settings, hash_of, read
from edge_agent.wire import Desired

TRIAL_SECONDS = 600.0
_STARTS = 3  # a trial that ends in a crash so often is over
_TABLES = frozenset({"batch", "sensor"})
_NO_TRIAL: dict[str, Any] = {"trial": None, "trial_version": 0, "trial_certificate": "", "starts": 0}


class Standing(Struct, frozen=True, kw_only=True):
    """What the node knows of versions from afar: the one in force, one on trial, and why the last was refused."""

    accepted: str | None = None
    version: int = 0
    trial: str | None = None
    trial_version: int = 0
    certificate: str = ""
    trial_certificate: str = ""
    starts: int = 0
    refused_version: int = 0
    error: str | None = None


class Remote:
    """The file beside the spool that remembers this over restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.standing = Standing()
        try:
            self.standing = msgspec.json.decode(path.read_bytes(), type=Standing)
        except (OSError, msgspec.MsgspecError):
            return  # none yet, or damaged: the card's own configuration is in force

    def effective(self, base: Path) -> Configuration:
        """The configuration to start with now; a trial that cannot be used is refused on the spot."""
        if self.standing.trial is not None:
            if self.standing.starts >= _STARTS:
                self.refuse(f"the agent died {_STARTS} times with it")
            else:
                self._change(starts=self.standing.starts + 1)
                try:
                    return self._with(base, self.standing.trial, self.standing.trial_certificate, "tried")
                except ConfigurationError as error:
                    self.refuse(str(error))
        return self.kept(base)

    def kept(self, base: Path) -> Configuration:
        """What is in force when nothing is on trial: the card's own, or what proved itself."""
        if self.standing.accepted is None:
            return read(base)
        return self._with(base, self.standing.accepted, self.standing.certificate, "kept")

    def consider(self, desired: Desired, base: Path) -> bool:
        """Whether this is new and can be tried; then it is on trial, and the agent must start again."""
        known = max(self.standing.version, self.standing.trial_version, self.standing.refused_version)
        if desired.version <= known:
            return False
        try:
            self._with(base, desired.toml, desired.certificate, "tried")
        except ConfigurationError as error:
            self._change(refused_version=desired.version, error=str(error))
            return False
        self._change(
            trial=desired.toml,
            trial_certificate=desired.certificate,
            trial_version=desired.version,
            starts=0,
            error=None,
        )
        return True

    @property
    def on_trial(self) -> bool:
        """Whether the configuration in force has still to prove itself."""
        return self.standing.trial is not None

    def accept(self) -> None:
        """The gateway confirmed readings made under it."""
        standing = self.standing
        kept = {
            "accepted": standing.trial,
            "certificate": standing.trial_certificate,
            "version": standing.trial_version,
        }
        self._change(**kept, **_NO_TRIAL)

    def refuse(self, why: str) -> None:
        """Back to what was in force before."""
        version = self.standing.trial_version
        self._change(**_NO_TRIAL, refused_version=version, error=why)

    def _with(self, base: Path, overlay: str, certificate: str, stage: str) -> Configuration:
        """The card's configuration under what came from afar; the certificate lies in a file beside ours."""
        configuration = merged(base, overlay)
        if not certificate:
            return configuration
        path = self._path.with_suffix(f".{stage}.pem")
        path.write_text(certificate)
        return _recertified(configuration, path)

    def _change(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Standing
        self.standing = msgspec.structs.replace(self.standing, **changes)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(self.standing))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def merged(base: Path, overlay: str) -> Configuration:
    """The card's configuration with `[batch]` and `[[sensor]]` replaced; ConfigurationError says what is wrong."""
    try:
        wanted = tomllib.loads(overlay)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration from afar: not TOML: {error}") from None
    foreign = sorted(set(wanted) - _TABLES)
    if foreign:
        raise ConfigurationError(
            f"configuration from afar: `{foreign[0]}` cannot be set there; only batch and sensor can"
        )
    read(base)  # its own errors first, under its own name
    table = {**tomllib.loads(base.read_text(encoding="utf-8")), **wanted}
    settings = convert(table, Settings, source="configuration from afar", folder=base.resolve().parent)
    assemble(settings.sensor, Memory(settings.spool.path.with_suffix(".memory")))
    return Configuration(settings=settings, hash=hash_of(base.read_bytes() + overlay.encode()))


def _recertified(configuration: Configuration, certificate: Path) -> Configuration:
    """The same with another certificate for the same key; ConfigurationError where they do not fit."""
    broker = configuration.settings.broker
    if broker.tls is None:
        raise ConfigurationError("configuration from afar: a certificate, and this node's broker is without TLS")
    tls = msgspec.structs.replace(broker.tls, certificate=certificate)
    tls.context()
    broker = msgspec.structs.replace(broker, tls=tls)
    settings = msgspec.structs.replace(configuration.settings, broker=broker)
    return Configuration(settings=settings, hash=hash_of(configuration.hash.encode() + certificate.read_bytes()))
