"""Loggers of alerting and the gateway: a short event text, with ids as keys.

    _LOG = get_logger("alerting.dispatch")
    _LOG.info("delivery succeeded", event_id="5cjs", receiver="piket")

A logger's name is the folder of the code that writes, so that it survives a renamed file. The page
docs/operator/logs.md lists all names. structlog collects the keys; the record goes to the standard library's logging,
whose handler and format the process chooses (gateway/system/logging_setup.py). Keys of `logging.LogRecord` itself,
such as `name`, `args` and `message`, raise KeyError.
"""

import logging
from typing import cast

import structlog

_PROCESSORS = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.render_to_log_kwargs,
]


def escape_unprintable(text: str) -> str:
    r"""Return the text with `\x1b` for characters that a terminal or a log would obey: strangers choose some texts."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger `name`; it writes nothing until the process configures logging, like any logger."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return cast("structlog.stdlib.BoundLogger", logger)
