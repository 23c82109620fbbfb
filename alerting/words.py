"""Alerting's words for people, in Dutch and English, and how figures and times are written. Pure."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from alerting.alert import Alert, Change, NearSite, Severity

Language = Literal["nl", "en"]
_LOCAL = ZoneInfo("Europe/Amsterdam")
_DAYS: Mapping[Language, tuple[str, ...]] = {
    "nl": ("ma", "di", "wo", "do", "vr", "za", "zo"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_NAMES: Mapping[Language, Mapping[str, str]] = {
    "nl": {
        "pm1": "PM1", "pm2_5": "PM2,5", "pm4": "PM4", "pm10": "PM10", "voc_raw": "VOC (ruw signaal)",
        "voc_ppb": "VOC", "ch4": "methaan",
    },
    "en": {
        "pm1": "PM1", "pm2_5": "PM2.5", "pm4": "PM4", "pm10": "PM10", "voc_raw": "VOC (raw signal)",
        "voc_ppb": "VOC", "ch4": "methane",
    },
}  # fmt: skip
_UNITS: Mapping[Language, Mapping[str, str]] = {
    "nl": {"ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "eenheden"},
    "en": {"ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "units"},
}
SEVERITIES: Mapping[Language, Mapping[Severity, str]] = {
    "nl": {
        Severity.MINOR: "licht", Severity.MODERATE: "matig", Severity.SEVERE: "ernstig",
        Severity.EXTREME: "zeer ernstig",
    },
    "en": {one: one.value for one in Severity},
}  # fmt: skip
CHANGES: Mapping[Language, Mapping[Change, str]] = {
    "nl": {
        Change.OPENED: "Piek", Change.UPDATED: "Piek stijgt", Change.ENDED: "Piek voorbij",
        Change.VOIDED: "Correctie: geen piek",
    },
    "en": {
        Change.OPENED: "Peak", Change.UPDATED: "Peak rises", Change.ENDED: "Peak over",
        Change.VOIDED: "Correction: no peak",
    },
}  # fmt: skip
_REASONS: Mapping[Language, Mapping[str, str]] = {
    "nl": {
        "far_above_noise": "ver boven de ruis",
        "near_noise": "dicht bij de ruis",
        "humidity": "vochtige lucht kan meespelen",
        "jump": "sprong in het signaal",
        "stuck": "sensor gaf lang dezelfde waarde",
        "neighbours_rose": "stations in de buurt stegen ook",
        "all_neighbours": "alle stations in de buurt stegen",
        "twin_agrees": "een tweede sensor ziet hetzelfde",
        "twin_disagrees": "een tweede sensor ziet het niet",
        "single_reading": "maar één losse meting",
        "warm_up": "sensor warmt op",
        "cleaning": "sensor reinigt zich",
        "stale": "oude waarde",
        "sensor_fault": "sensor meldt storing",
        "out_of_range": "buiten meetbereik",
        "maintenance": "er wordt aan het station gewerkt",
    },
    "en": {
        "far_above_noise": "far above the noise",
        "near_noise": "close to the noise",
        "humidity": "humid air may play a part",
        "jump": "jump in the signal",
        "stuck": "sensor gave one value for long",
        "neighbours_rose": "stations nearby rose too",
        "all_neighbours": "all stations nearby rose",
        "twin_agrees": "a second sensor sees the same",
        "twin_disagrees": "a second sensor does not see it",
        "single_reading": "a single reading only",
        "warm_up": "sensor warming up",
        "cleaning": "sensor cleaning itself",
        "stale": "old value",
        "sensor_fault": "sensor reports a fault",
        "out_of_range": "out of range",
        "maintenance": "there is work at the station",
    },
}
_FLAGS: Mapping[Language, Mapping[str, str]] = {
    "nl": {
        "warm_up": "sensor warmt op", "cleaning": "sensor reinigt zich", "out_of_range": "buiten meetbereik",
        "stale": "oude waarde", "checksum_retry": "leesfout hersteld", "stuck": "steeds dezelfde waarde",
        "humidity": "vochtige lucht", "clock_unsynced": "klok liep niet gelijk",
        "size_extrapolated": "deeltjesgrootte berekend", "sensor_fault": "sensor meldt storing",
        "jump": "sprong", "neighbour_disagrees": "andere sensor geeft iets anders", "maintenance": "onderhoud",
        "calibration_expired": "ijking verlopen", "time_suspect": "tijd onzeker",
    },
    "en": {
        "warm_up": "sensor warming up", "cleaning": "sensor cleaning itself", "out_of_range": "out of range",
        "stale": "old value", "checksum_retry": "read error repaired", "stuck": "same value again and again",
        "humidity": "humid air", "clock_unsynced": "clock not synchronised",
        "size_extrapolated": "particle size computed", "sensor_fault": "sensor reports a fault",
        "jump": "jump", "neighbour_disagrees": "another sensor disagrees", "maintenance": "maintenance",
        "calibration_expired": "calibration expired", "time_suspect": "time uncertain",
    },
}  # fmt: skip
MAIL: Mapping[Language, Mapping[str, str]] = MappingProxyType({
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
ACKNOWLEDGE: Mapping[Language, Mapping[str, str]] = MappingProxyType({
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


_WINDS: Mapping[Language, tuple[str, ...]] = {
    "nl": ("noorden", "noordoosten", "oosten", "zuidoosten", "zuiden", "zuidwesten", "westen", "noordwesten"),
    "en": ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"),
}


def towards(site: NearSite, language: Language) -> str:
    """Where a watched facility lies as seen from the station: name, distance, direction."""
    metres = round(site.distance, -1)
    distance = f"{plain(metres / 1000, language)} km" if metres >= 1000 else f"{metres:.0f} m"
    where = _WINDS[language][round(site.bearing / 45) % 8]
    return MAIL[language]["towards"].format(
        name=site.name, distance=distance, where=where, bearing=round(site.bearing) % 360
    )


def lasting(seconds: float, language: Language) -> str:
    """A duration: 22 s, 12 min. 5 s, 1 uur 3 min."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    minute = "min." if language == "nl" else "min"
    if minutes >= 60:
        return f"{minutes // 60} {'uur' if language == 'nl' else 'h'} {minutes % 60} {minute}"
    return f"{minutes} {minute} {rest} s" if minutes else f"{rest} s"


