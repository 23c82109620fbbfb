"""Section `[api]` of piekwacht.toml: the public API and pages."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from gateway.access.settings import AccessSettings

_LONGEST_CONTACT = timedelta(days=366)  # RFC 9116 recommends less than a year


class BaseMapSettings(Struct, frozen=True, kw_only=True):
    """`[api.base_map]`: the layers of the map below the stations. A drawn base map is always there.

    folder             own drawn base maps, `<area>/base.geojson`; without it: those that come with Piekwacht
    archive_folder     archives of vector tiles (PMTiles) that `piekwacht basemap add` puts there
    archive_megabytes  largest archive that `piekwacht basemap add` accepts, in 10^6 bytes
    url                address of a tile of a map server, with {z}, {x} and {y}; fetched by the API, never by a
                       visitor's browser. Empty: no tiles of a map server
    attribution        owner of the map server's map, shown on it
    min_zoom           lowest zoom level of the map server's map
    max_zoom           highest zoom level of the map server's map
    cache_folder       stored tiles of the map server, shown as well while it does not answer; without it: only in
                       memory
    cache_megabytes    most bytes of stored tiles, in 10^6; the oldest are deleted first
    cache_days         days after which a stored tile is deleted
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"lowest": "min_zoom", "highest": "max_zoom"}

    folder: Path | None = None
    archive_folder: Path | None = None
    archive_megabytes: Annotated[int, Meta(ge=1)] = 500
    url: Annotated[str, Meta(pattern=r"^$|^https?://[^ ]*\{z\}[^ ]*$")] = ""
    attribution: str = "Kaartgegevens © Kadaster"
    min_zoom: Annotated[int, Meta(ge=0, le=22)] = 6
    max_zoom: Annotated[int, Meta(ge=0, le=22)] = 17
    cache_folder: Path | None = None
    cache_megabytes: Annotated[int, Meta(ge=1)] = 200
    cache_days: Annotated[int, Meta(ge=1)] = 90


class SecurityTxtSettings(Struct, frozen=True, kw_only=True):
    """`[api.security_txt]`: the contact for reports of vulnerabilities, published at /.well-known/security.txt.

    contact  where reports go, such as mailto:security@example.org or the https address of a form
    expires  UTC time until which the contact is valid, at most a year away; else the file is not published
    """

    contact: Annotated[str, Meta(pattern=r"^(mailto:|https://|tel:)[^ \r\n]+$")]
    expires: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]

    def __post_init__(self) -> None:
        """Reject a date that does not exist."""
        datetime.fromisoformat(self.expires)

    def find_problem(self, now: datetime) -> str | None:
        """Return why the contact must not be published at `now`, None if it may (RFC 9116, 2.5.5)."""
        expires = datetime.fromisoformat(self.expires)
        if expires <= now:
            return f"the contact for security was valid until {self.expires}"
        if expires - now > _LONGEST_CONTACT:
            return f"the contact for security is valid until {self.expires}, which is more than a year away"
        return None


class ApiSettings(Struct, frozen=True, kw_only=True):
    """`[api]`: the public API and the pages.

    host                     address to listen on
    port                     port to listen on
    public_url               address that visitors use
    replay                   the data are a recording: pages show a banner, and ages count from the newest reading
    no_data_after_seconds    time without data after which a station is shown as having no data
    max_viewers              maximum number of live streams
    max_viewers_per_address  maximum number of live streams of one address
    trusted_proxies          addresses of proxies of this site, whose X-Forwarded-For is trusted
    heartbeat_seconds        time between heartbeats on an idle live stream
    stream_seconds           time after which a live stream is closed; the browser reconnects by itself
    operator                 organisation that runs this site, named on pages and in exports
    contact                  address of a page with contact details
    email                    e-mail address for visitors
    complaint_url            address of the authority's own form for complaints; empty: pages name the authority only
    mqtt_endpoints           public addresses of the broker, at which new SensorThings Observations are published, such
                             as mqtt://data.example.org:1883; empty: none are
    base_map                 base map
    access                   limits, and how staff sign in
    security_txt             contact for reports of vulnerabilities
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
    complaint_url: Annotated[str, Meta(pattern=r"^$|^https?://[^ ]+$")] = ""
    mqtt_endpoints: Annotated[
        list[Annotated[str, Meta(pattern=r"^(mqtts?|wss?)://[^ /]+[^ ]*$")]], Meta(max_length=8)
    ] = field(default_factory=list)
    base_map: BaseMapSettings = BaseMapSettings()
    access: AccessSettings = AccessSettings()
    security_txt: SecurityTxtSettings | None = None
