"""Certificates, ours, the authority's and the broker's: do they fit, how long do they last, is ours taken."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.doctor.finding import Finding, Findings
from gateway.mqtt.settings import BrokerSettings, TlsSettings

_SOON = timedelta(days=30)
_PATIENCE = 5.0  # seconds for the broker's answer
_REFUSAL = 0.5  # seconds in which a TLS 1.3 server says that it does not take our certificate

_SAY = Findings("certificates")


def examine(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Our own files; the broker's certificate is looked at by `examine_broker`."""
    if settings.tls is None:
        yield _SAY.note("the broker is reached without TLS", "give [broker.tls], unless it is on this machine")
        return
    certificates = {}
    for name, path in (("authority", settings.tls.ca), ("certificate", settings.tls.certificate)):
        try:
            certificates[name] = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            yield _SAY.fault(f"{path} is no certificate that can be read", "copy it anew from where it was made")
            return
    authority, ours = certificates["authority"], certificates["certificate"]
    yield from lasting(authority, "the authority's certificate", "make a new authority and enrol every node again", now)
    yield from lasting(ours, "our certificate towards the broker", "make a new one: `piekwacht ca client`", now)
    yield from _fitting(settings.tls, authority, ours)


def lasting(certificate: x509.Certificate, whose: str, remedy: str, now: datetime) -> Iterator[Finding]:
    """Whether it is in force at `now`, and for how long yet."""
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > ends:
        yield _SAY.fault(f"{whose} expired on {ends:%Y-%m-%d}", remedy)
    elif now < begins:
        yield _SAY.fault(f"{whose} is not in force before {begins:%Y-%m-%d %H:%M}Z", "set this machine's clock right")
    elif ends - now < _SOON:
        yield _SAY.warning(f"{whose} expires on {ends:%Y-%m-%d}", remedy)
    else:
        yield _SAY.well(f"{whose} is in force until {ends:%Y-%m-%d}")


def _fitting(tls: TlsSettings, authority: x509.Certificate, ours: x509.Certificate) -> Iterator[Finding]:
    try:
        ours.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        yield _SAY.fault(f"{tls.certificate} was not issued by {tls.ca}", "take both from the same authority")
    try:
        tls.context()
    except OSError:  # ssl.SSLError is one
        yield _SAY.fault(f"{tls.key} is not the key of {tls.certificate}", "copy both from where they were made")


def examine_broker(settings: BrokerSettings, now: datetime) -> Iterator[Finding]:
    """Connect as the gateway would, up to where MQTT would begin.

    No further: a session by this certificate's name would take the gateway's place, and its queue with it.
    """
    say = Findings("broker")
    try:
        with socket.create_connection((settings.host, settings.port), timeout=_PATIENCE) as link:
            if settings.tls is None:
                yield say.well(f"something listens at {settings}")
            else:
                yield from _handshake(settings, link, now)
    except OSError as error:
        words = error.strerror or str(error) or type(error).__name__
        remedy = "start the broker, or change [broker] host and port"
        yield say.fault(f"no broker at {settings} ({words})", remedy)


def _handshake(settings: BrokerSettings, link: socket.socket, now: datetime) -> Iterator[Finding]:
    say = Findings("broker")
    try:
        context = settings.tls.context() if settings.tls else ssl.create_default_context()
    except OSError:
        yield say.note(f"{settings} cannot be tried without a certificate of ours", "see what is said of certificates")
        return
    try:
        with context.wrap_socket(link, server_hostname=settings.host) as secure:
            theirs = secure.getpeercert(binary_form=True)
            secure.settimeout(_REFUSAL)
            with contextlib.suppress(TimeoutError):  # silence is consent: it waits for us to speak
                if secure.recv(1) == b"":
                    yield say.fault(
                        f"{settings} hangs up on us", "look at the broker's log; is our certificate revoked?"
                    )
                    return
    except ssl.SSLCertVerificationError as error:
        yield say.fault(
            f"{settings} shows a certificate that is not good: {error.verify_message}", _verify_remedy(error)
        )
    except ssl.SSLError as error:
        remedy = "is ours revoked, expired or from another authority? look at the broker's log"
        yield say.fault(f"{settings} does not take our certificate ({error.reason or error})", remedy)
    except (ValueError, OSError) as error:
        yield say.fault(f"no TLS with {settings} ({error})", "look at [broker.tls]")
    else:
        yield say.well(f"{settings} answers, and takes our certificate")
        if theirs is not None:
            server = x509.load_der_x509_certificate(theirs)
            yield from lasting(server, "the broker's certificate", "make a new one: `piekwacht ca server`", now)


def _verify_remedy(error: ssl.SSLCertVerificationError) -> str:
    if "expired" in error.verify_message:
        return "make a new one: `piekwacht ca server`; or is this machine's clock wrong?"
    if "mismatch" in error.verify_message.lower() or "not valid for" in error.verify_message:
        return "use the name it was made for in [broker] host, or make one for this name: `piekwacht ca server --host`"
    return "give the authority it is from in [broker.tls] ca"


def today() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def latest_start(path: Path) -> datetime | None:
    """From when on a certificate is in force: a clock before that is wrong."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return None
