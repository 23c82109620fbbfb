"""Checks what a browser sends for a passkey, by py_webauthn (W3C Web Authentication Level 2, 7.1 and 7.2). Pure.

The library decides whether a response is genuine. Reasons that people can act on are judged first, because the
library's errors differ in their English text only.
"""

import hashlib
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

import webauthn
from msgspec import Struct
from webauthn.helpers import (
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_authenticator_data,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.access.passkey_challenge import CHALLENGE_SECONDS

T = TypeVar("T")

_SITE_NAME = "Piekwacht"
_TIMEOUT_MS = CHALLENGE_SECONDS * 1_000
Credential = Mapping[str, Any]  # a PublicKeyCredential as its toJSON() gives it


class PasskeyOutcome(StrEnum):
    """Outcome of a sign-in or registration with a passkey, as the audit log and the metric have it."""

    SIGNED_IN = "signed_in"
    REGISTERED = "registered"
    NO_CHALLENGE = "no_challenge"  # expired, or asked for by another browser or session
    OTHER_CHALLENGE = "other_challenge"
    USED_CHALLENGE = "used_challenge"
    OTHER_ORIGIN = "other_origin"
    OTHER_SITE = "other_site"
    NO_USER_VERIFICATION = "no_user_verification"
    UNKNOWN_PASSKEY = "unknown_passkey"
    REMOVED_PASSKEY = "removed_passkey"
    KNOWN_PASSKEY = "known_passkey"
    DISABLED = "disabled"
    NO_PASSWORD = "no_password"  # noqa: S105 - an outcome, no password
    OLD_SESSION = "old_session"
    TOO_MANY_PASSKEYS = "too_many_passkeys"
    COUNT_WENT_BACK = "count_went_back"
    NOT_GENUINE = "not_genuine"


class PasskeySite(Struct, frozen=True, kw_only=True):
    """The site that passkeys belong to: its domain (rpId), and the only origin whose pages may use them."""

    domain: str
    origin: str


class Ceremony(Struct, frozen=True, kw_only=True):
    """Site and challenge that a response must answer to."""

    site: PasskeySite
    challenge: bytes


class CheckedPasskey(Struct, frozen=True, kw_only=True):
    """A genuine passkey: what to store of it. `public_key` is COSE, empty for a sign-in."""

    credential_id: bytes
    public_key: bytes = b""
    sign_count: int


class PresentedPasskey(Struct, frozen=True, kw_only=True):
    """The passkey that a sign-in names, and the person that the device names."""

    credential_id: bytes
    user_handle: bytes | None


class _Statement(Struct, frozen=True, kw_only=True):
    challenge: bytes
    origin: str
    domain_sha256: bytes
    is_user_verified: bool


def find_passkey_site(public_url: str) -> PasskeySite | None:
    """Return the site of a public address; None if browsers offer no passkeys there (no TLS, or no name)."""
    url = urlsplit(public_url)
    domain = url.hostname or ""
    if not domain or _is_ip_address(domain) or (url.scheme != "https" and domain != "localhost"):
        return None
    return PasskeySite(domain=domain, origin=f"{url.scheme}://{url.netloc}")


def build_registration_options(
    ceremony: Ceremony, account: str, user_handle: bytes, excluded: Sequence[bytes]
) -> dict[str, Any]:
    """Return the options for navigator.credentials.create(), as JSON has them."""
    options = webauthn.generate_registration_options(
        rp_id=ceremony.site.domain,
        rp_name=_SITE_NAME,
        user_id=user_handle,
        user_name=account,
        user_display_name=account,
        challenge=ceremony.challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in excluded],
    )
    return _to_document(options)


