"""Error of a report."""

from gateway.documents.errors import DocumentError


class ReportError(DocumentError):
    """A report cannot be made; the message names the cause and the remedy in one sentence."""
