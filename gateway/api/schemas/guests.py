"""Type of the answer to the post of a foreign sensor."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Schema


class GuestReceipt(Schema, frozen=True, kw_only=True):
    """Outcome of a message of a guest, which is committed to the database before this is answered."""

    state: Annotated[
        Literal["stored", "repeated"],
        Meta(description="`repeated`: an equal message was stored before, and this one is not stored again"),
    ]
    values: Annotated[int, Meta(description="number of values in the message that belong to a property")]
