"""What our processes write to standard error: a line a record, as text or as JSON, with the ids that lead on.

A record's ids travel in `extra={"about": {...}}`: batch, node, event, revision, receiver. Whoever collects the lines
follows a reading by them from the broker to the mail (docs/operator/logs.md).
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from msgspec import Struct


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """From which weight on something is written; `debug` names every batch."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Struct, frozen=True, kw_only=True):
    """`[log]` of piekwacht.toml."""

    format: LogFormat = LogFormat.TEXT
    level: LogLevel = LogLevel.INFO


def configure_logging(settings: LogSettings) -> None:
    """From here on everything that is logged goes to standard error like this; libraries only from `info` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if settings.format is LogFormat.JSON else _TextFormatter())
    logging.basicConfig(level=max(logging.INFO, _numeric_level(settings)), handlers=[handler])
    for package in ("gateway", "alerting"):
        logging.getLogger(package).setLevel(_numeric_level(settings))


def _numeric_level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _read_context(record: logging.LogRecord) -> Mapping[str, object]:
    context = getattr(record, "about", None)
    return context if isinstance(context, Mapping) else {}


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(ids)s")

    def format(self, record: logging.LogRecord) -> str:
        record.ids = "".join(f" {name}={value}" for name, value in _read_context(record).items())
        return super().format(record)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "part": record.name,
            "says": record.getMessage(),
            **_read_context(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode(errors="replace")
