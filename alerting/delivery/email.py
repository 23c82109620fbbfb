"""E-mail over SMTP: plain text with HTML beside it. At most one possible repeat a crash, with the same Message-ID."""

from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, getaddresses

import aiosmtplib

from alerting import telemetry
from alerting.delivery.channel import Attempt, Outcome
from alerting.notification import Notification, mail
from alerting.settings import EmailSettings, SmtpSettings


class _Mail(EmailPolicy):
    """Python's own folding loses spaces between two encoded words; a subject is encoded whole instead."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() == "subject" and not value.isascii():
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}\r\n".encode()
        return super().fold_binary(name, value)


_AS_SENT = _Mail(linesep="\r\n", cte_type="7bit")


def compose(
    notification: Notification,
    *,
    channel: EmailSettings,
    smtp: SmtpSettings,
    public_url: str,
    at: datetime,
) -> EmailMessage:
    """The whole message. EmailMessage refuses line breaks in headers, so nothing can be smuggled in."""
    contents = mail(notification, public_url=public_url)
    message = EmailMessage()
    message["From"] = smtp.sender
    message["To"] = ", ".join(channel.to)
    message["Subject"] = contents.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{notification.id}@piekwacht>"
    message["References"] = f"<{notification.alert.event_id}@piekwacht>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "nl"
    message.set_content(contents.text)
    if contents.html is not None:
        message.add_alternative(contents.html, subtype="html")
    else:
        telemetry.TROUBLE.labels("template").inc()
    return message


async def send(message: EmailMessage, smtp: SmtpSettings) -> Attempt:
    """Hand it to the mail server."""
    content = message.as_bytes(policy=_AS_SENT)  # what is hashed is what is sent
    password = smtp.password_file.read_text().strip() if smtp.password_file else None
    try:
        _, answer = await aiosmtplib.send(
            content,
            sender=getaddresses([smtp.sender])[0][1],
            recipients=[address for _, address in getaddresses([str(message["To"])])],
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.username,
            password=password,
            use_tls=smtp.tls == "tls",
            start_tls=smtp.tls == "starttls",
            timeout=smtp.timeout,
        )
    except aiosmtplib.SMTPResponseException as error:
        permanent = 500 <= error.code < 600
        return Attempt(outcome=Outcome.REFUSED if permanent else Outcome.FAILED, detail=str(error), content=content)
    except aiosmtplib.SMTPRecipientsRefused as error:
        permanent = all(500 <= one.code < 600 for one in error.recipients)
        return Attempt(outcome=Outcome.REFUSED if permanent else Outcome.FAILED, detail=str(error), content=content)
    except (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected) as error:
        return Attempt(outcome=Outcome.UNKNOWN, detail=f"no answer: {error}", content=content)
    except (aiosmtplib.SMTPException, OSError) as error:
        return Attempt(outcome=Outcome.FAILED, detail=f"mail server {smtp.host}:{smtp.port}: {error}", content=content)
    return Attempt(outcome=Outcome.DELIVERED, detail=answer, content=content)
