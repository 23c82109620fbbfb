"""Signed links of subscribers: to confirm, to manage, and to stop. Pure.

A token names a contact by its random id and nothing else of the person. After the contact is erased it leads nowhere.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import DecodeError, Struct, json

from alerting.record.signed_token import sign_payload, verify_payload
from alerting.vocabulary import Language

CONFIRM_VALIDITY = timedelta(hours=48)  # unconfirmed contacts are deleted after as long


class LinkPurpose(StrEnum):
    """Purposes of links; each has its path and its signature."""

    CONFIRM = "bevestigen"
    MANAGE = "beheren"
    STOP = "stoppen"


class LinkPayload(Struct, frozen=True, kw_only=True, array_like=True):
    """Contents of a token. `subscription`: the one to confirm. `expires`: Unix seconds; 0 never."""

    contact: str
    subscription: str = ""
    expires: int = 0


def sign_link(purpose: LinkPurpose, payload: LinkPayload, keys: Mapping[int, bytes]) -> str:
    """Return the token of a link."""
    return sign_payload(json.encode(payload), purpose.value, keys)


def verify_link(purpose: LinkPurpose, token: str, keys: Mapping[int, bytes], now: datetime) -> LinkPayload | None:
    """Return a token's contents; None if it is forged, of another purpose, or expired. Never raises."""
    content = verify_payload(token, purpose.value, keys)
    if content is None:
        return None
    try:
        payload = json.decode(content, type=LinkPayload)
    except DecodeError:
        return None
    return payload if payload.expires == 0 or now.timestamp() < payload.expires else None


def build_url(public_url: str, language: Language, purpose: LinkPurpose, token: str) -> str:
    """Return the address of the page that a token opens."""
    return f"{public_url.rstrip('/')}/{language}/waarschuw-mij/{purpose.value}/{token}"
