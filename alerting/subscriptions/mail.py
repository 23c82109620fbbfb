"""A notice as a mail to one contact, with the headers by which a mail program unsubscribes (RFC 2369, RFC 8058)."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses

from alerting.delivery.channel import Delivery
from alerting.delivery.email import WIRE_POLICY
from alerting.delivery.settings import SmtpSettings
from alerting.delivery.smtp import send
from alerting.subscriptions.notice_text import NoticeText, write_footer
from alerting.vocabulary import Language


def compose(
    text: NoticeText,
    *,
    push_id: str,
    sender: str,
    to: str,
    manage_url: str,
    stop_url: str,
    language: Language,
    at: datetime,
) -> EmailMessage:
    """Return the mail; one that asks to confirm has no links to manage. EmailMessage refuses line breaks in headers."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, text.subject
    message["Date"], message["Message-ID"] = format_datetime(at), f"<{push_id}@piekwacht>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{stop_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    footer = "" if text.private else write_footer(manage_url, stop_url, language)
    message.set_content(text.body + text.private + footer)
    message["Content-Language"] = language
    return message


async def submit(message: EmailMessage, smtp: SmtpSettings, sender: str) -> Delivery:
    """Submit the mail to its only addressee."""
    content = message.as_bytes(policy=WIRE_POLICY)
    return await send(content, sender=getaddresses([sender])[0][1], addressees=[str(message["To"])], smtp=smtp)
