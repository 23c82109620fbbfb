"""A value of another network, and the networks that can be read. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from gateway.errors import StartError


class ContextError(StartError):
    """An answer or a file that cannot be used; the sentence names it and the remedy."""


class ContextSource(StrEnum):
    """The networks."""

    KNMI = "knmi"
    LUCHTMEETNET = "luchtmeetnet"


ATTRIBUTIONS: Mapping[ContextSource, str] = {
    ContextSource.KNMI: "KNMI, CC BY 4.0",
    ContextSource.LUCHTMEETNET: "Luchtmeetnet (RIVM en partners)",
}


class ContextValue(Struct, frozen=True, kw_only=True):
    """A mean over `seconds` from `start` on at a station of another network.

    observed_property  id in gateway/model/properties.toml, or of a gas such as no2
    unit               UCUM code
    """

    station: str
    observed_property: str
    start: datetime
    seconds: int
    value: float
    unit: str
