"""`[alerting]` of piekwacht.toml: receivers with their channels, routes to them, and timing.

Raises SettingsError if a name, matcher, polygon or time cannot work.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, structs

from alerting.decide.inhibition import KnownSource
from alerting.decide.no_data import NoDataSettings
from alerting.decide.on_call import Roster
from alerting.decide.routing import Route, prepare_route
from alerting.decide.validation import check_conditions, check_known, check_names
from alerting.delivery.settings import (
    AppriseSettings,
    CapSettings,
    EmailSettings,
    MqttSettings,
    NotificatiesSettings,
    SmtpSettings,
    WebhookSettings,
    ZakenSettings,
)
from alerting.errors import SettingsError
from alerting.message.health import HealthAdvice
from alerting.vocabulary import Language

ChannelSettings = (
    EmailSettings
    | WebhookSettings
    | MqttSettings
    | CapSettings
    | ZakenSettings
    | NotificatiesSettings
    | AppriseSettings
)


MAX_RECEIVER_NAME = 63  # characters: the name stands twice in the link of a mail, which has at most 1,000


class ReceiverSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver]]`: an inspectorate's named set of channels. At least one channel is needed.

    name          name in routes and rosters
    language      language of the notifications
    order         channels by name, such as ["webhook:0", "email:0"]: the next is used only if the one before did not
                  deliver. Without it every channel gets every notification
    email         mails
    webhook       webhooks
    mqtt          MQTT topics
    cap           CAP servers
    zaken         Zaken APIs
    notificaties  Notificaties APIs
    apprise       services of apprise
    health        health advice by severity, in its mails, cases and services of apprise
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    language: Language = "nl"
    order: list[str] = []
    email: list[EmailSettings] = []
    webhook: list[WebhookSettings] = []
    mqtt: list[MqttSettings] = []
    cap: list[CapSettings] = []
    zaken: list[ZakenSettings] = []
    notificaties: list[NotificatiesSettings] = []
    apprise: list[AppriseSettings] = []
    health: HealthAdvice | None = None

    def __post_init__(self) -> None:
        if len(self.name) > MAX_RECEIVER_NAME:
            raise SettingsError(
                f"receiver {self.name[:20]}...: write a name of at most {MAX_RECEIVER_NAME} characters; "
                "with a longer one the links in its mails would be refused"
            )

    @property
    def channels(self) -> Mapping[str, ChannelSettings]:
        """Every channel by its name, `email:0`, `webhook:0`, ..."""
        kinds: Mapping[str, Sequence[ChannelSettings]] = {
            "email": self.email,
            "webhook": self.webhook,
            "mqtt": self.mqtt,
            "cap": self.cap,
            "zaken": self.zaken,
            "notificaties": self.notificaties,
            "apprise": self.apprise,
        }
        return {
            f"{kind}:{number}": channel for kind, channels in kinds.items() for number, channel in enumerate(channels)
        }

    @property
    def initial_channels(self) -> Sequence[str]:
        """The channels that get a notification first."""
        return self.order[:1] or list(self.channels)

    def next_channel(self, channel: str) -> str | None:
        """Return the channel to try if this one did not deliver, or None."""
        remaining = self.order[self.order.index(channel) + 1 :] if channel in self.order else []
        return next(iter(remaining), None)


class HeartbeatSettings(Struct, frozen=True, kw_only=True):
    """`[alerting.heartbeat]`: calls to a monitor outside, which raises the alarm when they stop.

    url            address to call
    seconds        time between two calls, in seconds
    stale_seconds  no call is made while an alert has waited longer than this
    """

    url: str
    seconds: Annotated[float, Meta(gt=0)] = 60.0
    stale_seconds: Annotated[float, Meta(gt=0)] = 120.0


class AlertingSettings(Struct, frozen=True, kw_only=True):
    """`[alerting]`: receivers, routes and the mail server.

    public_url        address of the pages, for the links in notifications
    source            name of this system in CloudEvents: `urn:nld:oin:<OIN>:systeem:<name>`
    allow_private     whether webhooks may point at private and loopback addresses
    smtp              mail server
    receiver          receivers
    roster            duty rosters
    route             routes, tried in order
    known_source      known sources
    heartbeat         heartbeat to a monitor outside
    no_data           alerts about missing data
    calm_minutes      time without an event after which a plume is over
    ease_minutes      time that a lower severity must last before it is notified
    digest_at         local time of the daily overview of events that were detected late
    delivery_workers  number of notifications that are sent at the same time, at most one per channel
    burst             notifications per channel within ten minutes before further ones are gathered
    gather_seconds    time between two gathered notifications
    """

    FORMER_KEYS: ClassVar[Mapping[str, str]] = {"silent": "no_data", "senders": "delivery_workers"}

    public_url: str = "http://127.0.0.1:8080"
    source: str = "urn:nld:oin:00000000000000000000:systeem:piekwacht"
    allow_private: bool = False  # whether webhooks may point at private and loopback addresses
    smtp: SmtpSettings = SmtpSettings()
    receiver: list[ReceiverSettings] = []
    roster: list[Roster] = []
    route: list[Route] = []
    known_source: list[KnownSource] = []
    heartbeat: HeartbeatSettings | None = None
    no_data: NoDataSettings | None = None
    calm_minutes: Annotated[float, Meta(ge=0)] = 5.0  # a plume is over if it had no open event for so long
    ease_minutes: Annotated[float, Meta(ge=0)] = 10.0  # notify of a lower severity once it has held for so long
    digest_at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:30"  # local time
    delivery_workers: Annotated[int, Meta(ge=1, le=64)] = 4  # deliveries at the same time, at most one per channel
    burst: Annotated[int, Meta(ge=1)] = 10  # notifications per channel in ten minutes; those beyond are gathered
    gather_seconds: Annotated[float, Meta(ge=1)] = 60.0  # interval of gathered notifications

    def __post_init__(self) -> None:
        for number, receiver in enumerate(self.receiver):
            if not receiver.channels:
                raise SettingsError(f"receiver {receiver.name!r} has no channel: give it an email or a webhook")
            for name in receiver.order:
                check_known(f"receiver[{number}].order", name, list(receiver.channels), "channel")
            if len(set(receiver.order)) != len(receiver.order):
                raise SettingsError(f"alerting.receiver[{number}].order: holds a channel twice")
        if self.no_data is not None:
            names = [*(receiver.name for receiver in self.receiver), *(roster.name for roster in self.roster)]
            check_known("no_data.receiver", self.no_data.receiver, names)
        check_names([receiver.name for receiver in self.receiver], self.roster, self.route)
        check_conditions(self.route, self.known_source)

    def find_receiver(self, name: str) -> ReceiverSettings | None:
        """Return the receiver with this name; None if the settings have none."""
        return next((receiver for receiver in self.receiver if receiver.name == name), None)

    def has_addressee(self, receiver: str, channel: str, addressee: str) -> bool:
        """Whether this addressee is configured. Only mail channels list theirs; an empty one means the channel."""
        entry = self.find_receiver(receiver)
        channel_settings = None if entry is None else entry.channels.get(channel)
        if isinstance(channel_settings, EmailSettings) and addressee:
            return addressee in channel_settings.to
        return channel_settings is not None

    def load_routes(self) -> list[Route]:
        """Return the routes with the polygons of `inside_file` read. Raises SettingsError if a file cannot be read."""
        return [_load_polygon(number, route) for number, route in enumerate(self.route)]


def _load_polygon(number: int, route: Route) -> Route:
    if route.inside_file is None:
        return route
    try:
        loaded_route = structs.replace(route, inside=route.inside_file.read_text(encoding="utf-8"), inside_file=None)
        prepare_route(loaded_route)
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise SettingsError(f"alerting.route[{number}].inside_file: {route.inside_file}: {error}") from None
    return loaded_route
