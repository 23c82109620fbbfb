"""Log format of our processes on standard error: one record per line, as text or as JSON, with ids as keys.

Modules log through `alerting.log.get_logger`. Ids such as `batch_id`, `node`, `event_id` and `receiver` let an operator
follow a reading from the broker to the mail (docs/operator/logs.md).
"""

import logging
from datetime import datetime
from enum import StrEnum

import structlog
from msgspec import Struct
from structlog.typing import EventDict, Processor, WrappedLogger

from alerting.log import escape_unprintable


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Lowest level that is written; `debug` names every batch."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Struct, frozen=True, kw_only=True):
    """`[log]`: lines on standard error.

    format  text for people, or JSON with one object per line
    level   lowest level that is written; `debug` names every batch
    """

    format: LogFormat = LogFormat.TEXT
    level: LogLevel = LogLevel.INFO


def _to_text(value: object) -> str:
    """Render times as RFC 3339, anything else as `str` does."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


_RECORD: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
_REMOVE_META = structlog.stdlib.ProcessorFormatter.remove_processors_meta
_JSON: list[Processor] = [_REMOVE_META, structlog.processors.JSONRenderer(default=_to_text)]


def _render_text(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
    """Render `2026-11-28T10:00:00Z WARNING gateway.ingest: database unavailable error=...`."""
    head = f"{fields.pop('timestamp')} {fields.pop('level').upper()} {fields.pop('logger')}: {fields.pop('event')}"
    exception = fields.pop("exception", None)
    keys = "".join(f" {name}={_to_text(value)}" for name, value in fields.items())
    traceback = [escape_unprintable(line) for line in str(exception).split("\n")] if exception else []
    return "\n".join([escape_unprintable(head + keys), *traceback])


_TEXT: list[Processor] = [_REMOVE_META, _render_text]


def configure_logging(settings: LogSettings) -> None:
    """Send every record of this process to standard error in this format; libraries from `info` on at most."""
    handler = logging.StreamHandler()
    processors = _JSON if settings.format is LogFormat.JSON else _TEXT
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_RECORD, processors=processors))
    logging.basicConfig(level=max(logging.INFO, _level(settings)), handlers=[handler])
    for package in ("gateway", "alerting"):
        logging.getLogger(package).setLevel(_level(settings))


def _level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]
