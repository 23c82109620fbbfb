"""Errors of the gateway, as one tree.

GatewayError
  StartError      something outside the process is missing or in use: one line for the operator, exit code 1
"""

from alerting.errors import one_line


class GatewayError(Exception):
    """Root of the gateway's errors."""


class StartError(GatewayError):
    """The process cannot start or continue; the message names the cause and the remedy."""


def database_unavailable(error: Exception) -> StartError:
    """Build the StartError for a failed connection; `error` is psycopg's."""
    return StartError(f"no database: {one_line(error)}; check [database] dsn")
