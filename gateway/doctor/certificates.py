"""Checks of what expires: certificates of ours, of the authority and of the broker, and the contact for security."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.api.settings import SecurityTxtSettings
from gateway.doctor.finding import Finding, FindingFactory
from gateway.mqtt.settings import BrokerSettings, TlsSettings

_EXPIRY_WARNING = timedelta(days=30)
_CONNECT_TIMEOUT = 5.0  # s for the broker's answer
_REFUSAL_TIMEOUT = 0.5  # s in which a TLS 1.3 server rejects our certificate after the handshake

_FINDING = FindingFactory("certificates")


def check_certificates(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Check our own files; `check_broker` checks the broker's certificate."""
    if settings.tls is None:
        yield _FINDING.note(
            "the connection to the broker has no TLS", "set [broker.tls], unless the broker is on this machine"
        )
        return
    certificates = {}
    for name, path in (("authority", settings.tls.ca), ("certificate", settings.tls.certificate)):
        try:
            certificates[name] = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            yield _FINDING.fault(f"{path} is no readable certificate", "copy it again from where it was created")
            return
    authority, client_certificate = certificates["authority"], certificates["certificate"]
    yield from check_validity(
        authority, "the authority's certificate", "create a new authority and enrol every node again", now
    )
    yield from check_validity(
        client_certificate, "our certificate for the broker", "create a new one: `piekwacht ca client`", now
    )
    yield from _check_chain_and_key(settings.tls, authority, client_certificate)


def check_validity(certificate: x509.Certificate, label: str, remedy: str, now: datetime) -> Iterator[Finding]:
    """Whether the certificate is valid at `now`, and until when."""
    not_after, not_before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > not_after:
        yield _FINDING.fault(f"{label} expired on {not_after:%Y-%m-%d}", remedy)
    elif now < not_before:
        yield _FINDING.fault(
            f"{label} is not valid before {not_before:%Y-%m-%d %H:%M}Z", "set this machine's clock right"
        )
    elif not_after - now < _EXPIRY_WARNING:
        yield _FINDING.warning(f"{label} expires on {not_after:%Y-%m-%d}", remedy)
    else:
        yield _FINDING.ok(f"{label} is valid until {not_after:%Y-%m-%d}")


def _check_chain_and_key(
    tls: TlsSettings, authority: x509.Certificate, client_certificate: x509.Certificate
) -> Iterator[Finding]:
    try:
        client_certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        yield _FINDING.fault(f"{tls.certificate} was not issued by {tls.ca}", "use files of the same authority")
    try:
        tls.create_context()
    except OSError:  # also ssl.SSLError
        yield _FINDING.fault(f"{tls.key} is not the key of {tls.certificate}", "copy both from where they were created")


def check_contact(contact: SecurityTxtSettings | None, now: datetime) -> Iterator[Finding]:
    """Whether `/.well-known/security.txt` is published, and until when."""
    finding, remedy = FindingFactory("security contact"), "look whether it is still right, and set a new `expires`"
    if contact is None:
        yield finding.note("this site names no contact for security", "set [api.security_txt]")
        return
    problem = contact.find_problem(now)
    if problem is not None:
        yield finding.fault(f"security.txt is not published: {problem}", remedy)
    elif datetime.fromisoformat(contact.expires) - now < _EXPIRY_WARNING:
        yield finding.warning(f"the contact for security expires on {contact.expires}", remedy)
    else:
        yield finding.ok(f"the contact for security is valid until {contact.expires}")


def check_broker(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Connect and do the TLS handshake as the gateway would, without MQTT.

    An MQTT session under this certificate's name would replace the gateway's session and take its queue.
    """
    finding = FindingFactory("broker")
    try:
        with socket.create_connection((settings.host, settings.port), timeout=_CONNECT_TIMEOUT) as connection:
            if settings.tls is None:
                yield finding.ok(f"a server listens at {settings}")
            else:
                yield from _check_handshake(settings, connection, now)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        remedy = "start the broker, or change [broker] host and port"
        yield finding.fault(f"no broker at {settings} ({reason})", remedy)


def _check_handshake(settings: BrokerSettings, connection: socket.socket, now: datetime) -> Iterator[Finding]:
    finding = FindingFactory("broker")
    try:
        context = settings.tls.create_context() if settings.tls else ssl.create_default_context()
    except OSError:
        yield finding.note(f"{settings} cannot be checked without our certificate", "see the check `certificates`")
        return
    try:
        with context.wrap_socket(connection, server_hostname=settings.host) as tls_connection:
            server_certificate = tls_connection.getpeercert(binary_form=True)
            tls_connection.settimeout(_REFUSAL_TIMEOUT)
            with contextlib.suppress(TimeoutError):  # no answer: the server accepts us and waits for MQTT
                if tls_connection.recv(1) == b"":
                    yield finding.fault(
                        f"{settings} closes the connection", "see the broker's log; is our certificate revoked?"
                    )
                    return
    except ssl.SSLCertVerificationError as error:
        yield finding.fault(
            f"{settings} has an invalid certificate: {error.verify_message}", _verification_remedy(error)
        )
    except ssl.SSLError as error:
        remedy = "see the broker's log: is our certificate revoked, expired or from another authority?"
        yield finding.fault(f"{settings} rejects our certificate ({error.reason or error})", remedy)
    except (ValueError, OSError) as error:
        yield finding.fault(f"no TLS with {settings} ({error})", "check [broker.tls]")
    else:
        yield finding.ok(f"{settings} answers, and accepts our certificate")
        if server_certificate is not None:
            certificate = x509.load_der_x509_certificate(server_certificate)
            yield from check_validity(
                certificate, "the broker's certificate", "create a new one: `piekwacht ca server`", now
            )


def _verification_remedy(error: ssl.SSLCertVerificationError) -> str:
    if "expired" in error.verify_message:
        return "create a new one: `piekwacht ca server`; or is this machine's clock wrong?"
    if "mismatch" in error.verify_message.lower() or "not valid for" in error.verify_message:
        return (
            "set [broker] host to a name in the certificate, or create one for this name: `piekwacht ca server --host`"
        )
    return "set [broker.tls] ca to the authority that issued it"


def current_time() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def read_not_before(path: Path) -> datetime | None:
    """Return the start of a certificate's validity, or None; an earlier clock is wrong."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return None
