"""`[api.access]` of piekwacht.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, Struct


class OidcSettings(Struct, frozen=True, kw_only=True):
    """`[api.access.oidc]`: signing in through the organisation's own provider.

    issuer      its address; the rest is read from /.well-known/openid-configuration below it
    claim       which claim is the name of an account here; accounts are made by an administrator, never by signing in
    """

    issuer: str
    client_id: str
    client_secret_file: Path
    claim: str = "email"


class AccessSettings(Struct, frozen=True, kw_only=True):
    """How often anybody may ask, and how staff sign in.

    per_minute          requests a minute from one address without a key; a burst of as many is let through
    per_minute_key      with a key or a session, for each
    longest_body        bytes of a request
    session_seconds     after which staff sign in again
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {
        "per_minute": "requests_per_minute",
        "per_minute_key": "requests_per_minute_with_key",
        "longest_body": "max_body_bytes",
    }

    requests_per_minute: Annotated[int, Meta(ge=1)] = 600
    requests_per_minute_with_key: Annotated[int, Meta(ge=1)] = 6_000
    max_body_bytes: Annotated[int, Meta(ge=1_024)] = 65_536
    session_seconds: Annotated[float, Meta(gt=0)] = 8 * 3_600.0
    oidc: OidcSettings | None = None
