"""What can go wrong in the gateway, as one tree.

GatewayError
  StartError      something outside is missing or in use: one line for the operator, exit code 1
"""


class GatewayError(Exception):
    """Root of the gateway's own errors."""


class StartError(GatewayError):
    """The process cannot start or go on: the message names the thing and the remedy."""
