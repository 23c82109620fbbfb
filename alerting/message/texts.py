"""Sentences that mails, the acknowledgement page and headlines share, in Dutch and English. Pure."""

from math import ceil

from alerting.alert import Alert, AlertWind, Change, Corroboration, NearSite
from alerting.vocabulary import (
    ARBITRARY_UNITS,
    Language,
    averaging_text,
    compass_direction,
    format_number,
    format_peak,
    format_ratio,
    format_share,
    format_short_number,
    texts_of,
)


def describe_site(site: NearSite, language: Language) -> str:
    """Describe a watched facility as seen from the station: name, distance, direction."""
    metres = round(site.distance, -1)
    distance = f"{format_short_number(metres / 1000, language)} km" if metres >= 1000 else f"{metres:.0f} m"
    bearing_name = compass_direction(site.bearing, language)
    texts = texts_of("email", language)
    text = texts["towards"].format(
        name=site.name, distance=distance, where=bearing_name, bearing=round(site.bearing) % 360
    )
    return f"{text}, {texts['upwind']}" if site.is_upwind else text


def describe_ratio(alert: Alert, language: Language = "nl") -> str:
    """Return the peak against its background in brackets, as a multiple or a share; empty if neither has a meaning.

    Empty also for a raw signal, whose value is itself such a share (`describe_value`).
    """
    if alert.unit in ARBITRARY_UNITS:
        return ""
    phrases, share = texts_of("phrase", language), format_share(alert.peak, alert.background, alert.unit)
    if share:
        return f" ({phrases['share_of_background'].format(share=share)})"
    ratio = format_ratio(alert.peak, alert.background, alert.unit, language)
    return f" ({phrases['times_background'].format(ratio=ratio)})" if ratio else ""


def describe_value(alert: Alert, language: Language = "nl") -> str:
    """Return the peak as headlines and mails show it: with its unit and, in brackets, against its background."""
    return format_peak(alert.peak, alert.background, alert.unit, language) + describe_ratio(alert, language)


def describe_neighbours(neighbours: Corroboration, language: Language, *, falls: bool) -> str:
    """Return how many of how many stations rose or fell too, within how many minutes (rounded up) if that is known."""
    phrases, minutes = texts_of("phrase", language), ceil(neighbours.window / 60)
    text = phrases["neighbours_fell" if falls else "neighbours"].format(risen=neighbours.risen, total=neighbours.total)
    return f"{text} {phrases['within'].format(minutes=minutes)}" if minutes else text


def describe_wind(wind: AlertWind, language: Language) -> str:
    """Return where the wind came from and its speed."""
    direction, speed = compass_direction(wind.direction, language), format_number(wind.speed, language)
    return texts_of("phrase", language)["wind"].format(direction=direction, speed=speed)


def build_headline(alert: Alert, language: Language = "nl") -> str:
    """One alert in one line: what, where, how high."""
    if alert.is_about_network:
        return alert.sentence.get(language, alert.place.name)
    value = describe_value(alert, language)
    return texts_of("phrase", language)["headline_fell" if alert.falls else "headline"].format(
        opening=build_opening(alert, language),
        property=alert.name_property(language),
        place=alert.place.name,
        value=value,
        averaging=averaging_text(alert.peak_averaging, language),
    )


def change_text(change: Change, language: Language) -> str:
    """Return what happened to the peak: `Piek voorbij`."""
    return texts_of("change", language)[change.value]


def build_opening(alert: Alert, language: Language = "nl") -> str:
    """Return the beginning of a headline: `Piek`, or `Piek voorbij:`."""
    colon = ":" if alert.change in {Change.UPDATED, Change.ENDED} else ""
    return change_text(alert.change, language) + colon
