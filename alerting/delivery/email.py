"""E-mail over SMTP: plain text, with HTML and a drawing of the peak.

A crash can repeat at most one mail, with the same Message-ID.
"""

import asyncio
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, getaddresses

import aiosmtplib

from alerting import telemetry
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.log import get_logger
from alerting.message.chart import draw_chart
from alerting.message.email_content import CHART_CONTENT_ID, render_email
from alerting.message.notification import Notification

_LOG = get_logger("alerting.delivery")


class _SubjectPolicy(EmailPolicy):
    """Encodes a subject as a whole: Python's folding loses spaces between two encoded parts (RFC 2047)."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() == "subject" and not value.isascii():
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}\r\n".encode()
        return super().fold_binary(name, value)


_WIRE_POLICY = _SubjectPolicy(linesep="\r\n", cte_type="7bit")


async def deliver(
    notification: Notification, channel: EmailSettings, *, smtp: SmtpSettings, public_url: str, at: datetime
) -> Delivery:
    """Draw the chart, compose the mail and submit it."""
    chart = None
    if channel.plot and notification.time_series is not None and not notification.gathered:
        chart = await asyncio.to_thread(_draw_chart, notification)
    message = compose(notification, channel=channel, smtp=smtp, public_url=public_url, at=at, chart=chart)
    return await submit(message, smtp)


def _draw_chart(notification: Notification) -> bytes | None:
    """Return the drawing, or None if it fails: the mail then goes without."""
    try:
        return draw_chart(notification)
    except (ValueError, OSError, ArithmeticError):
        telemetry.FAILURES.labels("chart").inc()
        return None


def compose(
    notification: Notification,
    *,
    channel: EmailSettings,
    smtp: SmtpSettings,
    public_url: str,
    at: datetime,
    chart: bytes | None = None,
) -> EmailMessage:
    """Return the whole mail. EmailMessage refuses line breaks in headers, so no text can inject a header."""
    contents = render_email(notification, public_url=public_url, with_chart=chart is not None)
    message = EmailMessage()
    message["From"] = smtp.sender
    message["To"] = ", ".join(channel.to)
    message["Subject"] = contents.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = _message_id(notification.id)
    if notification.original is not None and notification.original.id != notification.id:
        message["In-Reply-To"] = _message_id(notification.original.id)
        message["References"] = _message_id(notification.original.id)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(contents.text)
    if contents.html is None:
        telemetry.FAILURES.labels("template").inc()
        _LOG.error("email template failed, plain text sent", error=contents.template_error)
    else:
        message.add_alternative(contents.html, subtype="html")
        html = message.get_body(("html",))
        if chart is not None and isinstance(html, EmailMessage):
            html.add_related(
                chart, "image", "png", cid=f"<{CHART_CONTENT_ID}>", disposition="inline", filename="piek.png"
            )
    message["Content-Language"] = notification.language  # last: adding a part moves such headers into that part
    return message


def _message_id(message_id: str) -> str:
    return f"<{message_id}@piekwacht>"


async def submit(message: EmailMessage, smtp: SmtpSettings) -> Delivery:
    """Submit the mail to the mail server. The outcome is permanent for 5xx answers, temporary or unknown otherwise."""
    content = message.as_bytes(policy=_WIRE_POLICY)  # the record hashes exactly these bytes
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
        return Delivery(
            outcome=DeliveryOutcome.REFUSED if permanent else DeliveryOutcome.FAILED, detail=str(error), content=content
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        permanent = all(500 <= recipient_error.code < 600 for recipient_error in error.recipients)
        return Delivery(
            outcome=DeliveryOutcome.REFUSED if permanent else DeliveryOutcome.FAILED, detail=str(error), content=content
        )
    except (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected) as error:
        return Delivery(
            outcome=DeliveryOutcome.UNKNOWN,
            detail=encode_detail(DetailCode.NO_ANSWER, host=smtp.host, error=str(error)),
            content=content,
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        address = f"{smtp.host}:{smtp.port}"
        detail = encode_detail(DetailCode.NO_CONNECTION, host=address, error=str(error))
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=detail, content=content)
    return Delivery(outcome=DeliveryOutcome.DELIVERED, detail=answer, content=content)
