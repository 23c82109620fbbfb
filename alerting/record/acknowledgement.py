"""The link in a mail with which a receiver acknowledges an alert: signed, expiring, safe against link scanners.

Mail gateways open every link in a mail before a person does. So opening the link (GET) only shows a page; the button
on that page (POST) acknowledges. The token names the alert and the receiver and nothing secret; its holder can
acknowledge that one alert and nothing else. Pure: signing and verifying take keys and the time as arguments.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from msgspec import DecodeError, Meta, Struct, json

from alerting.alert import Alert
from alerting.message.texts import build_headline
from alerting.record.signed_token import sign_payload, verify_payload
from alerting.templates import load_templates
from alerting.vocabulary import Language, format_time, texts_of

VALIDITY = timedelta(days=7)
_PURPOSE = "acknowledge"
_TEMPLATES = load_templates(Path(__file__).with_name("templates"))


class TokenPayload(Struct, frozen=True, kw_only=True, array_like=True):
    """A token's contents: this receiver may acknowledge this event until `expires` (Unix seconds).

    `notification_id`: the notification with the link; alerts gathered into it are acknowledged with it.
    """

    event: str
    receiver: str
    notification_id: str
    expires: int
    language: Language


class TokenRejection(StrEnum):
    """Why a token is rejected; also a metric's label."""

    FORGED = "forged"  # damaged, or not signed by us
    EXPIRED = "expired"


class AcknowledgementForm(Struct, frozen=True, kw_only=True):
    """The fields of the page's form; an empty name stands for the receiver as a whole."""

    name: Annotated[str, Meta(max_length=100)]
    note: Annotated[str, Meta(max_length=1_000)]


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """A stored acknowledgement."""

    who: str
    note: str
    at: datetime


def sign_token(payload: TokenPayload, keys: Mapping[int, bytes]) -> str:
    """Return the token, signed with the newest key. Raises ValueError if `verify_token` would refuse its length."""
    return sign_payload(json.encode(payload), _PURPOSE, keys)


def verify_token(token: str, keys: Mapping[int, bytes], now: datetime) -> TokenPayload | TokenRejection:
    """Return a token's contents, or why it is rejected. Never raises."""
    content = verify_payload(token, _PURPOSE, keys)
    try:
        payload = None if content is None else json.decode(content, type=TokenPayload)
    except DecodeError:
        payload = None
    if payload is None:
        return TokenRejection.FORGED
    return payload if now.timestamp() < payload.expires else TokenRejection.EXPIRED


def parse_form(body: bytes) -> AcknowledgementForm | None:
    """Return the form's fields; None without the button's field, so that a scanner's POST acknowledges nothing."""
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
    """Return the page: the alert, earlier acknowledgements, and the button."""
    language = payload.language
    return _TEMPLATES.get_template("acknowledge.html").render(
        texts=texts_of("acknowledge", language),
        language=language,
        headline=build_headline(alert, language),
        onset=format_time(alert.onset, language),
        acknowledgements=[
            {
                "who": acknowledgement.who,
                "at": format_time(acknowledgement.at, language),
                "note": acknowledgement.note,
            }
            for acknowledgement in acknowledgements
        ],
        receiver=payload.receiver,
        event_ended=event_ended,
        page_path=None if alert.is_about_network else alert.page_path,
        home=_home_path(language),
        action=f"/acknowledge/{token}",
        rejections=None,
    )


def render_rejection(reason: TokenRejection, language: Language = "nl") -> str:
    """Return the page for a rejected link: in both languages, because only a valid token has the language."""
    return _TEMPLATES.get_template("acknowledge.html").render(
        texts=texts_of("acknowledge", language),
        language=language,
        acknowledgements=[],
        home=_home_path(language),
        rejections=[texts_of("acknowledge", page_language)[reason.value] for page_language in ("nl", "en")],
    )


def _home_path(language: Language) -> str:
    return "/" if language == "nl" else "/en/"


def _clean_field(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in fields.get(name, [""])[0]).split())
