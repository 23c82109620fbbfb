"""The form of a subscription: fields as a browser sends them -> a request, or the problems by field. Pure."""

from collections.abc import Collection, Mapping
from datetime import time
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from alerting.alert import Severity
from alerting.delivery.settings import is_mail_address
from alerting.subscriptions.quiet_hours import QuietHours
from alerting.subscriptions.subscription import (
    MAX_RADIUS,
    MIN_RADIUS,
    Cadence,
    NoticeSubscription,
    PlaceKind,
    SubscribedPlace,
    round_position,
)

Member = TypeVar("Member", bound=StrEnum)

MAX_ADDRESS = 254  # characters (RFC 5321, 4.5.3.1.3)


class FormProblem(StrEnum):
    """Problems of fields; each has a sentence in the catalogue."""

    EMAIL = "email"
    PLACE = "place"
    POSITION = "position"
    RADIUS = "radius"
    PROPERTY = "property"
    LEVEL = "level"
    CADENCE = "cadence"
    QUIET = "quiet"


class FormChoices(Struct, frozen=True, kw_only=True):
    """Choices of the form: ids of areas, stations and properties."""

    areas: Collection[str]
    stations: Collection[str]
    properties: Collection[str]


def read_email(fields: Mapping[str, str]) -> str | None:
    """Return the address; None if mail cannot go there."""
    address = fields.get("email", "").strip()
    return address if is_mail_address(address) and len(address) <= MAX_ADDRESS else None


def read_subscription(fields: Mapping[str, str], choices: FormChoices) -> NoticeSubscription | list[FormProblem]:
    """Return the subscription, or every problem. Fields that a browser leaves out have their default."""
    problems: list[FormProblem] = []
    place = _read_place(fields, choices)
    observed_property = fields.get("property", "")
    if observed_property and observed_property not in choices.properties:
        problems.append(FormProblem.PROPERTY)
    level, cadence = _find_member(Severity, fields.get("level", "")), _find_member(Cadence, fields.get("cadence", ""))
    quiet = _read_quiet(fields)
    if level is None:
        problems.append(FormProblem.LEVEL)
    if cadence is None:
        problems.append(FormProblem.CADENCE)
    problems.extend(value for value in (place, quiet) if isinstance(value, FormProblem))
    if problems or isinstance(place, FormProblem) or isinstance(quiet, FormProblem) or not level or not cadence:
        return problems
    return NoticeSubscription(
        place=place,
        observed_property=observed_property,
        level=level,
        cadence=cadence,
        quiet=quiet,
        wakes=quiet is not None and fields.get("wakes") == "yes",
    )


def _read_place(fields: Mapping[str, str], choices: FormChoices) -> SubscribedPlace | FormProblem:
    kind_name, _, id_ = fields.get("place", "").partition(":")
    kind = _find_member(PlaceKind, kind_name)
    if kind is PlaceKind.CIRCLE:
        return _read_circle(fields)
    ids_by_kind = {PlaceKind.AREA: choices.areas, PlaceKind.STATION: choices.stations}
    if kind is None or id_ not in ids_by_kind[kind]:
        return FormProblem.PLACE
    return SubscribedPlace(kind=kind, id=id_)


def _read_circle(fields: Mapping[str, str]) -> SubscribedPlace | FormProblem:
    latitude, longitude = (_read_number(fields.get(name, "")) for name in ("latitude", "longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return FormProblem.POSITION
    radius = _read_number(fields.get("radius", ""))
    if radius is None or not MIN_RADIUS <= radius <= MAX_RADIUS:
        return FormProblem.RADIUS
    return SubscribedPlace(
        kind=PlaceKind.CIRCLE,
        latitude=round_position(latitude),
        longitude=round_position(longitude),
        radius=round(radius),
    )


def _read_quiet(fields: Mapping[str, str]) -> QuietHours | FormProblem | None:
    if fields.get("quiet") != "yes":
        return None
    try:
        begin, end = (time.fromisoformat(fields.get(name, "")) for name in ("quiet_from", "quiet_until"))
    except ValueError:
        return FormProblem.QUIET
    if begin == end or begin.tzinfo is not None or end.tzinfo is not None:
        return FormProblem.QUIET
    return QuietHours(begin=begin, end=end)


def _read_number(text: str) -> float | None:
    """Return a number with a point or a comma; None if it is none."""
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < 1e6 else None  # also no NaN


def _find_member(kind: type[Member], value: str) -> Member | None:
    return next((member for member in kind if member.value == value), None)
