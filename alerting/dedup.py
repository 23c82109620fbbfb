"""Whether a receiver learns anything new from this revision of an event. Pure."""

from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.routing import Reason, Verdict


class Told(Struct, frozen=True, kw_only=True):
    """The worst that a receiver has been told of an event."""

    severity: Severity


def needs_telling(alert: Alert, verdict: Verdict, told: Told | None) -> Verdict:
    """The opening is always told, an update where it got worse, an end or a correction to whoever was told before."""
    if not verdict.told:
        return verdict
    if told is None:
        over = alert.change in {Change.ENDED, Change.VOIDED}
        return structs.replace(verdict, told=False, reason=Reason.NEVER_TOLD) if over else verdict
    if alert.change is Change.UPDATED and alert.severity.rank <= told.severity.rank:
        return structs.replace(verdict, told=False, reason=Reason.NOT_WORSE)
    return verdict
