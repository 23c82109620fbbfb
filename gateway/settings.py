"""`piekwacht.toml`: each table is the settings type of one component; this only assembles them."""

import argparse
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, structs

from alerting.settings import AlertingSettings
from alerting.subscriptions.settings import SubscriptionSettings
from edge_agent.configuration import ConfigurationError, load_toml
from gateway.api.settings import ApiSettings
from gateway.assessment.settings import AssessmentSettings
from gateway.context.settings import ContextSettings
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.guests.settings import GuestSettings
from gateway.ingest.settings import IngestSettings
from gateway.mqtt.settings import BrokerSettings
from gateway.operator.settings import OperatorSettings
from gateway.store.retention import RetentionSettings
from gateway.system.logging_setup import LogSettings
from gateway.transparency.settings import PublicLogSettings


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """`[database]`: the PostgreSQL or TimescaleDB server.

    dsn  connection string as libpq reads it; put a password into ~/.pgpass or PGPASSFILE, not here
    """

    dsn: str


class TelemetrySettings(Struct, frozen=True, kw_only=True):
    """`[telemetry]`: address and ports of the metrics. A process without a port serves none.

    `piekwacht api` serves its metrics at its own address, `[api]` host and port.

    host                address that the metrics listen on
    port                port of `piekwacht gateway`; of all services together for `piekwacht up`
    alerting_port       port of `piekwacht alerting`, so that it can run on one machine with a gateway; without it:
                        `port`
    evaluation_port     port of `piekwacht evaluate`
    subscriptions_port  port of `piekwacht subscriptions run`
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"beside_port": "evaluation_port"}

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    alerting_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    evaluation_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    subscriptions_port: Annotated[int, Meta(ge=1, le=65535)] | None = None

    def port_of(self, service: str) -> int | None:
        """The port of this service's own process; `piekwacht api` shows its metrics where it answers anyway."""
        ports = {
            "api": None,
            "alerting": self.alerting_port or self.port,
            "evaluation": self.evaluation_port,
            "subscriptions": self.subscriptions_port,
        }
        return ports.get(service, self.port)


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file."""

    database: DatabaseSettings
    retention: RetentionSettings = RetentionSettings()
    broker: BrokerSettings = BrokerSettings()
    ingest: IngestSettings | None = None
    guests: GuestSettings = GuestSettings()
    detection: DetectionSettings = DetectionSettings()
    shadow: ShadowSettings | None = None
    selftest: SelfTestSettings | None = None
    api: ApiSettings = ApiSettings()
    assessment: AssessmentSettings = AssessmentSettings()
    context: ContextSettings = ContextSettings()
    alerting: AlertingSettings = AlertingSettings()
    subscriptions: SubscriptionSettings | None = None
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
    public_log: PublicLogSettings | None = None
    operator: OperatorSettings = OperatorSettings()

    @property
    def has_evaluation(self) -> bool:
        """Whether anything judges the detector while it works: `piekwacht evaluate` has something to do."""
        return self.shadow is not None or self.selftest is not None


def list_files(value: object, key: str = "") -> Iterator[tuple[str, Path]]:
    """(`broker.tls.key`, its path) of every file that a tree of settings names."""
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, Struct):
        for field in structs.fields(value):
            yield from list_files(getattr(value, field.name), f"{key}.{field.encode_name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from list_files(item, f"{key}[{index}]")


def read(path: Path) -> Settings:
    """Read the file strictly, or raise ConfigurationError with one sentence."""
    settings = load_toml(path, Settings)
    _check_levels(path, settings)
    return settings


def _check_levels(path: Path, settings: Settings) -> None:
    """Refuse levels that no table has, and those that the air of the last day cannot be at or above."""
    for number, route in enumerate(settings.alerting.route):
        for id_ in route.at_or_above:
            from gateway.assessment.levels import CONDITION_AVERAGINGS, LEVELS  # noqa: PLC0415 - read if it is needed

            where = f"{path}: alerting.route[{number}].at_or_above"
            if id_ not in LEVELS:
                nearest = "".join(f"; the nearest is {name!r}" for name in get_close_matches(id_, LEVELS, 1))
                raise ConfigurationError(f"{where}: there is no level {id_!r}{nearest}")
            if LEVELS[id_].averaging not in CONDITION_AVERAGINGS:
                raise ConfigurationError(
                    f"{where}: {id_!r} is no level of a day or an hour, so no alert can wait for it"
                )


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE.toml`, the same for every command; `args.config` is a path for `read`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("piekwacht.toml"),
        metavar="FILE.toml",
        help="the configuration (piekwacht.toml in this folder)",
    )
