"""E-mail over SMTP: plain text, HTML beside it, the peak drawn.

At most one possible repeat a crash, with the same Message-ID.
"""

import asyncio
import logging
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, getaddresses

import aiosmtplib

from alerting import telemetry
from alerting.decide.reason_detail import Code, kept
from alerting.delivery.channel import Attempt, Outcome
from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.message.chart import draw
from alerting.message.email_content import PLOT, mail
from alerting.message.notification import Notification

_LOG = logging.getLogger(__name__)


class _Mail(EmailPolicy):
    """Python's own folding loses spaces between two encoded words; a subject is encoded whole instead."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() == "subject" and not value.isascii():
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}\r\n".encode()
        return super().fold_binary(name, value)


_AS_SENT = _Mail(linesep="\r\n", cte_type="7bit")


async def deliver(
    notification: Notification, channel: EmailSettings, *, smtp: SmtpSettings, public_url: str, at: datetime
) -> Attempt:
    """Draw, compose and hand it to the mail server."""
    plot = None
    if channel.plot and notification.curve is not None and not notification.gathered:
        plot = await asyncio.to_thread(_drawn, notification)
    message = compose(notification, channel=channel, smtp=smtp, public_url=public_url, at=at, plot=plot)
    return await send(message, smtp)


def _drawn(notification: Notification) -> bytes | None:
    """The drawing; a mail without one is better than none."""
    try:
        return draw(notification)
    except (ValueError, OSError, ArithmeticError):
        telemetry.TROUBLE.labels("plot").inc()
        return None


def compose(
    notification: Notification,
    *,
    channel: EmailSettings,
    smtp: SmtpSettings,
    public_url: str,
    at: datetime,
    plot: bytes | None = None,
) -> EmailMessage:
    """The whole message. EmailMessage refuses line breaks in headers, so nothing can be smuggled in."""
    contents = mail(notification, public_url=public_url, plot=plot is not None)
    message = EmailMessage()
    message["From"] = smtp.sender
    message["To"] = ", ".join(channel.to)
    message["Subject"] = contents.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = _reference(notification.id)
    if notification.original is not None and notification.original.id != notification.id:
        message["In-Reply-To"] = _reference(notification.original.id)
        message["References"] = _reference(notification.original.id)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(contents.text)
    if contents.html is None:
        telemetry.TROUBLE.labels("template").inc()
        _LOG.error("a template is broken, the plainest message goes out instead: %s", contents.broken)
    else:
        message.add_alternative(contents.html, subtype="html")
        html = message.get_body(("html",))
        if plot is not None and isinstance(html, EmailMessage):
            html.add_related(plot, "image", "png", cid=f"<{PLOT}>", disposition="inline", filename="piek.png")
    message["Content-Language"] = notification.language  # last: adding a part moves such headers into the first
    return message


def _reference(message_id: str) -> str:
    return f"<{message_id}@piekwacht>"


async def send(message: EmailMessage, smtp: SmtpSettings) -> Attempt:
    """Hand it to the mail server."""
    content = message.as_bytes(policy=_AS_SENT)  # what is hashed is what is sent
    password = smtp.password()
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
            validate_certs=True,
            cert_bundle=str(smtp.ca_file) if smtp.ca_file else None,
            timeout=smtp.timeout,
        )
    except aiosmtplib.SMTPResponseException as error:
        permanent = 500 <= error.code < 600
        return Attempt(outcome=Outcome.REFUSED if permanent else Outcome.FAILED, detail=str(error), content=content)
    except aiosmtplib.SMTPRecipientsRefused as error:
        permanent = all(500 <= one.code < 600 for one in error.recipients)
        return Attempt(outcome=Outcome.REFUSED if permanent else Outcome.FAILED, detail=str(error), content=content)
    except (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected) as error:
        return Attempt(
            outcome=Outcome.UNKNOWN, detail=kept(Code.NO_ANSWER, host=smtp.host, error=str(error)), content=content
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        where = f"{smtp.host}:{smtp.port}"
        why = kept(Code.NO_CONNECTION, host=where, error=str(error))
        return Attempt(outcome=Outcome.FAILED, detail=why, content=content)
    return Attempt(outcome=Outcome.DELIVERED, detail=answer, content=content)
