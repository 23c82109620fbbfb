"""`witness.toml`: the settings of a witness."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError
from edge_agent.wire import NoteError, Signer, Verifier
from gateway.transparency.errors import ProofError
from gateway.transparency.policy import Policy


class WitnessSettings(Struct, frozen=True, kw_only=True):
    """The settings of a witness: its key, and the logs whose heads it signs.

    key_file             private key, made by `piekwacht witness key`
    state_file           memory of the witness; default: beside the key, with the suffix .sqlite
    logs                 public keys of the logs, one line of text each
    policy               file with further logs: the policy that the operator of a log publishes
    host                 address to listen on
    port                 port to listen on
    requests_per_minute  requests of one address above which it receives status 429
    """

    key_file: Path
    state_file: Path | None = None
    logs: tuple[str, ...] = ()
    policy: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8087
    requests_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 120

    def __post_init__(self) -> None:
        if not self.logs and self.policy is None:
            raise ValueError("give the public key of at least one log in `logs`, or a file in `policy`")

    @property
    def state_path(self) -> Path:
        """The file of the memory."""
        return self.state_file or state_beside(self.key_file)


def state_beside(key_file: Path) -> Path:
    """Return the default file of the memory of this key."""
    return key_file.with_suffix(".sqlite")


def read_signer(path: Path) -> Signer:
    """Read the private key. Raises ConfigurationError; its message never contains the key."""
    try:
        return Signer.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except (NoteError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def read_logs(settings: WitnessSettings) -> Mapping[str, Verifier]:
    """Return origin -> public key of every log. Raises ConfigurationError, also for the key of the witness itself."""
    keys = [*_parse_keys(settings.logs), *_read_policy(settings.policy)]
    own = read_signer(settings.key_file).verifier.public
    logs: dict[str, Verifier] = {}
    for key in keys:
        if key.public == own:
            raise ConfigurationError(f"logs: {key.name} has the key of this witness; a witness cannot watch itself")
        if logs.setdefault(key.name, key) != key:
            raise ConfigurationError(f"logs: two keys of the log {key.name}; a log has one key")
    return logs


def _parse_keys(texts: tuple[str, ...]) -> list[Verifier]:
    try:
        return [Verifier.parse(text) for text in texts]
    except NoteError as error:
        raise ConfigurationError(f"logs: {error}") from None


def _read_policy(path: Path | None) -> list[Verifier]:
    if path is None:
        return []
    try:
        return [log.key for log in Policy.parse(path.read_text(encoding="utf-8")).logs.values()]
    except OSError as error:
        raise ConfigurationError(f"policy: {path} cannot be read ({error.strerror})") from None
    except (ProofError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"policy: {path}: {error}") from None
