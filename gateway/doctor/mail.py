"""Check of the mail server: connect and log in as alerting would, and send nothing."""

import smtplib
import ssl
from collections.abc import Iterator

from alerting.settings import AlertingSettings
from gateway.doctor.finding import Finding, FindingFactory

_TIMEOUT = 10.0  # s


def check_mail(settings: AlertingSettings, *, has_subscriptions: bool = False) -> Iterator[Finding]:
    """An unreachable server is a warning, as alerts are retried; a rejected login is a fault."""
    finding, smtp = FindingFactory("mail"), settings.smtp
    if not has_subscriptions and not any(receiver.email for receiver in settings.receiver):
        yield finding.note("no receiver has a mail address")
        return
    server = f"the mail server {smtp.host}:{smtp.port}"
    try:
        _connect(settings)
    except smtplib.SMTPAuthenticationError as error:
        answer = f"{error.smtp_code} {_error_text(error.smtp_error)}"
        yield finding.fault(
            f"{server} rejects our login ({answer})", "check [alerting.smtp] username and password_file"
        )
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
        yield finding.fault(
            f"{server} does not speak the expected protocol ({_error_text(error)})",
            "check [alerting.smtp] port and tls",
        )
    except ssl.SSLError as error:
        yield finding.fault(
            f"{server} has no certificate that we trust ({_error_text(error)})", "check [alerting.smtp] tls and ca_file"
        )
    except (OSError, smtplib.SMTPException) as error:
        yield finding.warning(
            f"{server} does not answer ({_error_text(error)})",
            "check [alerting.smtp] host and port, and whether a firewall blocks the way; alerts wait and are retried",
        )
    else:
        yield finding.ok(f"{server} answers, and accepts our login")


def _connect(settings: AlertingSettings) -> None:
    smtp = settings.smtp
    context = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)
    if smtp.tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=_TIMEOUT)
    with server:
        if smtp.tls == "starttls":
            server.starttls(context=context)
        if smtp.username:
            server.login(smtp.username, smtp.password() or "")
        server.noop()


def _error_text(error: Exception | bytes | str) -> str:
    text = error.decode(errors="replace") if isinstance(error, bytes) else str(error)
    return " ".join(text.split())[:200] or type(error).__name__
