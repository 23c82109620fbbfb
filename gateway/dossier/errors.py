"""Error of the dossier."""

from gateway.documents.errors import DocumentError


class DossierError(DocumentError):
    """A dossier cannot be made; the message names the cause and the remedy in one sentence."""
