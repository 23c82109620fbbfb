"""One attempt to send one notice, by mail or by Web Push. Each returns what came of it and raises nothing.

No answer of the other side is stored or logged, because it may repeat the address: only its status.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from alerting import telemetry
from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.connection_pool import ConnectionPool
from alerting.delivery.retry import FinalState, plan_next_attempt
from alerting.delivery.settings import SmtpSettings
from alerting.log import get_logger
from alerting.subscriptions import mail, push_message
from alerting.subscriptions.links import LinkPayload, LinkPurpose, build_url, sign_link
from alerting.subscriptions.notice_lease import NoticeLease, SentNotice
from alerting.subscriptions.notice_text import NoticeText
from alerting.subscriptions.push_message import VapidSigner
from alerting.subscriptions.settings import WebPushSettings

_LOG = get_logger("alerting.subscriptions")
_STATUS = re.compile(r"[2-5]\d\d(?= |$)")
_MAX_ATTEMPTS = 6  # a notice that is hours old has lost its use
_GONE = frozenset({404, 410})


class MailSender:
    """Sends notices by mail."""

    def __init__(self, smtp: SmtpSettings, sender: str, public_url: str) -> None:
        self._smtp, self._sender, self._public_url = smtp, sender or smtp.sender, public_url

    async def send(self, lease: NoticeLease, text: NoticeText, keys: Mapping[int, bytes]) -> SentNotice:
        """Send once."""
        began_at, payload = datetime.now(UTC), LinkPayload(contact=str(lease.contact_id))
        urls = {
            purpose: build_url(self._public_url, lease.language, purpose, sign_link(purpose, payload, keys))
            for purpose in (LinkPurpose.MANAGE, LinkPurpose.STOP)
        }
        try:
            message = mail.compose(
                text,
                push_id=lease.push_id,
                sender=self._sender,
                to=lease.address,
                manage_url=urls[LinkPurpose.MANAGE],
                stop_url=urls[LinkPurpose.STOP],
                language=lease.language,
                at=began_at,
            )
            delivery = await mail.submit(message, self._smtp, self._sender)
        except (OSError, ValueError) as error:  # the file with the password, or an address that no header can hold
            delivery = Delivery(outcome=DeliveryOutcome.FAILED, detail=type(error).__name__)
        status = _STATUS.search(delivery.detail or "")
        answers = [entry.detail for entry in delivery.addressees]
        status = status or next((match for answer in answers if (match := _STATUS.match(answer))), None)
        return settle(lease, text, delivery, f"SMTP {status[0] if status else delivery.outcome.value}", began_at)


class PushSender:
    """Sends notices to one push service."""

    def __init__(self, settings: WebPushSettings, signer: VapidSigner, pool: ConnectionPool) -> None:
        self._settings, self._signer, self._pool = settings, signer, pool

    async def send(self, lease: NoticeLease, text: NoticeText, keys: Mapping[int, bytes]) -> SentNotice:
        """Send once. `keys` are of links, which a push has none of."""
        del keys
        began_at = datetime.now(UTC)
        try:
            content, headers = self._build(lease, text)
            reply = await self._pool.post(lease.address, content=content, headers=headers)
        except TimeoutError:
            delivery = Delivery(outcome=DeliveryOutcome.UNKNOWN, detail="")
            return settle(lease, text, delivery, "HTTP without answer", began_at)
        except OSError:
            return settle(
                lease, text, Delivery(outcome=DeliveryOutcome.FAILED, detail=""), "HTTP not connected", began_at
            )
        except ValueError:
            return settle(lease, text, Delivery(outcome=DeliveryOutcome.GONE, detail=""), "key unusable", began_at)
        delivery = Delivery(outcome=decide_push_outcome(reply.status), detail="", retry_after=reply.retry_after)
        return settle(lease, text, delivery, f"HTTP {reply.status}", began_at)

    def _build(self, lease: NoticeLease, text: NoticeText) -> tuple[bytes, Mapping[str, str]]:
        """Return the encrypted body and the headers. Raises ValueError for a browser's key that is none."""
        topic = push_message.build_topic(lease.plume)
        payload = push_message.encode_payload(text, lease.push_id, topic, lease.language)
        content = push_message.encrypt(payload, lease.push_key or b"", lease.push_secret or b"")
        authorization = self._signer.sign(lease.address)
        return content, push_message.build_headers(authorization, lease.reason, topic, self._settings.ttl)


def decide_push_outcome(status: int) -> DeliveryOutcome:
    """Return the outcome for the status of a push service (RFC 8030, 5 and 7.3).

    404 and 410: the browser is gone. 413 and other 4xx: this notice can never go there. 429 and 5xx: later.
    """
    if 200 <= status < 300:
        return DeliveryOutcome.DELIVERED
    if status in _GONE:
        return DeliveryOutcome.GONE
    return DeliveryOutcome.FAILED if status in {408, 425, 429} or status >= 500 else DeliveryOutcome.REFUSED


def settle(
    lease: NoticeLease, text: NoticeText | None, delivery: Delivery, answer: str, began_at: datetime
) -> SentNotice:
    """Return what follows from an attempt: settled, or tried again later; count it."""
    now = datetime.now(UTC)
    next_step = plan_next_attempt(delivery, attempts=lease.attempts, now=now)
    is_final = isinstance(next_step, FinalState) or lease.attempts >= _MAX_ATTEMPTS
    outcome = delivery.outcome
    if is_final and outcome is DeliveryOutcome.FAILED:
        outcome = DeliveryOutcome.ABANDONED
    telemetry.NOTICES.labels(lease.kind.value, outcome.value).inc()
    if lease.committed_at is not None and outcome is DeliveryOutcome.DELIVERED:
        telemetry.NOTICE_DELAY.labels(lease.kind.value).observe(max(0.0, (now - lease.committed_at).total_seconds()))
    if outcome is not DeliveryOutcome.DELIVERED:
        _LOG.info("notice not delivered", push_id=lease.push_id, outcome=outcome.value, answer=answer, final=is_final)
    retry_at = None if is_final or isinstance(next_step, FinalState) else next_step.at
    return SentNotice(
        lease=lease, text=text, outcome=outcome, answer=answer, began_at=began_at, ended_at=now, retry_at=retry_at
    )
