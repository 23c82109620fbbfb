"""Types of the operator API: a new guest, its token, and its revocation."""

from datetime import date
from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Id, Schema

_Text = Annotated[str, Meta(min_length=1, max_length=200)]


class NewGuest(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor of somebody else. `owner`, `consentOn` and `consentText` are shown to operators alone.

    `name`: of its station on pages, where "(sensor van bewoner)" is added. The exact place is never published.
    """

    id: Annotated[str, Meta(max_length=63, examples=["guest-duinweg"])]
    area: Id
    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Duinweg"])]
    latitude: Annotated[float, Meta(ge=-90, le=90, examples=[52.494])]
    longitude: Annotated[float, Meta(ge=-180, le=180, examples=[4.594])]
    format: Annotated[str, Meta(max_length=40, examples=["airrohr"])]
    sender: Annotated[str, Meta(min_length=1, max_length=200, examples=["esp8266-12345"])]
    owner: _Text
    consent_on: Annotated[date, Meta(examples=["2026-11-29"])]
    consent_text: Annotated[str, Meta(min_length=1, max_length=200, examples=["2026-1"])]
    mapping: Annotated[str, Meta(max_length=20_000, description="a mapping file, for formats that need one")] | None = (
        None
    )
    topic: Annotated[str, Meta(max_length=200)] | None = None
    poll_url: Annotated[str, Meta(max_length=500)] | None = None


class GuestToken(Schema, frozen=True, kw_only=True):
    """The token of a guest, in this answer alone: it is stored hashed. `address`: where the sensor posts."""

    id: Annotated[str, Meta(examples=["guest-duinweg"])]
    token: str
    address: str


class GuestRevocation(Schema, frozen=True, kw_only=True):
    """A guest whose messages are refused from now on."""

    id: Annotated[str, Meta(examples=["guest-duinweg"])]


SCHEMA_TYPES = (NewGuest, GuestToken, GuestRevocation)
