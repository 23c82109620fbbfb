"""One SMTP transaction, with the outcome of each addressee (RFC 5321). Called by the channel `email`.

The server answers RCPT for each addressee, and once for the mail itself. Until the mail itself goes out nothing can
have arrived; a connection that breaks after that leaves the outcome unknown. An answer about the session (greeting,
login, our sender) decides nothing about an addressee: the delivery is tried again, with any code.
"""

import asyncio
import re
from collections.abc import Sequence
from enum import StrEnum

import aiosmtplib

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.addressees import build_delivery
from alerting.delivery.channel import AddresseeOutcome, Delivery, DeliveryOutcome
from alerting.delivery.settings import SmtpSettings

SESSION_SECONDS = 35.0  # until the mail itself goes out: a server that takes long for each answer is left
_QUIT_SECONDS = 5.0  # for the farewell, which changes nothing
_NO_ANSWER = (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected)
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class SmtpStage(StrEnum):
    """The subject of an answer of the server."""

    SESSION = "session"  # greeting, EHLO, TLS, login, MAIL FROM, DATA: about us, not about an addressee
    ADDRESSEE = "addressee"  # RCPT TO
    CONTENT = "content"  # after the mail itself


# Answers to RCPT about the order of commands, a missing login or encryption, or too many addressees (RFC 5321,
# 4.5.3.1.10); not about this addressee.
_NOT_ABOUT_ADDRESSEE = frozenset({500, 502, 503, 504, 530, 534, 535, 538, 552})


def outcome_from_answer(stage: SmtpStage, code: int) -> DeliveryOutcome:
    """Return the outcome for an answer that ends the transaction for an addressee."""
    if stage is SmtpStage.CONTENT:
        outcomes = {2: DeliveryOutcome.DELIVERED, 4: DeliveryOutcome.FAILED, 5: DeliveryOutcome.REFUSED}
        return outcomes.get(code // 100, DeliveryOutcome.UNKNOWN)
    if stage is SmtpStage.ADDRESSEE and 500 <= code < 600 and code not in _NOT_ABOUT_ADDRESSEE:
        return DeliveryOutcome.REFUSED
    return DeliveryOutcome.FAILED


async def send(content: bytes, *, sender: str, addressees: Sequence[str], smtp: SmtpSettings) -> Delivery:
    """Send the mail once to each addressee. Raises OSError if the file with the password cannot be read."""
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        username=smtp.username,
        password=smtp.password(),
        use_tls=smtp.tls == "tls",
        start_tls=smtp.tls == "starttls",
        validate_certs=True,
        cert_bundle=str(smtp.ca_file) if smtp.ca_file else None,
        timeout=smtp.timeout,
    )
    transaction = _Transaction(client, smtp, content)
    try:
        async with asyncio.timeout(SESSION_SECONDS) as limit, client:
            await transaction.run(sender, addressees, limit)
    except (aiosmtplib.SMTPException, OSError) as error:
        transaction.settle_others(addressees, error)
    return build_delivery([transaction.outcomes[name] for name in addressees], transaction.answer, content)


class _Transaction:
    """The outcomes so far. `answer`: the server's answer to the mail itself, or the error that ended it."""

    def __init__(self, client: aiosmtplib.SMTP, smtp: SmtpSettings, content: bytes) -> None:
        self.outcomes: dict[str, AddresseeOutcome] = {}
        self.answer = ""
        self._client, self._smtp, self._content = client, smtp, content
        self._is_sending = False

    async def run(self, sender: str, addressees: Sequence[str], limit: asyncio.Timeout) -> None:
        """Raises SMTPException or OSError; `outcomes` then holds the addressees that were settled before."""
        await self._client.mail(sender)
        accepted = [name for name in addressees if await self._is_accepted(name)]
        if accepted:
            answer = await self._send_content(limit)
            self.answer = _format_answer(answer.code, answer.message)
            self._settle(accepted, outcome_from_answer(SmtpStage.CONTENT, answer.code), self.answer)
        limit.reschedule(asyncio.get_running_loop().time() + _QUIT_SECONDS)

    async def _send_content(self, limit: asyncio.Timeout) -> aiosmtplib.SMTPResponse:
        """Return the server's answer to the mail itself, for which it may need minutes."""
        start = await self._client.execute_command(b"DATA")
        protocol = self._client.protocol
        if start.code != 354 or protocol is None:
            raise aiosmtplib.SMTPDataError(start.code, start.message)
        limit.reschedule(asyncio.get_running_loop().time() + self._smtp.answer_timeout + _QUIT_SECONDS)
        self._is_sending = True
        protocol.write(_quote_content(self._content))
        return await protocol.read_response(timeout=self._smtp.answer_timeout)

    def settle_others(self, addressees: Sequence[str], error: Exception) -> None:
        """Give every addressee without an outcome the one that the error means."""
        others = [name for name in addressees if name not in self.outcomes]
        if others:
            outcome, self.answer = self._describe_error(error)
            self._settle(others, outcome, self.answer)

    async def _is_accepted(self, addressee: str) -> bool:
        try:
            await self._client.rcpt(addressee)
        except aiosmtplib.SMTPRecipientRefused as error:
            outcome = outcome_from_answer(SmtpStage.ADDRESSEE, error.code)
            self._settle([addressee], outcome, _format_answer(error.code, error.message))
            return False
        return True

    def _settle(self, addressees: Sequence[str], outcome: DeliveryOutcome, detail: str) -> None:
        for name in addressees:
            self.outcomes[name] = AddresseeOutcome(addressee=name, outcome=outcome, detail=detail)

    def _describe_error(self, error: Exception) -> tuple[DeliveryOutcome, str]:
        if self._is_sending:
            return DeliveryOutcome.UNKNOWN, self._encode_no_answer(error)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            outcome = outcome_from_answer(SmtpStage.SESSION, error.code)
            return outcome, _format_answer(error.code, error.message)
        if isinstance(error, _NO_ANSWER) or type(error) is TimeoutError:
            return DeliveryOutcome.FAILED, self._encode_no_answer(error)
        address = f"{self._smtp.host}:{self._smtp.port}"
        return DeliveryOutcome.FAILED, encode_detail(DetailCode.NO_CONNECTION, host=address, error=str(error))

    def _encode_no_answer(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return encode_detail(DetailCode.NO_ANSWER, host=self._smtp.host, error=reason)


def _quote_content(content: bytes) -> bytes:
    """Return the mail as it follows DATA: leading dots doubled, and the line that ends it (RFC 5321, 4.5.2)."""
    ended = content if content.endswith(b"\r\n") else content + b"\r\n"
    return _LEADING_DOT.sub(b"..", ended) + b".\r\n"


def _format_answer(code: int, text: str) -> str:
    """Return the answer on one line. Bytes that are no UTF-8 arrive as halves of characters and become `?`."""
    readable = text.encode("utf-8", "replace").decode()
    return f"{code} {' '.join(readable.split())}".strip()
