"""Whether the mail server would take our alerts: asked up to the password, and nothing is sent."""

import smtplib
import ssl
from collections.abc import Iterator

from alerting.settings import AlertingSettings
from gateway.doctor.finding import Finding, FindingFactory

_TIMEOUT = 10.0  # s


def check_mail(settings: AlertingSettings) -> Iterator[Finding]:
    """A server that is away may be back before the next alert; one that refuses us will refuse that, too."""
    finding, smtp = FindingFactory("mail"), settings.smtp
    if not any(receiver.email for receiver in settings.receiver):
        yield finding.note("nobody is told by mail")
        return
    server = f"the mail server {smtp.host}:{smtp.port}"
    try:
        _connect(settings)
    except smtplib.SMTPAuthenticationError as error:
        answer = f"{error.smtp_code} {_error_text(error.smtp_error)}"
        yield finding.fault(
            f"{server} does not let us in ({answer})", "check [alerting.smtp] username and password_file"
        )
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
        yield finding.fault(
            f"{server} does not speak as it should ({_error_text(error)})", "check [alerting.smtp] port and tls"
        )
    except ssl.SSLError as error:
        yield finding.fault(
            f"{server} cannot be believed ({_error_text(error)})", "check [alerting.smtp] tls and ca_file"
        )
    except (OSError, smtplib.SMTPException) as error:
        yield finding.warning(
            f"{server} does not answer ({_error_text(error)})",
            "check [alerting.smtp] host and port, and whether there is a way out; alerts wait and are tried again",
        )
    else:
        yield finding.ok(f"{server} answers, and would take our mail")


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


def _error_text(error: object) -> str:
    text = error.decode(errors="replace") if isinstance(error, bytes) else str(error)
    return " ".join(text.split())[:200] or type(error).__name__