def build_sign_in_options(ceremony: Ceremony) -> dict[str, Any]:
    """Return the options for navigator.credentials.get(), as JSON has them; the device knows its passkeys."""
    options = webauthn.generate_authentication_options(
        rp_id=ceremony.site.domain,
        challenge=ceremony.challenge,
        timeout=_TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _to_document(options)


def read_presented(credential: Credential) -> PresentedPasskey | None:
    """Return which passkey a sign-in names, or None if the document has another form."""
    parsed = _attempt(lambda: parse_authentication_credential_json(dict(credential)))
    if parsed is None:
        return None
    return PresentedPasskey(credential_id=parsed.raw_id, user_handle=parsed.response.user_handle)


def check_registration(credential: Credential, ceremony: Ceremony) -> CheckedPasskey | PasskeyOutcome:
    """Return the new passkey, or why it is refused."""
    statement = _attempt(lambda: _read_registration(credential))
    refusal = _find_refusal(statement, ceremony)
    if refusal is not None:
        return refusal
    verified = _attempt(
        lambda: webauthn.verify_registration_response(
            credential=dict(credential),
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.site.domain,
            expected_origin=ceremony.site.origin,
            require_user_verification=True,
        )
    )
    if verified is None:
        return PasskeyOutcome.NOT_GENUINE
    return CheckedPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
    )


def check_sign_in(
    credential: Credential, ceremony: Ceremony, *, public_key: bytes, sign_count: int
) -> CheckedPasskey | PasskeyOutcome:
    """Return the passkey with its new count, or why the sign-in is refused. `public_key`, `sign_count`: as stored."""
    refusal = _find_refusal(_attempt(lambda: _read_sign_in(credential)), ceremony)
    if refusal is not None:
        return refusal
    verified = _attempt(
        lambda: webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.site.domain,
            expected_origin=ceremony.site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # judged below: only the count of a genuine signature means anything
            require_user_verification=True,
        )
    )
    if verified is None:
        return PasskeyOutcome.NOT_GENUINE
    if not is_count_plausible(sign_count, verified.new_sign_count):
        return PasskeyOutcome.COUNT_WENT_BACK
    return CheckedPasskey(credential_id=verified.credential_id, sign_count=verified.new_sign_count)


def is_count_plausible(stored: int, reported: int) -> bool:
    """Whether a device's count of signatures went up, or the device does not count (0 twice), as synced ones do not."""
    return reported > stored or reported == stored == 0


def _attempt(read: Callable[[], T]) -> T | None:
    """The result, or None after any error.

    A stranger's bytes pass through json, cbor2 and cryptography, whose errors are of many kinds. None of them is ours.
    """
    try:
        return read()
    except Exception:  # noqa: BLE001 - see above
        return None


def _find_refusal(statement: _Statement | None, ceremony: Ceremony) -> PasskeyOutcome | None:
    if statement is None:
        return PasskeyOutcome.NOT_GENUINE
    if statement.challenge != ceremony.challenge:
        return PasskeyOutcome.OTHER_CHALLENGE
    if statement.origin != ceremony.site.origin:
        return PasskeyOutcome.OTHER_ORIGIN
    if statement.domain_sha256 != hashlib.sha256(ceremony.site.domain.encode()).digest():
        return PasskeyOutcome.OTHER_SITE
    return None if statement.is_user_verified else PasskeyOutcome.NO_USER_VERIFICATION


def _read_registration(credential: Credential) -> _Statement:
    response = parse_registration_credential_json(dict(credential)).response
    authenticator = parse_attestation_object(response.attestation_object).auth_data
    client = parse_client_data_json(response.client_data_json)
    return _Statement(
        challenge=client.challenge,
        origin=client.origin,
        domain_sha256=authenticator.rp_id_hash,
        is_user_verified=authenticator.flags.uv,
    )


def _read_sign_in(credential: Credential) -> _Statement:
    response = parse_authentication_credential_json(dict(credential)).response
    authenticator = parse_authenticator_data(response.authenticator_data)
    client = parse_client_data_json(response.client_data_json)
    return _Statement(
        challenge=client.challenge,
        origin=client.origin,
        domain_sha256=authenticator.rp_id_hash,
        is_user_verified=authenticator.flags.uv,
    )


def _to_document(options: Any) -> dict[str, Any]:  # noqa: ANN401 - one of two option types of the library
    document: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return document


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
