"""Remote configuration: signed, versioned, put on trial, and taken back by the node if it does not work.

The gateway publishes a DesiredConfig on the node's `config` topic, retained. Only `[batch]`, `[[sensor]]` and the
certificate can be replaced: identity, keys, broker and spool stay as on the card. A new version is on trial. It is
accepted once the gateway has confirmed readings made under it. It is taken back if that does not happen in time, if
the agent cannot start with it, or if the agent keeps crashing. A certificate that the broker refuses is taken back
likewise.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edge_agent.atomic_file import write_atomically
from edge_agent.configuration import ConfigurationError, convert_table
from edge_agent.sensor_factory import create_sensors
from edge_agent.sensor_state import SensorState
from edge_agent.settings import Configuration, Settings, hash_configuration, read_configuration
from edge_agent.wire import DesiredConfig

TRIAL_SECONDS = 600.0
_MAX_STARTS = 3  # a trial that ends in a crash so often is over
_ALLOWED_TABLES = frozenset({"batch", "sensor"})
_NO_TRIAL: dict[str, Any] = {"trial": None, "trial_version": 0, "trial_certificate": "", "starts": 0}


class RemoteState(Struct, frozen=True, kw_only=True):
    """Remote versions on this node: in force, on trial, and the reason why the last one was rejected."""

    accepted: str | None = None
    version: int = 0
    trial: str | None = None
    trial_version: int = 0
    certificate: str = ""
    trial_certificate: str = ""
    starts: int = 0
    refused_version: int = 0
    error: str | None = None


class RemoteConfig:
    """The file beside the spool that remembers this over restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.state = RemoteState()
        try:
            self.state = msgspec.json.decode(path.read_bytes(), type=RemoteState)
        except (OSError, msgspec.MsgspecError):
            return  # none yet, or damaged: the card's own configuration is in force

    def load_effective(self, base: Path) -> Configuration:
        """The configuration to start with now; a trial that cannot be used is refused on the spot."""
        if self.state.trial is not None:
            if self.state.starts >= _MAX_STARTS:
                self.refuse_trial(f"the agent died {_MAX_STARTS} times with it")
            else:
                self._update_state(starts=self.state.starts + 1)
                try:
                    return self._apply_overlay(base, self.state.trial, self.state.trial_certificate, "trial")
                except ConfigurationError as error:
                    self.refuse_trial(str(error))
        return self.load_accepted(base)

    def load_accepted(self, base: Path) -> Configuration:
        """The file in force without a trial: that of the card, or the accepted version."""
        if self.state.accepted is None:
            return read_configuration(base)
        return self._apply_overlay(base, self.state.accepted, self.state.certificate, "accepted")

    def start_trial(self, desired: DesiredConfig, base: Path) -> bool:
        """Whether this is new and can be tried; then it is on trial, and the agent must start again."""
        newest_version = max(self.state.version, self.state.trial_version, self.state.refused_version)
        if desired.version <= newest_version:
            return False
        try:
            self._apply_overlay(base, desired.toml, desired.certificate, "trial")
        except ConfigurationError as error:
            self._update_state(refused_version=desired.version, error=str(error))
            return False
        self._update_state(
            trial=desired.toml,
            trial_certificate=desired.certificate,
            trial_version=desired.version,
            starts=0,
            error=None,
        )
        return True

    @property
    def is_on_trial(self) -> bool:
        """Whether the configuration in force has still to prove itself."""
        return self.state.trial is not None

    def accept_trial(self) -> None:
        """The gateway confirmed readings made under it."""
        state = self.state
        accepted = {
            "accepted": state.trial,
            "certificate": state.trial_certificate,
            "version": state.trial_version,
        }
        self._update_state(**accepted, **_NO_TRIAL)

    def refuse_trial(self, reason: str) -> None:
        """Back to what was in force before."""
        version = self.state.trial_version
        self._update_state(**_NO_TRIAL, refused_version=version, error=reason)

    def _apply_overlay(self, base: Path, overlay: str, certificate: str, stage: str) -> Configuration:
        """The card's configuration under the remote settings; the certificate lies in a file beside ours."""
        configuration = merge_overlay(base, overlay)
        if not certificate:
            return configuration
        path = self._path.with_suffix(f".{stage}.pem")
        path.write_text(certificate)
        return _replace_certificate(configuration, path)

    def _update_state(self, **changes: Any) -> None:  # noqa: ANN401 - fields of RemoteState
        self.state = msgspec.structs.replace(self.state, **changes)
        write_atomically(self._path, msgspec.json.encode(self.state))


def merge_overlay(base: Path, overlay: str) -> Configuration:
    """The card's configuration with `[batch]` and `[[sensor]]` replaced. Raises ConfigurationError."""
    try:
        overrides = tomllib.loads(overlay)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"remote configuration: not TOML: {error}") from None
    other_tables = sorted(set(overrides) - _ALLOWED_TABLES)
    if other_tables:
        raise ConfigurationError(
            f"remote configuration: `{other_tables[0]}` cannot be set there; only batch and sensor can"
        )
    read_configuration(base)  # its own errors first, under its own name
    table = {**tomllib.loads(base.read_text(encoding="utf-8")), **overrides}
    settings = convert_table(table, Settings, source="remote configuration", folder=base.resolve().parent)
    create_sensors(settings.sensor, SensorState(settings.spool.path.with_suffix(".memory")))
    return Configuration(settings=settings, hash=hash_configuration(base.read_bytes() + overlay.encode()))


def _replace_certificate(configuration: Configuration, certificate: Path) -> Configuration:
    """The same with another certificate for the same key; ConfigurationError where they do not fit."""
    broker = configuration.settings.broker
    if broker.tls is None:
        raise ConfigurationError("remote configuration: a certificate, and this node's broker is without TLS")
    tls = msgspec.structs.replace(broker.tls, certificate=certificate)
    tls.load_context()
    broker = msgspec.structs.replace(broker, tls=tls)
    settings = msgspec.structs.replace(configuration.settings, broker=broker)
    return Configuration(
        settings=settings, hash=hash_configuration(configuration.hash.encode() + certificate.read_bytes())
    )
