"""Base types of every API response: camelCase names, times as RFC 3339 in UTC, licence and attribution.

The OpenAPI document is generated from the types of this package. The package imports neither the database nor routes.
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.model.timestamps import format_instant

LICENCE = "https://creativecommons.org/licenses/by/4.0/"

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-21T02:40:59.000Z"])]
Id = Annotated[str, Meta(examples=["wijk-aan-zee"])]
Json = dict[str, Any]


def ref(name: str) -> Json:
    """A JSON Schema reference to another type of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


class Schema(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Base of all types. They are trees without cycles, so the garbage collector does not track them."""


class LicensedDocument(Schema, frozen=True, kw_only=True):
    """A whole response, with its licence and whom to credit."""

    licence: Annotated[str, Meta(examples=[LICENCE])] = LICENCE
    attribution: str = "Piekwacht"


def format_optional_instant(at: datetime | None) -> str | None:
    """The same, or None."""
    return None if at is None else format_instant(at)


def format_instants(columns: dict[str, Any]) -> dict[str, Any]:
    """A row's columns by name, with each time as RFC 3339 text."""
    return {name: format_instant(value) if isinstance(value, datetime) else value for name, value in columns.items()}
