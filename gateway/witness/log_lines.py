"""Lines of the witness on standard error, such as `2026-11-29T10:00:00Z ERROR gateway.witness: log forked size=3`."""

import logging
from datetime import UTC, datetime

_OWN_KEYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        keys = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _OWN_KEYS)
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{time} {record.levelname} {record.name}: {record.getMessage()}{keys}{trace}"


def configure_log_lines() -> None:
    """Send every record of this process from level `info` on to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
