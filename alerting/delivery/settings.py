"""Settings of each channel. Light to import: it loads no client library. Raises SettingsError for bad values."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from alerting.errors import SettingsError

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
Feature = Literal["gebied", "station", "grootheid", "ernst", "soort", "kenmerk"]
Rsin = Annotated[str, Meta(pattern=r"^[0-9]{9}$")]


class SmtpSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.smtp]`: the mail server; its certificate must be valid. Use `tls = "none"` for this machine only.

    `ca_file`: certificate authorities to trust instead of those of the system.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "starttls"
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    sender: str = "Piekwacht <piekwacht@localhost>"
    timeout: Annotated[float, Meta(gt=0, le=120)] = 15.0

    def password(self) -> str | None:
        """Read the password from its file. Raises OSError."""
        return self.password_file.read_text().strip() if self.password_file else None


class EmailSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.email]]`; `plot`: whether the mail has a drawing of the peak."""

    to: Annotated[list[str], Meta(min_length=1)]
    plot: bool = True

    def __post_init__(self) -> None:
        for address in self.to:
            if not _ADDRESS.fullmatch(address):
                raise SettingsError(f"{address!r} is no e-mail address: write name@domain, one per string")


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.webhook]]`: secret_file holds a Standard Webhooks secret, `whsec_...`."""

    url: str
    secret_file: Path
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class MqttSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.mqtt]]`: a broker and a topic, in which `{area}` and `{station}` are filled in.

    `tls` trusts the system's certificate authorities; `ca_file` turns TLS on and trusts those in the file instead.
    """

    host: str
    topic: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    tls: bool = False
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    retain: bool = False
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        if not self.topic or set("+#\0") & set(self.topic):
            raise SettingsError(f"topic {self.topic!r}: write a topic to publish on, without + and #")
        if set(fill_topic(self.topic, area="", station="")) & set("{}"):
            raise SettingsError(f"topic {self.topic!r}: only {{area}} and {{station}} are filled in")


class CapSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.cap]]`: the URL to POST to; `sender`: our name there; token_file holds a bearer token."""

    url: str
    sender: str
    scope: Literal["Public", "Private"] = "Private"
    addresses: str = "inspectorate"
    token_file: Path | None = None
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class ZakenSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.zaken]]`: `url` ends before `/zaken`; `zaaktype` is a URL of the Catalogi API."""

    url: str
    zaaktype: str
    bronorganisatie: Rsin
    verantwoordelijke_organisatie: Rsin
    client_id: str
    secret_file: Path
    timeout: Annotated[float, Meta(gt=0, le=60)] = 15.0

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_url(self.zaaktype)


class NotificatiesSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.notificaties]]`: `url` ends before `/notificaties`.

    `kenmerken` are those that the kanaal filters on.
    """

    url: str
    kanaal: str
    client_id: str
    secret_file: Path
    kenmerken: tuple[Feature, ...] = ("gebied", "station", "grootheid", "ernst")
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class AppriseSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.apprise]]`: url_file holds one of apprise's URLs, which has its secrets in it.

    `short`: the subject and the link only, for SMS.
    """

    url_file: Path
    short: bool = False


def fill_topic(topic: str, *, area: str, station: str) -> str:
    """Return the topic for one alert; +, # and / in a name become -, so that no name adds a level or a wildcard."""
    for key, value in (("{area}", area), ("{station}", station)):
        topic = topic.replace(key, "".join(c if c not in "+#/\0" else "-" for c in value))
    return topic


def _check_url(url: str) -> None:
    """Raise SettingsError if this is no HTTP URL."""
    try:
        target = urlsplit(url)
        is_invalid = target.scheme not in {"http", "https"} or not target.hostname or target.port == 0
    except ValueError as error:
        raise SettingsError(f"{url!r} is no address: {error}") from None
    if is_invalid or not url.isprintable() or " " in url:
        raise SettingsError(f"{url!r} is no address: write https:// and a host")
