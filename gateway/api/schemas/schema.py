"""What every answer is made of: camelCase, RFC 3339 in UTC, unit beside every figure, whose it is.

The types of this package are the API's schema too: the OpenAPI document is made from them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

LICENCE = "https://creativecommons.org/licenses/by/4.0/"

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-21T02:40:59.000Z"])]
Id = Annotated[str, Meta(examples=["wijk-aan-zee"])]
Json = dict[str, Any]


def ref(name: str) -> Json:
    """Another type of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


class Schema(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What all of them are: trees, so that the garbage collector need not look at them."""


class LicensedDocument(Schema, frozen=True, kw_only=True):
    """A whole answer: whose it is, and what one may do with it."""

    licence: Annotated[str, Meta(examples=[LICENCE])] = LICENCE
    attribution: str = "Piekwacht"


def format_instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_optional_instant(at: datetime | None) -> str | None:
    """`instant`, where there is one."""
    return None if at is None else format_instant(at)


def fields_from_row(document_type: type[LicensedDocument], row: Sequence[Any]) -> dict[str, Any]:
    """The row's values by the type's own fields, which stand in the query's order."""
    fields = [name for name in document_type.__struct_fields__ if name not in LicensedDocument.__struct_fields__]
    return {
        name: format_instant(value) if isinstance(value, datetime) else value
        for name, value in zip(fields, row, strict=True)
    }
