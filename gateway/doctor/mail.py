"""Whether the mail server would take our alerts: asked up to the password, and nothing is sent."""

import smtplib
import ssl
from collections.abc import Iterator

from alerting.settings import AlertingSettings
from gateway.doctor.finding import Finding, Findings

_PATIENCE = 10.0  # s


def examine(settings: AlertingSettings) -> Iterator[Finding]:
    """A server that is away may be back before the next alert; one that refuses us will refuse that, too."""
    say, smtp = Findings("mail"), settings.smtp
    if not any(receiver.email for receiver in settings.receiver):
        yield say.note("nobody is told by mail")
        return
    where = f"the mail server {smtp.host}:{smtp.port}"
    try:
        _knock(settings)
    except smtplib.SMTPAuthenticationError as error:
        answer = f"{error.smtp_code} {_words(error.smtp_error)}"
        yield say.fault(f"{where} does not let us in ({answer})", "check [alerting.smtp] username and password_file")
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
        yield say.fault(f"{where} does not speak as it should ({_words(error)})", "check [alerting.smtp] port and tls")
    except ssl.SSLError as error:
        yield say.fault(f"{where} cannot be believed ({_words(error)})", "check [alerting.smtp] tls and ca_file")
    except (OSError, smtplib.SMTPException) as error:
        yield say.warning(
            f"{where} does not answer ({_words(error)})",
            "check [alerting.smtp] host and port, and whether there is a way out; alerts wait and are tried again",
        )
    else:
        yield say.well(f"{where} answers, and would take our mail")


def _knock(settings: AlertingSettings) -> None:
    smtp = settings.smtp
    trusted = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)
    if smtp.tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=_PATIENCE, context=trusted)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=_PATIENCE)
    with server:
        if smtp.tls == "starttls":
            server.starttls(context=trusted)
        if smtp.username:
            server.login(smtp.username, smtp.password() or "")
        server.noop()


def _words(error: object) -> str:
    text = error.decode(errors="replace") if isinstance(error, bytes) else str(error)
    return " ".join(text.split())[:200] or type(error).__name__
