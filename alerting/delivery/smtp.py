"""One SMTP transaction, with the outcome of each addressee (RFC 5321). Called by the channel `email`.

The server answers RCPT for each addressee, and DATA once for those that it accepted. Until the mail itself goes out
nothing can have arrived; a connection that breaks after that leaves the outcome unknown.
"""

from collections.abc import Sequence

import aiosmtplib

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.addressees import build_delivery
from alerting.delivery.channel import AddresseeOutcome, Delivery, DeliveryOutcome
from alerting.delivery.settings import SmtpSettings

_NO_ANSWER = (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected)


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
        async with client:
            await transaction.run(sender, addressees)
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

    async def run(self, sender: str, addressees: Sequence[str]) -> None:
        """Raises SMTPException or OSError; `outcomes` then holds the addressees that were settled before."""
        await self._client.mail(sender)
        accepted = [name for name in addressees if await self._is_accepted(name)]
        if accepted:
            self._is_sending = True
            answer = await self._client.data(self._content)
            self.answer = _format_answer(answer.code, answer.message)
            self._settle(accepted, DeliveryOutcome.DELIVERED, self.answer)

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
            self._settle([addressee], _outcome_from_code(error.code), _format_answer(error.code, error.message))
            return False
        return True

    def _settle(self, addressees: Sequence[str], outcome: DeliveryOutcome, detail: str) -> None:
        for name in addressees:
            self.outcomes[name] = AddresseeOutcome(addressee=name, outcome=outcome, detail=detail)

    def _describe_error(self, error: Exception) -> tuple[DeliveryOutcome, str]:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return _outcome_from_code(error.code), _format_answer(error.code, error.message)
        if self._is_sending or isinstance(error, _NO_ANSWER):
            outcome = DeliveryOutcome.UNKNOWN if self._is_sending else DeliveryOutcome.FAILED
            return outcome, encode_detail(DetailCode.NO_ANSWER, host=self._smtp.host, error=str(error))
        address = f"{self._smtp.host}:{self._smtp.port}"
        return DeliveryOutcome.FAILED, encode_detail(DetailCode.NO_CONNECTION, host=address, error=str(error))


def _outcome_from_code(code: int) -> DeliveryOutcome:
    return DeliveryOutcome.REFUSED if 500 <= code < 600 else DeliveryOutcome.FAILED


def _format_answer(code: int, text: str) -> str:
    return f"{code} {' '.join(text.split())}".strip()
