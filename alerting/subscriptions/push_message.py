"""The request of a Web Push: encryption for the browser (RFC 8291), our signature (VAPID, RFC 8292), and headers.

Raises PushKeyError for a key of ours that cannot be used, ValueError for a browser's key that cannot.
"""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct, json, structs
from py_vapid import Vapid02, VapidException

from alerting.errors import AlertingError, one_line
from alerting.subscriptions.decision import NoticeReason
from alerting.subscriptions.notice_text import NoticeText

MAX_PAYLOAD = 3_993  # bytes before encryption: push services take 4,096 after it
_SIGNATURE_SECONDS = 12 * 3_600  # RFC 8292 permits 24 h
_RENEWAL_SECONDS = 3_600
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")  # RFC 8030, 5.4
_URGENT = frozenset({NoticeReason.FIRST, NoticeReason.WORSE, NoticeReason.REOPENED, NoticeReason.CORRECTED})


class PushKeyError(AlertingError):
    """The VAPID key cannot be read or made; the text names the file and the remedy."""


class PushPayload(Struct, frozen=True, kw_only=True):
    """The payload, which the service worker of the pages reads. `id`: the push id, by which it drops a repeat."""

    id: str
    title: str
    body: str
    url: str
    topic: str
    lang: str


class VapidSigner:
    """Signs requests to push services with our key; a signature serves for many requests to one service."""

    def __init__(self, key_file: Path, contact: str) -> None:
        try:
            self._vapid = Vapid02.from_pem(key_file.read_bytes())
        except (OSError, ValueError, TypeError, VapidException) as error:
            raise PushKeyError(
                f"{key_file}: no VAPID key ({one_line(error)}); make one with `piekwacht subscriptions key FILE`"
            ) from None
        self._contact = contact
        self._headers: dict[str, tuple[float, str]] = {}

    @property
    def public_key(self) -> str:
        """The public key as browsers want it: base64url without padding."""
        return encode_public_key(self._vapid.public_key)

    def sign(self, endpoint: str) -> str:
        """Return the header Authorization for this endpoint. The audience is the origin of the endpoint."""
        target, now = urlsplit(endpoint), time.time()
        audience = f"{target.scheme}://{target.netloc}"
        expires_at, header = self._headers.get(audience, (0.0, ""))
        if now > expires_at - _RENEWAL_SECONDS:
            expires_at = now + _SIGNATURE_SECONDS
            claims = {"sub": self._contact, "aud": audience, "exp": int(expires_at)}
            header = str(self._vapid.sign(claims)["Authorization"])
            self._headers[audience] = expires_at, header
        return header


def create_vapid_key(path: Path) -> str:
    """Make a key, write it to a new file with mode 0600, and return the public key. Raises PushKeyError."""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise PushKeyError(f"{path}: {error.strerror}; give the path of a new file") from None
    vapid = Vapid02()
    vapid.generate_keys()
    path.write_bytes(vapid.private_pem())
    return encode_public_key(vapid.public_key)


def encode_public_key(key: ec.EllipticCurvePublicKey) -> str:
    """Return a public key as an uncompressed point in base64url without padding."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def check_browser_key(key: bytes, secret: bytes) -> None:
    """Raise ValueError if a browser's public key is no point of the curve, or its secret not 16 bytes."""
    if len(key) != 65 or len(secret) != 16:
        raise ValueError("the key has 65 bytes, the secret 16")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)


def encode_payload(text: NoticeText, push_id: str, topic: str, language: str) -> bytes:
    """Return the payload as JSON; texts that are too long for a push are cut."""
    payload = PushPayload(id=push_id, title=text.title, body=text.summary, url=text.url, topic=topic, lang=language)
    content = json.encode(payload)
    if len(content) <= MAX_PAYLOAD:
        return content
    # in JSON a character has at most six bytes
    return json.encode(structs.replace(payload, title=text.title[:80], body=text.summary[:400]))


def encrypt(payload: bytes, key: bytes, secret: bytes) -> bytes:
    """Return the body: the payload for this browser alone, with a new key of ours each time."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    content: bytes = http_ece.encrypt(payload, private_key=private_key, dh=key, auth_secret=secret, version="aes128gcm")
    return content


def build_headers(authorization: str, reason: NoticeReason, topic: str, ttl: int) -> Mapping[str, str]:
    """Return the headers. A newer notice of the same topic replaces one that waits at the push service."""
    headers = {
        "authorization": authorization,
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(ttl),
        "urgency": "high" if reason in _URGENT else "normal",
    }
    return {**headers, "topic": topic} if topic else headers


def build_topic(plume: str) -> str:
    """Return the plume's id as a topic: unchanged if it can be one, else by its hash; empty without a plume."""
    if not plume or _TOPIC.fullmatch(plume):
        return plume
    return base64.urlsafe_b64encode(hashlib.sha256(plume.encode()).digest()[:24]).decode()
