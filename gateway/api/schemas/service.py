"""What the service says of itself: where everything is, and what was wrong with a request."""

import msgspec

from gateway.api.schemas.schema import LicensedDocument, Schema


class Landing(LicensedDocument, frozen=True, kw_only=True):
    """Where everything is."""

    title: str
    version: str
    links: dict[str, str]


class InvalidParameter(Schema, frozen=True, kw_only=True):
    """One thing that was wrong with a request."""

    name: str
    reason: str


class Problem(Schema, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    invalid_params: list[InvalidParameter] = msgspec.field(default_factory=list)
