"""Known sources: what has a permit and an owner is recorded and not paged, until it exceeds its own level. Pure."""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct, structs

from alerting.alert import Alert
from alerting.decide.reason_detail import Code, kept
from alerting.decide.routing import Reason, Verdict


class KnownSource(Struct, frozen=True, kw_only=True):
    """`[[alerting.known_source]]`: through the day `until`, peaks whose excess is below `level` are not paged.

    `level` is in the property's unit; `legal_basis` is the permit or exemption, `owner` who answers for it.
    """

    name: str
    match: list[str]
    legal_basis: str
    owner: str
    until: date
    level: float


def inhibited(alert: Alert, verdict: Verdict, fitting: Iterable[KnownSource], today: date) -> Verdict:
    """Not told where a source that is still valid explains the peak; the verdict names it."""
    found = next((source for source in fitting if today <= source.until and alert.excess < source.level), None)
    if found is None or not verdict.told:
        return verdict
    detail = kept(
        Code.SOURCE,
        name=found.name,
        basis=found.legal_basis,
        owner=found.owner,
        level=found.level,
        day=found.until.isoformat(),
    )
    return structs.replace(verdict, told=False, reason=Reason.KNOWN_SOURCE, detail=detail)
