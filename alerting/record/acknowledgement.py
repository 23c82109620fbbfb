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
from alerting.message.texts import ACKNOWLEDGE, headline
from alerting.vocabulary import Language, clock

VALID = timedelta(days=7)
_MAC = 16  # bytes: forging one takes 2^128 tries
_LONGEST = 1_000  # characters of a token
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Invitation(Struct, frozen=True, kw_only=True, array_like=True):
    """What a token says: this receiver may acknowledge this event until `expires` (Unix seconds).

    `message`: the notification it came in; what a storm gathered into that one is acknowledged with it.
    """

    event: str
    receiver: str
    message: str
    expires: int
    language: Language


class Refusal(StrEnum):
    """Why a token is not believed; also a metric's label."""

    FORGED = "forged"  # damaged, or never ours
    EXPIRED = "expired"


class Answer(Struct, frozen=True, kw_only=True):
    """What the page's form said; an empty name stands for the receiver as a whole."""

    name: Annotated[str, Meta(max_length=100)]
    note: Annotated[str, Meta(max_length=1_000)]


class Said(Struct, frozen=True, kw_only=True):
    """An acknowledgement as it was recorded."""

    who: str
    note: str
    at: datetime


def sign(invitation: Invitation, keys: Mapping[int, bytes]) -> str:
    """The token, signed with the newest key."""
    key = max(keys)
    body = f"{key}.{_text(json.encode(invitation))}"
    return f"{body}.{_text(_mac(body, keys[key]))}"


def read(token: str, keys: Mapping[int, bytes], now: datetime) -> Invitation | Refusal:
    """What a token says, or why it is not believed. Never raises."""
    body, _, mac = token[:_LONGEST].rpartition(".")
    number, _, said = body.partition(".")
    try:
        secret = keys[int(number)]
        if not hmac.compare_digest(urlsafe_b64decode(_padded(mac)), _mac(body, secret)):
            return Refusal.FORGED
        invitation = json.decode(urlsafe_b64decode(_padded(said)), type=Invitation)
    except (KeyError, ValueError, Base64Error, DecodeError):
        return Refusal.FORGED
    return invitation if now.timestamp() < invitation.expires else Refusal.EXPIRED


def answer(body: bytes) -> Answer | None:
    """The form's fields; None where the button was not pressed (a scanner posting nothing acknowledges nothing)."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        return None
    if fields.get("acknowledge") != ["yes"]:
        return None
    return Answer(name=_line(fields, "name")[:100], note=_line(fields, "note")[:1_000])


def question(invitation: Invitation, alert: Alert, said: Sequence[Said], *, token: str, over: bool) -> str:
    """The page: what it is about, who answered already, and the button."""
    language = invitation.language
    return _TEMPLATES.get_template("acknowledge.html").render(
        w=ACKNOWLEDGE[language],
        language=language,
        headline=headline(alert, language),
        since=clock(alert.onset, language),
        said=[(one.who, clock(one.at, language), one.note) for one in said],
        receiver=invitation.receiver,
        over=over,
        event_id=None if alert.quiet else alert.event_id,
        action=f"/acknowledge/{token}",
        refused=None,
    )


def refused(reason: Refusal, language: Language = "nl") -> str:
    """The page for a link that is not believed: in both languages, for only the token knows which."""
    return _TEMPLATES.get_template("acknowledge.html").render(
        w=ACKNOWLEDGE[language], language=language, refused=[ACKNOWLEDGE[one][reason.value] for one in ("nl", "en")]
    )


def _line(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in fields.get(name, [""])[0]).split())


def _mac(body: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"piekwacht acknowledge {body}".encode(), sha256)[:_MAC]


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _padded(text: str) -> bytes:
    return (text + "=" * (-len(text) % 4)).encode("ascii", "replace")
