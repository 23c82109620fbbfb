"""Error of every document."""

from gateway.errors import GatewayError


class DocumentError(GatewayError):
    """A document cannot be made; the message names the cause and the remedy in one sentence."""
