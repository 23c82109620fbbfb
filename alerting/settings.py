"""`[alerting]` of piekwacht.toml: how to send, whom to tell, and when."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from alerting.errors import SettingsError
from alerting.matcher import Matcher
from alerting.routing import Route


class SmtpSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.smtp]`: the mail server. Without TLS only towards this machine."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password_file: Path | None = None
    sender: str = "Piekwacht <piekwacht@localhost>"
    timeout: Annotated[float, Meta(gt=0, le=120)] = 15.0


class EmailSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.email]]`."""

    to: Annotated[list[str], Meta(min_length=1)]


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.webhook]]`: secret_file holds a Standard Webhooks secret, `whsec_...`."""

    url: str
    secret_file: Path
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0


class ReceiverSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver]]`: an inspectorate's named set of channels."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    email: list[EmailSettings] = []
    webhook: list[WebhookSettings] = []


class AlertingSettings(Struct, frozen=True, kw_only=True):
    """The whole table. `source` is this system's name in CloudEvents, `urn:nld:oin:<OIN>:systeem:<name>`."""

    public_url: str = "http://127.0.0.1:8080"
    source: str = "urn:nld:oin:00000000000000000000:systeem:piekwacht"
    allow_private: bool = False  # whether webhooks may point at private and loopback addresses
    smtp: SmtpSettings = SmtpSettings()
    receiver: list[ReceiverSettings] = []
    route: list[Route] = []

    def __post_init__(self) -> None:
        names = [receiver.name for receiver in self.receiver]
        for receiver in self.receiver:
            if not receiver.email and not receiver.webhook:
                raise SettingsError(f"receiver {receiver.name!r} has no channel: give it an email or a webhook")
        for route in self.route:
            if route.receiver not in names:
                raise SettingsError(
                    f"a route names receiver {route.receiver!r}; there are {', '.join(names) or 'none'}"
                )
            for text in route.match:
                Matcher.parse(text)
