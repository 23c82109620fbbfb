"""E-mail over SMTP: plain text, with HTML and a drawing of the peak.

Each addressee has its own outcome. A crash can repeat at most one mail, with the same Message-ID.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, getaddresses

from alerting import telemetry
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome
from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.delivery.smtp import send
from alerting.log import get_logger
from alerting.message.chart import draw_chart
from alerting.message.email_content import CHART_CONTENT_ID, MAP_CONTENT_ID, render_email
from alerting.message.notification import Notification
from alerting.message.surroundings_drawing import draw_surroundings

_LOG = get_logger("alerting.delivery")


class _SubjectPolicy(EmailPolicy):
    """Encodes a subject as a whole: Python's folding loses spaces between two encoded parts (RFC 2047)."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() == "subject" and not value.isascii():
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}\r\n".encode()
        return super().fold_binary(name, value)


WIRE_POLICY = _SubjectPolicy(linesep="\r\n", cte_type="7bit")


async def deliver(
    notification: Notification, channel: EmailSettings, context: DeliveryContext, *, smtp: SmtpSettings, at: datetime
) -> Delivery:
    """Draw the chart, compose the mail and submit it for the addressees that are not settled yet."""
    waiting = [address for address in channel.to if address not in context.settled]
    chart = surroundings = None
    if not waiting:
        return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.UNCONFIGURED))
    if channel.plot and notification.time_series is not None and not notification.gathered:
        chart = await asyncio.to_thread(_draw_chart, notification)
    if channel.plot and not notification.gathered and not notification.alert.is_about_network:
        surroundings = await asyncio.to_thread(_draw_surroundings, notification)
    message = compose(
        notification,
        channel=channel,
        smtp=smtp,
        public_url=context.public_url,
        at=at,
        chart=chart,
        surroundings=surroundings,
    )
    return await submit(message, smtp, waiting)


def _draw_chart(notification: Notification) -> bytes | None:
    """Return the drawing, or None if it fails: the mail then goes without."""
    try:
        return draw_chart(notification)
    except (ValueError, OSError, ArithmeticError):
        telemetry.FAILURES.labels("chart").inc()
        return None


def _draw_surroundings(notification: Notification) -> bytes | None:
    """Return the map, or None without anything to show: the mail then goes without."""
    try:
        return draw_surroundings(notification.alert)
    except ValueError:
        return None
    except (OSError, ArithmeticError):
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
    surroundings: bytes | None = None,
) -> EmailMessage:
    """Return the whole mail. EmailMessage refuses line breaks in headers, so no text can inject a header."""
    contents = render_email(
        notification, public_url=public_url, with_chart=chart is not None, with_map=surroundings is not None
    )
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
        pictures = ((chart, CHART_CONTENT_ID, "piek.png"), (surroundings, MAP_CONTENT_ID, "omgeving.png"))
        for picture, content_id, file_name in pictures:
            if picture is not None and isinstance(html, EmailMessage):
                html.add_related(
                    picture, "image", "png", cid=f"<{content_id}>", disposition="inline", filename=file_name
                )
    message["Content-Language"] = notification.language  # last: adding a part moves such headers into that part
    return message


def _message_id(message_id: str) -> str:
    return f"<{message_id}@piekwacht>"


async def submit(message: EmailMessage, smtp: SmtpSettings, addressees: Sequence[str]) -> Delivery:
    """Submit the mail for these addressees; the header To names all, so that each sees who else was notified."""
    content = message.as_bytes(policy=WIRE_POLICY)  # the record hashes exactly these bytes
    sender = getaddresses([smtp.sender])[0][1]
    return await send(content, sender=sender, addressees=addressees, smtp=smtp)
