"""Alerting's errors, as one tree.

AlertingError
  SettingsError    a receiver, route or channel that cannot be used
"""


class AlertingError(Exception):
    """Root of alerting's own errors."""


class SettingsError(AlertingError, ValueError):
    """The settings hold something that cannot work; the text names it and its path."""


def one_line(error: BaseException) -> str:
    """Return the error's text on one line, or its type's name if it has no text: for log lines and sentences."""
    return " ".join(str(error).split()) or type(error).__name__
