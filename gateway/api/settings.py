"""`[api]` of piekwacht.toml."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from gateway.access.settings import AccessSettings


class BaseMapSettings(Struct, frozen=True, kw_only=True):
    """A map below the stations; without an address there is the outline of the area only.

    url             of a tile, with {z}, {x} and {y}; ours ask for it, never a visitor's browser
    attribution     whose map it is, shown on it
    lowest, highest zoom levels that there are
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"lowest": "min_zoom", "highest": "max_zoom"}

    url: Annotated[str, Meta(pattern=r"^$|^https?://[^ ]*\{z\}[^ ]*$")] = ""
    attribution: str = "Kaartgegevens © Kadaster"
    min_zoom: Annotated[int, Meta(ge=0, le=22)] = 6
    max_zoom: Annotated[int, Meta(ge=0, le=22)] = 17


class ApiSettings(Struct, frozen=True, kw_only=True):
    """Where the public face answers, and how it behaves.

    replay          the data are a recording: a banner says so, and age is counted from the newest reading
    silent_after    seconds without data after which a station is shown as silent
    viewers         most live streams at once, and from one address
    proxies         addresses of our own proxies, whose X-Forwarded-For is believed
    heartbeat       seconds between signs of life on a quiet stream
    lease           seconds after which a stream is ended; the browser comes back by itself
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {
        "silent_after": "no_data_after_seconds",
        "viewers": "max_viewers",
        "viewers_per_address": "max_viewers_per_address",
        "proxies": "trusted_proxies",
        "heartbeat": "heartbeat_seconds",
        "lease": "stream_seconds",
    }

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    public_url: str = "http://127.0.0.1:8080"
    replay: bool = False
    no_data_after_seconds: Annotated[float, Meta(gt=0)] = 120.0
    max_viewers: Annotated[int, Meta(ge=1)] = 12_000
    max_viewers_per_address: Annotated[int, Meta(ge=1)] = 200
    trusted_proxies: list[str] = field(default_factory=lambda: ["127.0.0.1", "::1"])
    heartbeat_seconds: Annotated[float, Meta(gt=0)] = 15.0
    stream_seconds: Annotated[float, Meta(gt=0)] = 3_600.0
    operator: str = "Piekwacht"
    contact: str = "https://example.org/piekwacht"
    email: str = "piekwacht@example.org"
    base_map: BaseMapSettings = BaseMapSettings()
    access: AccessSettings = AccessSettings()
