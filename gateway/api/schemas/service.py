"""Types of the index of the API and of error responses."""

import msgspec

from gateway.api.schemas.schema import LicensedDocument, Schema


class Landing(LicensedDocument, frozen=True, kw_only=True):
    """Links to every collection."""

    title: str
    version: str
    links: dict[str, str]


class InvalidParameter(Schema, frozen=True, kw_only=True):
    """One invalid parameter of a request."""

    name: str
    reason: str


class Problem(Schema, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    invalid_params: list[InvalidParameter] = msgspec.field(default_factory=list)
