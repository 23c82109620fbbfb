"""Section `[api]` of piekwacht.toml: the public API and pages."""

from typing import Annotated

from msgspec import Meta, Struct, field

from gateway.access.settings import AccessSettings


class BaseMapSettings(Struct, frozen=True, kw_only=True):
    """A base map below the stations. Without a `url` the map shows only the outline of the areas.

    url             address of a tile, with {z}, {x} and {y}; fetched by the API, never by a visitor's browser
    attribution     owner of the map, shown on it
    lowest, highest available zoom levels
    """

    url: Annotated[str, Meta(pattern=r"^$|^https?://[^ ]*\{z\}[^ ]*$")] = ""
    attribution: str = "Kaartgegevens © Kadaster"
    lowest: Annotated[int, Meta(ge=0, le=22)] = 6
    highest: Annotated[int, Meta(ge=0, le=22)] = 17


class ApiSettings(Struct, frozen=True, kw_only=True):
    """Address and behaviour of the API and pages.

    replay          the data are a recording: pages show a banner, and ages count from the newest reading
    silent_after    seconds without data after which a station is shown as having no data
    viewers         maximum number of live streams; viewers_per_address: of one address
    proxies         addresses of our reverse proxies, whose X-Forwarded-For is trusted
    heartbeat       seconds between heartbeats on an idle live stream
    lease           seconds after which a live stream is closed; the browser reconnects by itself
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    public_url: str = "http://127.0.0.1:8080"
    replay: bool = False
    silent_after: Annotated[float, Meta(gt=0)] = 120.0
    viewers: Annotated[int, Meta(ge=1)] = 12_000
    viewers_per_address: Annotated[int, Meta(ge=1)] = 200
    proxies: list[str] = field(default_factory=lambda: ["127.0.0.1", "::1"])
    heartbeat: Annotated[float, Meta(gt=0)] = 15.0
    lease: Annotated[float, Meta(gt=0)] = 3_600.0
    operator: str = "Piekwacht"
    contact: str = "https://example.org/piekwacht"
    email: str = "piekwacht@example.org"
    base_map: BaseMapSettings = BaseMapSettings()
    access: AccessSettings = AccessSettings()
