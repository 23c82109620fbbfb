"""Choices and descriptions of subscriptions for the pages. Pure but for reading the catalogue."""

from collections.abc import Sequence

from alerting.alert import Severity
from alerting.subscriptions.contact_store import StoredSubscription
from alerting.subscriptions.form import FormChoices
from alerting.subscriptions.settings import NtfySettings
from alerting.subscriptions.subscription import Cadence, PlaceKind
from alerting.vocabulary import severity_text, texts_of
from gateway.api.data.registry import PublicRegistry
from gateway.api.pages.formats import Formats
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.texts import texts_of as gateway_texts_of

RADII = (500, 1_000, 2_000, 5_000, 10_000)  # metres
DEFAULTS = {"level": "moderate", "cadence": "at_once", "quiet": "yes", "quiet_from": "22:00", "quiet_until": "07:00"}


def list_choices(registry: PublicRegistry) -> FormChoices:
    """Return what this network has."""
    return FormChoices(
        areas=set(registry.areas), stations=set(registry.stations), properties=set(list_properties(registry))
    )


def list_properties(registry: PublicRegistry) -> Sequence[str]:
    """Return the properties that are shown to people and measured by a station of the network."""
    measured = {datastream.observed_property for datastream in registry.datastreams.values()}
    return [name for name in SHOWN_PROPERTIES if name in measured]


def list_places(registry: PublicRegistry, language: str) -> Sequence[tuple[str, str, str]]:
    """Return group, value and name of each place that has a name: areas, then stations."""
    texts = gateway_texts_of("subscribe", language)
    areas = [(texts["areas"], f"area:{area.id}", area.name) for area in registry.areas.values()]
    stations = [(texts["stations"], f"station:{station.id}", station.name) for station in registry.stations.values()]
    return [*sorted(areas, key=lambda item: item[2]), *sorted(stations, key=lambda item: item[2])]


def describe_subscription(row: StoredSubscription, view: Formats, language: str) -> str:
    """Return one subscription in a sentence."""
    texts = gateway_texts_of("subscribe", language)
    name = texts["any_property"].lower() if not row.property else view.name_of(row.property)
    parts = [_describe_place(row, language), name, texts["from_level"].format(level=severity_text(row.level, language))]
    parts.append(texts["cadence_daily" if row.cadence == Cadence.DAILY.value else "cadence_at_once"])
    if row.quiet_from is not None and row.quiet_until is not None:
        parts.append(texts["quiet_between"].format(begin=f"{row.quiet_from:%H:%M}", end=f"{row.quiet_until:%H:%M}"))
        if row.wakes:
            parts.append(texts["wakes_short"])
    return ", ".join(parts)


def list_levels(language: str) -> Sequence[tuple[str, str]]:
    """Return the severities from least to worst, with their names."""
    return [(severity.value, severity_text(severity.value, language)) for severity in Severity]


def list_topics(settings: NtfySettings | None, registry: PublicRegistry, language: str) -> dict[str, object]:
    """Return `topics`, the name of each area with the address of its topic, and `ntfy_level`, their lowest severity."""
    if settings is None:
        return {"topics": [], "ntfy_level": ""}
    names = {id_: area.name for id_, area in registry.areas.items() if id_ in settings.topics}
    topics = sorted((name, settings.address_of(id_)) for id_, name in names.items())
    return {"topics": topics, "ntfy_level": severity_text(settings.level.value, language)}


def _describe_place(row: StoredSubscription, language: str) -> str:
    if row.place_kind != PlaceKind.CIRCLE.value:
        return row.place
    return texts_of("subscription", language)["circle"].format(
        radius=row.radius, latitude=row.latitude, longitude=row.longitude
    )
