"""Settings of each channel. Light to import: it loads no client library. Raises SettingsError for bad values."""

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from alerting.errors import SettingsError

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
Feature = Literal["gebied", "station", "grootheid", "ernst", "soort", "kenmerk"]
Rsin = Annotated[str, Meta(pattern=r"^[0-9]{9}$")]


def is_mail_address(text: str) -> bool:
    """Return whether mail can go to this address; only ASCII is."""
    return _ADDRESS.fullmatch(text) is not None and text.isascii()


def check_sender(sender: str) -> None:
    """Raise SettingsError if this is no From header with one address."""
    if not is_mail_address(parseaddr(sender)[1]) or not sender.isprintable():
        raise SettingsError(f"sender {sender!r}: write Name <name@domain>")


class SmtpSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.smtp]`: the mail server. Its certificate must be valid.

    host            host name; the certificate must be for it
    port            587 is usual with starttls, 465 with tls
    tls             how the connection is encrypted; `none` only to this machine
    ca_file         certificate of an authority to trust instead of those of the system
    username        user name, if the server asks for one
    password_file   file with the password, read for each mail
    sender          From address of the mails
    timeout         time to wait for the other side, in seconds
    answer_timeout  time to wait for the answer to a whole mail, in seconds; if it is shorter than the server needs,
                    people get the mail twice
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "starttls"
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    sender: str = "Piekwacht <piekwacht@localhost>"
    timeout: Annotated[float, Meta(gt=0, le=120)] = 15.0
    answer_timeout: Annotated[float, Meta(gt=0, le=600)] = 120.0

    def __post_init__(self) -> None:
        check_sender(self.sender)

    def password(self) -> str | None:
        """Read the password from its file. Raises OSError."""
        return self.password_file.read_text().strip() if self.password_file else None


class EmailSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.email]]`: mails to people.

    to    e-mail addresses
    plot  whether the mail has a chart of the peak
    """

    to: Annotated[list[str], Meta(min_length=1)]
    plot: bool = True

    def __post_init__(self) -> None:
        for address in self.to:
            if not is_mail_address(address):
                raise SettingsError(f"{address!r} is no e-mail address: write name@domain in ASCII, one per string")
        if len({address.lower() for address in self.to}) != len(self.to):
            raise SettingsError(f"to: holds an address twice: {', '.join(self.to)}")


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.webhook]]`: CloudEvents by HTTP POST, signed as Standard Webhooks.

    url          where to POST
    secret_file  file with the secret, `whsec_...`
    timeout      time to wait for the other side, in seconds
    """

    url: str
    secret_file: Path
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class MqttSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.mqtt]]`: messages on a topic of a broker.

    host           host name of the broker
    topic          topic, in which `{area}` and `{station}` are filled in
    port           port of the broker
    tls            encrypt, and trust the authorities of the system
    ca_file        encrypt, and trust the authority in this file
    username       user name, if the broker asks for one
    password_file  file with the password
    retain         ask the broker to retain the last message
    timeout        time to wait for the other side, in seconds
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
    """`[[alerting.receiver.cap]]`: CAP 1.2 by HTTP POST.

    url         where to POST
    sender      our identifier at the receiving system
    scope       CAP scope
    addresses   CAP addresses, for the scope Private
    token_file  file with a bearer token
    timeout     time to wait for the other side, in seconds
    """

    url: str
    sender: str
    scope: Literal["Public", "Private"] = "Private"
    addresses: str = "inspectorate"
    token_file: Path | None = None
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)


class ZakenSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.zaken]]`: a zaak in the VNG Zaken API.

    url                            address of the API, up to and without `/zaken`
    zaaktype                       URL of the zaaktype in the Catalogi API
    bronorganisatie                RSIN of the source organisation
    verantwoordelijke_organisatie  RSIN of the responsible organisation
    client_id                      client id for the token
    secret_file                    file with the secret for the token
    timeout                        time to wait for the other side, in seconds
    """

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
    """`[[alerting.receiver.notificaties]]`: a notificatie in the VNG Notificaties API.

    url          address of the API, up to and without `/notificaties`
    kanaal       kanaal to publish on
    client_id    client id for the token
    secret_file  file with the secret for the token
    kenmerken    features that the kanaal filters on
    timeout      time to wait for the other side, in seconds
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
    """`[[alerting.receiver.apprise]]`: any service that apprise supports, SMS among them.

    url_file  file with URLs of apprise, one per line, which contain their secrets; each has its own outcome
    short     send only the subject and the link, for SMS
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
