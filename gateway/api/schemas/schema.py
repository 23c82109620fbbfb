"""Base types of every API response: camelCase names, times as RFC 3339 in UTC, licence and attribution.

The OpenAPI document is generated from the types of this package. The package imports neither the database nor routes.
"""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, structs

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
    """A whole response, with its licence and whom to credit. The items of a collection leave both to the collection."""

    licence: Annotated[str, Meta(examples=[LICENCE])] | UnsetType = LICENCE
    attribution: str | UnsetType = "Piekwacht"


Document = TypeVar("Document", bound=LicensedDocument)


def omit_licence(document: Document) -> Document:
    """Return the document as an item of a collection."""
    return structs.replace(document, licence=UNSET, attribution=UNSET)


def state_licence_once(document: object) -> object:
    """Return a collection whose items leave licence and attribution to it; any other document as it is."""
    for name in ("items", "features"):
        items = getattr(document, name, None)
        if isinstance(document, LicensedDocument) and isinstance(items, list):
            licensed = [omit_licence(item) if isinstance(item, LicensedDocument) else item for item in items]
            return structs.replace(document, **{name: licensed})
    return document


def format_optional_instant(at: datetime | None) -> str | None:
    """The same, or None."""
    return None if at is None else format_instant(at)


def format_instants(columns: dict[str, Any]) -> dict[str, Any]:
    """A row's columns by name, with each time as RFC 3339 text."""
    return {name: format_instant(value) if isinstance(value, datetime) else value for name, value in columns.items()}
