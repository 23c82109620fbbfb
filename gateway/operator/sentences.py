"""Sentences about nodes for pages, commands and the API, from one catalogue. Pure."""

from collections.abc import Mapping
from datetime import datetime

from alerting.vocabulary import (
    LOCAL_TIMEZONE,
    Language,
    flag_text,
    format_duration,
    localize_decimal,
)
from gateway.model.properties import PROPERTIES
from gateway.model.texts import texts_of
from gateway.operator.fleet import Remark


def describe_remark(remark: Remark, language: Language) -> str:
    """Return one problem of a node as a sentence."""
    text = texts_of("operator_problem", language)[remark.problem.value]
    return text.format(**{name: _format(name, value, language) for name, value in remark.values.items()})


def name_property(id_: str, language: Language) -> str:
    """Return the name of a property; of one that is not shipped its id."""
    row = PROPERTIES.get(id_)
    return id_ if row is None else str(getattr(row.name, language))


def describe_changes(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> str:
    """Return what an act changed, as `name: old -> new; ...` in order of the names."""
    old, new = before or {}, after or {}
    return "; ".join(_describe_change(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))


def _describe_change(name: str, old: object, new: object) -> str:
    return f"{name}: {new}" if old is None else f"{name}: {old} -> {new}" if new is not None else f"{name}: {old} ->"


def _format(name: str, value: object, language: Language) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(LOCAL_TIMEZONE):%d-%m-%Y %H:%M}"
    if name == "property":
        return name_property(str(value), language)
    if name == "flag":
        return flag_text(str(value), language)
    if name == "seconds":
        return "?" if value is None else _format_signed(float(str(value)), language)
    if isinstance(value, float):
        return localize_decimal(f"{100 * value:.0f}", language)
    return str(value)


def _format_signed(seconds: float, language: Language) -> str:
    sign = "+" if seconds >= 0 else "-"
    return f"{sign}{format_duration(abs(seconds), language)}"
