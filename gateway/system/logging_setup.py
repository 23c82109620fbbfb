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


class Format(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class Level(StrEnum):
    """From which weight on something is written; `debug` names every batch."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Struct, frozen=True, kw_only=True):
    """`[log]` of piekwacht.toml."""

    format: Format = Format.TEXT
    level: Level = Level.INFO


def begin(settings: LogSettings) -> None:
    """From here on everything that is logged goes to standard error like this; libraries only from `info` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if settings.format is Format.JSON else _Text())
    logging.basicConfig(level=max(logging.INFO, _weight(settings)), handlers=[handler])
    for ours in ("gateway", "alerting"):
        logging.getLogger(ours).setLevel(_weight(settings))


def _weight(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _about(record: logging.LogRecord) -> Mapping[str, object]:
    found = getattr(record, "about", None)
    return found if isinstance(found, Mapping) else {}


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(ids)s")

    def format(self, record: logging.LogRecord) -> str:
        record.ids = "".join(f" {name}={value}" for name, value in _about(record).items())
        return super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "part": record.name,
            "says": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode(errors="replace")
