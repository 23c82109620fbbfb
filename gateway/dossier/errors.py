"""Error of the dossier."""

from gateway.errors import GatewayError


class DossierError(GatewayError):
    """A dossier cannot be made; the message names the cause and the remedy in one sentence."""
