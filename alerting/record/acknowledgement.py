"""The link in a mail with which a receiver says "we are on it": signed, expiring, safe against link scanners.

Mail gateways open every link in a mail before a person does. So opening the link (GET) only shows a page; the button
on that page (POST) acknowledges. The token names the alert and the receiver and nothing secret; who holds it can
say "seen" for that one alert and nothing else. Pure: signing and reading take keys and the time as arguments.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import DecodeError, Meta, Struct, json

from alerting.alert import Alert
from alerting.message.texts import build_headline
from alerting.vocabulary import Language, format_time, texts_of

VALIDITY = timedelta(days=7)
_MAC_LENGTH = 16  # bytes: forging one takes 2^128 tries
_MAX_TOKEN_LENGTH = 1_000  # characters of a token
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class TokenPayload(Struct, frozen=True, kw_only=True, array_like=True):
    """What a token says: this receiver may acknowledge this event until `expires` (Unix seconds).

    `message`: the notification it came in; what a storm gathered into that one is acknowledged with it.
    """

    event: str
    receiver: str
    notification_id: str
    expires: int
    language: Language


class TokenRejection(StrEnum):
    """Why a token is not believed; also a metric's label."""

    FORGED = "forged"  # damaged, or never ours
    EXPIRED = "expired"


class AcknowledgementForm(Struct, frozen=True, kw_only=True):
    """What the page's form said; an empty name stands for the receiver as a whole."""

    name: Annotated[str, Meta(max_length=100)]
    note: Annotated[str, Meta(max_length=1_000)]


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """An acknowledgement as it was recorded."""

    who: str
    note: str
    at: datetime


def sign_token(payload: TokenPayload, keys: Mapping[int, bytes]) -> str:
    """The token, signed with the newest key."""
    key_id = max(keys)
    body = f"{key_id}.{_encode_base64(json.encode(payload))}"
    return f"{body}.{_encode_base64(_compute_mac(body, keys[key_id]))}"


def verify_token(token: str, keys: Mapping[int, bytes], now: datetime) -> TokenPayload | TokenRejection:
    """What a token says, or why it is not believed. Never raises."""
    body, _, mac = token[:_MAX_TOKEN_LENGTH].rpartition(".")
    key_id, _, encoded = body.partition(".")
    try:
        secret = keys[int(key_id)]
        if not hmac.compare_digest(urlsafe_b64decode(_add_padding(mac)), _compute_mac(body, secret)):
            return TokenRejection.FORGED
        payload = json.decode(urlsafe_b64decode(_add_padding(encoded)), type=TokenPayload)
    except (KeyError, ValueError, Base64Error, DecodeError):
        return TokenRejection.FORGED
    return payload if now.timestamp() < payload.expires else TokenRejection.EXPIRED


def parse_form(body: bytes) -> AcknowledgementForm | None:
    """The form's fields; None where the button was not pressed (a scanner posting nothing acknowledges nothing)."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        return None
    if fields.get("acknowledge") != ["yes"]:
        return None
    return AcknowledgementForm(name=_clean_field(fields, "name")[:100], note=_clean_field(fields, "note")[:1_000])


def render_page(
    payload: TokenPayload, alert: Alert, acknowledgements: Sequence[Acknowledgement], *, token: str, event_ended: bool
) -> str:
    """The page: what it is about, who answered already, and the button."""
    language = payload.language
    return _TEMPLATES.get_template("acknowledge.html").render(
        w=texts_of("acknowledge", language),
        language=language,
        headline=build_headline(alert, language),
        since=format_time(alert.onset, language),
        said=[
            (acknowledgement.who, format_time(acknowledgement.at, language), acknowledgement.note)
            for acknowledgement in acknowledgements
        ],
        receiver=payload.receiver,
        over=event_ended,
        event_id=None if alert.is_about_network else alert.event_id,
        action=f"/acknowledge/{token}",
        refused=None,
    )


def render_rejection(reason: TokenRejection, language: Language = "nl") -> str:
    """The page for a link that is not believed: in both languages, for only the token knows which."""
    return _TEMPLATES.get_template("acknowledge.html").render(
        w=texts_of("acknowledge", language),
        language=language,
        refused=[texts_of("acknowledge", page_language)[reason.value] for page_language in ("nl", "en")],
    )


def _clean_field(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in fields.get(name, [""])[0]).split())


def _compute_mac(body: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"piekwacht acknowledge {body}".encode(), sha256)[:_MAC_LENGTH]


def _encode_base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _add_padding(text: str) -> bytes:
    return (text + "=" * (-len(text) % 4)).encode("ascii", "replace")
