"""Health advice of a receiver, such as a public health service (GGD): a text for each severity, with its source. Pure.

The texts are the organisation's own. None is shipped: what a peak means for health is not for this program to state.
"""

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.errors import SettingsError
from alerting.vocabulary import Language, texts_of

_KINDS = ("peak", "regional")


class HealthAdvice(Struct, frozen=True, kw_only=True):
    """`[alerting.receiver.health]`: health advice by severity, in the language of the receiver.

    source    who states it, with its edition, such as "GGD Kennemerland, advies kortdurende pieken, maart 2026"
    minor     text for a minor peak; empty: none
    moderate  text for a moderate peak; empty: none
    severe    text for a severe peak; empty: none
    extreme   text for an extreme peak; empty: none
    """

    source: str
    minor: str = ""
    moderate: str = ""
    severe: str = ""
    extreme: str = ""

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise SettingsError("health: write in `source` who states the advice, and its edition")
        if not any(self.text_for(severity) for severity in Severity):
            raise SettingsError("health: write a text for minor, moderate, severe or extreme")

    def text_for(self, severity: Severity) -> str:
        """Return the text of a severity on one line; empty if there is none."""
        texts = {
            Severity.MINOR: self.minor,
            Severity.MODERATE: self.moderate,
            Severity.SEVERE: self.severe,
            Severity.EXTREME: self.extreme,
        }
        return " ".join(texts[severity].split())


def describe_advice(advice: HealthAdvice | None, alert: Alert, language: Language) -> str | None:
    """Return the advice about an alert with its source; None without one.

    Only a peak that goes on has one: a fall, a corrected peak, one that is over and the network have none.
    """
    if advice is None or not alert.firing or alert.falls or alert.kind not in _KINDS:
        return None
    text = advice.text_for(alert.severity)
    if not text:
        return None
    return f"{text} {texts_of('email', language)['health_source'].format(source=advice.source.strip().rstrip('.'))}"
