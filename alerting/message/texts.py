"""What mails, the page behind their link and headlines say, in Dutch and English. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from alerting.alert import Alert, Change, NearSite
from alerting.vocabulary import (
    Language,
    compass_direction,
    format_number,
    format_short_number,
    property_name,
    unit_symbol,
)

CHANGE_TEXTS: Mapping[Language, Mapping[Change, str]] = {
    "nl": {
        Change.OPENED: "Piek", Change.UPDATED: "Piek stijgt", Change.ENDED: "Piek voorbij",
        Change.VOIDED: "Correctie: geen piek",
    },
    "en": {
        Change.OPENED: "Peak", Change.UPDATED: "Peak rises", Change.ENDED: "Peak over",
        Change.VOIDED: "Correction: no peak",
    },
}  # fmt: skip
EMAIL_TEXTS: Mapping[Language, Mapping[str, str]] = MappingProxyType({
    "nl": {
        "reminded": "Herinnering: ", "escalated": "Niet beantwoord: ", "eased": "Minder ernstig: ",
        "no_data": "Geen gegevens meer: ",
        "one_place": "1 plaats", "places": "{} plaatsen",
        "storm": "{count} meldingen van {where}, ernstigste: {worst}",
        "at": "bij",
        "repeat": "Mogelijk een herhaling: een eerdere poging om dit bericht te sturen is niet bevestigd.",
        "reminded_note": "Herinnering: nog niemand heeft deze melding beantwoord.",
        "eased_note": "De piek is minder ernstig dan wij eerder meldden, en nog niet voorbij.",
        "no_data_note": "Het meetstation zwijgt. Dat betekent niet dat de piek voorbij is: wij weten het niet.",
        "escalated_note": "U krijgt dit bericht omdat wie het eerst werd gewaarschuwd niet heeft geantwoord.",
        "voided": "Eerder meldden wij hier een piek. Op grond van latere gegevens was dat geen piek.",
        "original": "Dit bericht hoort bij ons bericht van",
        "worse": "De piek was ernstiger dan wij toen meldden.",
        "highest": "Hoogste waarde", "above": "Boven achtergrond", "background": "achtergrond",
        "averaging": "losse waarden, elke {} s; geen uurgemiddelde",
        "each_second": "losse waarden, elke seconde; geen uurgemiddelde", "averaged": "Middeling",
        "mean": "Gemiddeld", "flags": "Meetvlaggen", "no_flags": "geen",
        "severity": "Ernst", "sure": "Zekerheid", "began": "Begonnen", "peaked": "Hoogste om", "over": "Voorbij",
        "lasted": "Duur", "noticed": "Opgemerkt", "place": "Plaats", "near": "In de buurt",
        "towards": "{name}, {distance} naar het {where} ({bearing}°)",
        "data": "Alle gegevens", "see": "Bekijk alle gegevens",
        "answer": "Bevestigen", "button": "Wij zijn ermee bezig",
        "answers": "Bevestigen dat u ermee bezig bent (de link vraagt eerst om een klik op een knop)",
        "plot": "Verloop van de meting rond de piek",
        "disclaimer": "Automatische melding van een sensornetwerk. De waarden zijn niet met een referentiemeting "
        "vergeleken en zeggen niets over een wettelijke norm.",
        "reference": "Kenmerk", "revision": "herziening", "detector": "detector",
        "gathered": "Er komen nu veel meldingen tegelijk. Om u niet te overstelpen zijn deze {} samengevoegd, "
        "de ernstigste eerst.",
        "digest": "Dagoverzicht: {} achteraf gevonden",
        "digested": "Deze pieken zijn gevonden in gegevens die te laat binnenkwamen om u nog te waarschuwen.",
        "quiet": "Dit bericht gaat over het meetnet zelf, niet over de lucht.",
        "more": "en nog {} andere", "map": "Naar de kaart", "since": "begonnen",
        "broken": "Het sjabloon van dit bericht is stuk",
    },
    "en": {
        "reminded": "Reminder: ", "escalated": "Not answered: ", "eased": "Less severe: ",
        "no_data": "No data any more: ",
        "one_place": "1 place", "places": "{} places",
        "storm": "{count} alerts from {where}, the worst: {worst}",
        "at": "at",
        "repeat": "Possibly a repeat: an earlier attempt to send this message was not confirmed.",
        "reminded_note": "Reminder: nobody has answered this alert yet.",
        "eased_note": "The peak is less severe than we told before, and not over yet.",
        "no_data_note": "The station is silent. That does not mean that the peak is over: we do not know.",
        "escalated_note": "You get this message because those who were told first did not answer.",
        "voided": "Earlier we reported a peak here. Later evidence shows that it was none.",
        "original": "This message belongs to our message of",
        "worse": "The peak was more severe than we told then.",
        "highest": "Highest value", "above": "Above background", "background": "background",
        "averaging": "single values, one each {} s; no hourly mean",
        "each_second": "single values, one each second; no hourly mean", "averaged": "Averaging",
        "mean": "Mean", "flags": "Quality flags", "no_flags": "none",
        "severity": "Severity", "sure": "Confidence", "began": "Began", "peaked": "Highest at", "over": "Over",
        "lasted": "Lasted", "noticed": "Noticed", "place": "Place", "near": "Nearby",
        "towards": "{name}, {distance} to the {where} ({bearing}°)",
        "data": "All data", "see": "See all data",
        "answer": "Acknowledge", "button": "We are on it",
        "answers": "Acknowledge that you are on it (the link asks for a press on a button first)",
        "plot": "The measurement around the peak",
        "disclaimer": "Automatic message of a sensor network. The values were not compared with a reference "
        "measurement and say nothing about a legal limit.",
        "reference": "Reference", "revision": "revision", "detector": "detector",
        "gathered": "Many alerts arrive at once. So as not to flood you these {} were gathered, the worst first.",
        "digest": "Daily overview: {} found afterwards",
        "digested": "These peaks were found in data that came too late to warn you.",
        "quiet": "This message is about the network itself, not about the air.",
        "more": "and {} more", "map": "To the map", "since": "began",
        "broken": "This message's template is broken",
    },
})  # fmt: skip
ACKNOWLEDGE_TEXTS: Mapping[Language, Mapping[str, str]] = MappingProxyType({
    "nl": {
        "title": "Melding bevestigen",
        "asks": "Bevestigt u dat u met deze melding bezig bent? Dan stoppen de herinneringen.",
        "since": "begonnen",
        "over": "Deze piek is al voorbij. Bevestigen kan nog, voor het verslag.",
        "already": "Al bevestigd door",
        "name": "Uw naam (mag leeg blijven)",
        "note": "Opmerking (mag leeg blijven)",
        "button": "Ja, wij zijn ermee bezig",
        "details": "Bekijk alle gegevens",
        "for": "Deze link is van ontvanger",
        "forged": "Deze link klopt niet. Kopieer hem helemaal uit het bericht, of log in en antwoord daar.",
        "expired": "Deze link is verlopen. Log in om alsnog te antwoorden.",
    },
    "en": {
        "title": "Acknowledge an alert",
        "asks": "Do you acknowledge that you are on it? Reminders then stop.",
        "since": "began",
        "over": "This peak is over already. You can still acknowledge it, for the record.",
        "already": "Acknowledged already by",
        "name": "Your name (may stay empty)",
        "note": "Note (may stay empty)",
        "button": "Yes, we are on it",
        "details": "See all data",
        "for": "This link belongs to receiver",
        "forged": "This link is not right. Copy all of it from the message, or sign in and answer there.",
        "expired": "This link has expired. Sign in to answer after all.",
    },
})  # fmt: skip


def describe_site(site: NearSite, language: Language) -> str:
    """Where a watched facility lies as seen from the station: name, distance, direction."""
    metres = round(site.distance, -1)
    distance = f"{format_short_number(metres / 1000, language)} km" if metres >= 1000 else f"{metres:.0f} m"
    bearing_name = compass_direction(site.bearing, language)
    return EMAIL_TEXTS[language]["towards"].format(
        name=site.name, distance=distance, where=bearing_name, bearing=round(site.bearing) % 360
    )


def format_duration(seconds: float, language: Language) -> str:
    """A duration: 22 s, 12 min. 5 s, 1 uur 3 min."""
    minutes, remaining_seconds = divmod(max(0, round(seconds)), 60)
    minute = "min." if language == "nl" else "min"
    if minutes >= 60:
        return f"{minutes // 60} {'uur' if language == 'nl' else 'h'} {minutes % 60} {minute}"
    return f"{minutes} {minute} {remaining_seconds} s" if minutes else f"{remaining_seconds} s"


def format_ratio(alert: Alert, language: Language = "nl") -> str:
    """How many times the background the peak is, in brackets; empty where that says nothing."""
    if alert.background <= 0 or alert.peak / alert.background < 1.5:
        return ""
    return f" ({alert.peak / alert.background:.0f}× {'achtergrond' if language == 'nl' else 'background'})"


def build_headline(alert: Alert, language: Language = "nl") -> str:
    """One alert in one line: what, where, how high."""
    if alert.is_about_network:
        return alert.sentence.get(language, alert.place.name)
    property_text, preposition = property_name(alert.observed_property, language), "bij" if language == "nl" else "at"
    value = f"{format_number(alert.peak, language)} {unit_symbol(alert.unit)}"
    return f"{build_opening(alert, language)} {property_text} {preposition} {alert.place.name}: {value}{format_ratio(alert, language)}"


def build_opening(alert: Alert, language: Language = "nl") -> str:
    """What a headline begins with: `Piek`, or `Piek voorbij:`."""
    colon = ":" if alert.change in {Change.UPDATED, Change.ENDED} else ""
    return CHANGE_TEXTS[language][alert.change] + colon
