"""What is set for each channel. Light: whoever reads the settings loads none of what the channels send with."""

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
    """`[alerting.smtp]`: the mail server; its certificate must be in order. Without TLS only towards this machine.

    `ca_file` holds an inspectorate's own authority; otherwise those of the system are believed.
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
        """As its file has it now. Raises OSError."""
        return self.password_file.read_text().strip() if self.password_file else None


class EmailSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.email]]`; `plot`: whether the peak is drawn in the mail."""

    to: Annotated[list[str], Meta(min_length=1)]
    plot: bool = True

    def __post_init__(self) -> None:
        for address in self.to:
            if not _ADDRESS.fullmatch(address):
                raise SettingsError(f"{address!r} is no e-mail address: write name@domain, one a string")


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.webhook]]`: secret_file holds a Standard Webhooks secret, `whsec_...`."""

    url: str
    secret_file: Path
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class MqttSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.mqtt]]`: a broker and a topic, in which `{area}` and `{station}` are filled in.

    `tls` believes the system's authorities, `ca_file` turns it on with an authority of your own.
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
    """`[[alerting.receiver.cap]]`: where to POST; `sender` as that side knows us; token_file for a bearer token."""

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
    """A topic for one alert. No name can reach another level of the tree or make a wildcard."""
    for key, value in (("{area}", area), ("{station}", station)):
        topic = topic.replace(key, "".join(c if c not in "+#/\0" else "-" for c in value))
    return topic


def _check_url(url: str) -> None:
    """Raise SettingsError where nothing can be asked at this address."""
    try:
        target = urlsplit(url)
        is_invalid = target.scheme not in {"http", "https"} or not target.hostname or target.port == 0
    except ValueError as error:
        raise SettingsError(f"{url!r} is no address: {error}") from None
    if is_invalid or not url.isprintable() or " " in url:
        raise SettingsError(f"{url!r} is no address: write https:// and a host")