def name(observed_property: str, language: Language) -> str:
    """A property as people call it."""
    return _NAMES[language].get(observed_property, observed_property)


def unit(code: str, language: Language) -> str:
    """A UCUM unit as people write it."""
    return _UNITS[language].get(code, code)


def reason(word: str, language: Language) -> str:
    """One of a detector's reasons in plain words."""
    return _REASONS[language].get(word, word.replace("_", " "))


def flag(word: str, language: Language) -> str:
    """A quality flag in plain words."""
    return _FLAGS[language].get(word, word.replace("_", " "))


def number(value: float, language: Language = "nl") -> str:
    """A figure in two or three significant digits, with the language's decimal sign."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
    return text.replace(".", ",") if language == "nl" else text


def plain(value: float, language: Language = "nl") -> str:
    """A figure in at most two digits and no more than it needs: 1, 2,5, 60."""
    text = f"{value:.2g}" if value < 100 else f"{value:.0f}"
    return text.replace(".", ",") if language == "nl" else text


def clock(at: datetime, language: Language = "nl") -> str:
    """Local time with its offset, so that nobody has to guess about summer time."""
    local = at.astimezone(_LOCAL)
    return f"{_DAYS[language][local.weekday()]} {local:%d-%m-%Y %H:%M:%S} ({local:%Z}, UTC{local:%z})"


def short_clock(at: datetime) -> str:
    """Local time of day."""
    return f"{at.astimezone(_LOCAL):%H:%M:%S}"


def times(alert: Alert, language: Language = "nl") -> str:
    """How many times the background the peak is, in brackets; empty where that says nothing."""
    if alert.background <= 0 or alert.peak / alert.background < 1.5:
        return ""
    return f" ({alert.peak / alert.background:.0f}× {'achtergrond' if language == 'nl' else 'background'})"


def headline(alert: Alert, language: Language = "nl") -> str:
    """One alert in one line: what, where, how high."""
    if alert.quiet:
        return alert.sentence.get(language, alert.place.name)
    what, at = name(alert.observed_property, language), "bij" if language == "nl" else "at"
    value = f"{number(alert.peak, language)} {unit(alert.unit, language)}"
    return f"{opening(alert, language)} {what} {at} {alert.place.name}: {value}{times(alert, language)}"


def opening(alert: Alert, language: Language = "nl") -> str:
    """What a headline begins with: `Piek`, or `Piek voorbij:`."""
    colon = ":" if alert.change in {Change.UPDATED, Change.ENDED} else ""
    return CHANGES[language][alert.change] + colon
