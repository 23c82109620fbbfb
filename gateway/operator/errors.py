"""Refusals of the operator's services: a kind, and one sentence in both languages from the catalogue.

OperatorError   a GatewayError, so that a command ends with the sentence and exit code 1
"""

from enum import StrEnum

from gateway.errors import GatewayError
from gateway.model.texts import texts_of


class RefusalKind(StrEnum):
    """Why an act is refused."""

    INVALID = "invalid"  # a value that cannot be used
    MISSING = "missing"  # the thing does not exist
    OTHER_AREA = "other_area"  # the thing belongs to an area of others
    CONFLICT = "conflict"  # somebody else changed it, or it is done already
    UNAVAILABLE = "unavailable"  # this installation has no means for it


class OperatorError(GatewayError):
    """An act that is refused; nothing was changed. `code` is a key of the catalogue, context `operator_error`."""

    def __init__(self, kind: RefusalKind, code: str, **values: object) -> None:
        self.kind, self.code, self.values = kind, code, values
        super().__init__(self.sentence("en"))

    def sentence(self, language: str) -> str:
        """Return the sentence for people."""
        return texts_of("operator_error", language)[self.code].format(**self.values)
