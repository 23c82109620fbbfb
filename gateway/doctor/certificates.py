"""Certificates, ours, the authority's and the broker's: do they fit, how long do they last, is ours taken."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.doctor.finding import Finding, FindingFactory
from gateway.mqtt.settings import BrokerSettings, TlsSettings

_EXPIRY_WARNING = timedelta(days=30)
_CONNECT_TIMEOUT = 5.0  # seconds for the broker's answer
_REFUSAL_TIMEOUT = 0.5  # seconds in which a TLS 1.3 server says that it does not take our certificate

_FINDING = FindingFactory("certificates")


def check_certificates(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Our own files; the broker's certificate is looked at by `examine_broker`."""
    if settings.tls is None:
        yield _FINDING.note("the broker is reached without TLS", "give [broker.tls], unless it is on this machine")
        return
    certificates = {}
    for name, path in (("authority", settings.tls.ca), ("certificate", settings.tls.certificate)):
        try:
            certificates[name] = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            yield _FINDING.fault(f"{path} is no certificate that can be read", "copy it anew from where it was made")
            return
    authority, client_certificate = certificates["authority"], certificates["certificate"]
    yield from check_validity(
        authority, "the authority's certificate", "make a new authority and enrol every node again", now
    )
    yield from check_validity(
        client_certificate, "our certificate towards the broker", "make a new one: `piekwacht ca client`", now
    )
    yield from _check_chain_and_key(settings.tls, authority, client_certificate)


def check_validity(certificate: x509.Certificate, label: str, remedy: str, now: datetime) -> Iterator[Finding]:
    """Whether it is in force at `now`, and for how long yet."""
    not_after, not_before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > not_after:
        yield _FINDING.fault(f"{label} expired on {not_after:%Y-%m-%d}", remedy)
    elif now < not_before:
        yield _FINDING.fault(
            f"{label} is not in force before {not_before:%Y-%m-%d %H:%M}Z", "set this machine's clock right"
        )
    elif not_after - now < _EXPIRY_WARNING:
        yield _FINDING.warning(f"{label} expires on {not_after:%Y-%m-%d}", remedy)
    else:
        yield _FINDING.ok(f"{label} is in force until {not_after:%Y-%m-%d}")


def _check_chain_and_key(
    tls: TlsSettings, authority: x509.Certificate, client_certificate: x509.Certificate
) -> Iterator[Finding]:
    try:
        client_certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        yield _FINDING.fault(f"{tls.certificate} was not issued by {tls.ca}", "take both from the same authority")
    try:
        tls.create_context()
    except OSError:  # ssl.SSLError is one
        yield _FINDING.fault(f"{tls.key} is not the key of {tls.certificate}", "copy both from where they were made")


def check_broker(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Connect as the gateway would, up to where MQTT would begin.

    No further: a session by this certificate's name would take the gateway's place, and its queue with it.
    """
    finding = FindingFactory("broker")
    try:
        with socket.create_connection((settings.host, settings.port), timeout=_CONNECT_TIMEOUT) as connection:
            if settings.tls is None:
                yield finding.ok(f"something listens at {settings}")
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
        yield finding.note(
            f"{settings} cannot be tried without a certificate of ours", "see what is said of certificates"
        )
        return
    try:
        with context.wrap_socket(connection, server_hostname=settings.host) as tls_connection:
            server_certificate = tls_connection.getpeercert(binary_form=True)
            tls_connection.settimeout(_REFUSAL_TIMEOUT)
            with contextlib.suppress(TimeoutError):  # silence is consent: it waits for us to speak
                if tls_connection.recv(1) == b"":
                    yield finding.fault(
                        f"{settings} hangs up on us", "look at the broker's log; is our certificate revoked?"
                    )
                    return
    except ssl.SSLCertVerificationError as error:
        yield finding.fault(
            f"{settings} shows a certificate that is not good: {error.verify_message}", _verification_remedy(error)
        )
    except ssl.SSLError as error:
        remedy = "is ours revoked, expired or from another authority? look at the broker's log"
        yield finding.fault(f"{settings} does not take our certificate ({error.reason or error})", remedy)
    except (ValueError, OSError) as error:
        yield finding.fault(f"no TLS with {settings} ({error})", "look at [broker.tls]")
    else:
        yield finding.ok(f"{settings} answers, and takes our certificate")
        if server_certificate is not None:
            certificate = x509.load_der_x509_certificate(server_certificate)
            yield from check_validity(
                certificate, "the broker's certificate", "make a new one: `piekwacht ca server`", now
            )


def _verification_remedy(error: ssl.SSLCertVerificationError) -> str:
    if "expired" in error.verify_message:
        return "make a new one: `piekwacht ca server`; or is this machine's clock wrong?"
    if "mismatch" in error.verify_message.lower() or "not valid for" in error.verify_message:
        return "use the name it was made for in [broker] host, or make one for this name: `piekwacht ca server --host`"
    return "give the authority it is from in [broker.tls] ca"


def current_time() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def read_not_before(path: Path) -> datetime | None:
    """From when on a certificate is in force: a clock before that is wrong."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return None
