"""`[api.access]` of piekwacht.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, Struct


class OidcSettings(Struct, frozen=True, kw_only=True):
    """`[api.access.oidc]`: sign in through the organisation's OpenID Connect provider.

    issuer              address of the provider; the rest is read from /.well-known/openid-configuration below it
    client_id           client id that the provider gave
    client_secret_file  file with the client secret
    claim               claim that is the name of an account; administrators create accounts, signing in never does
    """

    issuer: str
    client_id: str
    client_secret_file: Path
    claim: str = "email"


class AccessSettings(Struct, frozen=True, kw_only=True):
    """`[api.access]`: rate limits, and how staff sign in.

    requests_per_minute           requests per minute of one address without a key; a burst of as many is accepted
    requests_per_minute_with_key  the same of one key or session
    max_body_bytes                maximum size of a request body
    session_seconds               time after which staff must sign in again
    oidc                          identity provider; without it: name, password and code
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
