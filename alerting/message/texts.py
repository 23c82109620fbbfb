"""Sentences that mails, the acknowledgement page and headlines share, in Dutch and English. Pure."""

from alerting.alert import Alert, Change, NearSite
from alerting.vocabulary import (
    Language,
    compass_direction,
    format_number,
    format_short_number,
    texts_of,
    unit_symbol,
)


def describe_site(site: NearSite, language: Language) -> str:
    """Describe a watched facility as seen from the station: name, distance, direction."""
    metres = round(site.distance, -1)
    distance = f"{format_short_number(metres / 1000, language)} km" if metres >= 1000 else f"{metres:.0f} m"
    bearing_name = compass_direction(site.bearing, language)
    return texts_of("email", language)["towards"].format(
        name=site.name, distance=distance, where=bearing_name, bearing=round(site.bearing) % 360
    )


def format_duration(seconds: float, language: Language) -> str:
    """A duration: 22 s, 12 min. 5 s, 1 uur 3 min."""
    minutes, remaining_seconds = divmod(max(0, round(seconds)), 60)
    phrases = texts_of("phrase", language)
    if minutes >= 60:
        return phrases["hours_minutes"].format(hours=minutes // 60, minutes=minutes % 60)
    if minutes:
        return phrases["minutes_seconds"].format(minutes=minutes, seconds=remaining_seconds)
    return f"{remaining_seconds} s"


def format_ratio(alert: Alert, language: Language = "nl") -> str:
    """Return the ratio of peak to background in brackets; empty if it is below 1.5 or undefined."""
    if alert.background <= 0 or alert.peak / alert.background < 1.5:
        return ""
    ratio = texts_of("phrase", language)["times_background"].format(ratio=f"{alert.peak / alert.background:.0f}")
    return f" ({ratio})"


def build_headline(alert: Alert, language: Language = "nl") -> str:
    """One alert in one line: what, where, how high."""
    if alert.is_about_network:
        return alert.sentence.get(language, alert.place.name)
    value = f"{format_number(alert.peak, language)} {unit_symbol(alert.unit)}{format_ratio(alert, language)}"
    return texts_of("phrase", language)["headline"].format(
        opening=build_opening(alert, language),
        property=alert.name_property(language),
        place=alert.place.name,
        value=value,
    )


def change_text(change: Change, language: Language) -> str:
    """Return what happened to the peak: `Piek voorbij`."""
    return texts_of("change", language)[change.value]


def build_opening(alert: Alert, language: Language = "nl") -> str:
    """Return the beginning of a headline: `Piek`, or `Piek voorbij:`."""
    colon = ":" if alert.change in {Change.UPDATED, Change.ENDED} else ""
    return change_text(alert.change, language) + colon
