"""`[context]` of piekwacht.toml: stations of KNMI and Luchtmeetnet that stand beside ours."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from gateway.context.values import ContextSource

Address = Annotated[str, Meta(pattern=r"^https?://[^ ?#]+[^ ?#/]$")]


class ContextStation(Struct, frozen=True, kw_only=True):
    """`[[context.station]]`: a station of another network.

    source  knmi or luchtmeetnet
    id      its number there, such as NL49551, or 0-20000-0-06225 at KNMI
    name    its name for people
    area    area whose pages show it
    """

    source: ContextSource
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    area: str


class ContextSettings(Struct, frozen=True, kw_only=True):
    """`[context]`: values of other networks, fetched by `piekwacht context fetch`.

    station           stations whose values are fetched and shown
    luchtmeetnet_url  address of Luchtmeetnet's open API
    knmi_url          address of KNMI's Environmental Data Retrieval API
    knmi_key_file     file with the operator's key for it; without one nothing is fetched from KNMI
    """

    station: list[ContextStation] = []
    luchtmeetnet_url: Address = "https://api.luchtmeetnet.nl/open_api"
    knmi_url: Address = "https://api.dataplatform.knmi.nl/edr/v1"
    knmi_key_file: Path | None = None
