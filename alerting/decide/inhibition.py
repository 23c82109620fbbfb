"""Known sources: a permitted source's peak below its level is recorded and notifies nobody. Pure."""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct, structs

from alerting.alert import Alert
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class KnownSource(Struct, frozen=True, kw_only=True):
    """`[[alerting.known_source]]`: peaks of a permitted source are recorded, and not notified, up to a level.

    name         name of the source
    match        matchers on labels of the alert
    legal_basis  permit or exemption
    owner        who is responsible for the source
    until        last day on which this holds
    level        excess from which peaks are notified all the same, in the unit of the property
    """

    name: str
    match: list[str]
    legal_basis: str
    owner: str
    until: date
    level: float


def inhibit(alert: Alert, decision: Decision, sources: Iterable[KnownSource], today: date) -> Decision:
    """Return the decision, turned into no notification if a valid source explains the peak; `detail` names it."""
    source = next((source for source in sources if today <= source.until and alert.excess < source.level), None)
    if source is None or not decision.notify:
        return decision
    detail = encode_detail(
        DetailCode.SOURCE,
        name=source.name,
        basis=source.legal_basis,
        owner=source.owner,
        level=source.level,
        day=source.until.isoformat(),
    )
    return structs.replace(decision, notify=False, reason=DecisionReason.KNOWN_SOURCE, detail=detail)
