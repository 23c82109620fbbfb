"""Errors of the gateway, as one tree.

GatewayError
  StartError      something outside the process is missing or in use: one line for the operator, exit code 1
"""


class GatewayError(Exception):
    """Root of the gateway's own errors."""


class StartError(GatewayError):
    """The process cannot start or continue; the message names the cause and the remedy."""
