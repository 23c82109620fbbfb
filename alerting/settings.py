"""`[alerting]` of piekwacht.toml: how to send, whom to tell, and when."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated

from msgspec import Meta, Struct

from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.delivery.webhook import WebhookSettings
from alerting.errors import SettingsError
from alerting.heartbeat import HeartbeatSettings
from alerting.inhibition import KnownSource
from alerting.matcher import Matcher
from alerting.routing import Route
from alerting.words import Language

ChannelSettings = EmailSettings | WebhookSettings


class ReceiverSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver]]`: an inspectorate's named set of channels."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    language: Language = "nl"
    email: list[EmailSettings] = []
    webhook: list[WebhookSettings] = []

    @property
    def channels(self) -> Mapping[str, ChannelSettings]:
        """Every channel by its name, `email:0`, `webhook:0`, ..."""
        kinds: Mapping[str, Sequence[ChannelSettings]] = {"email": self.email, "webhook": self.webhook}
        return {f"{kind}:{number}": one for kind, many in kinds.items() for number, one in enumerate(many)}


class AlertingSettings(Struct, frozen=True, kw_only=True):
    """The whole table. `source` is this system's name in CloudEvents, `urn:nld:oin:<OIN>:systeem:<name>`."""

    public_url: str = "http://127.0.0.1:8080"
    source: str = "urn:nld:oin:00000000000000000000:systeem:piekwacht"
    allow_private: bool = False  # whether webhooks may point at private and loopback addresses
    smtp: SmtpSettings = SmtpSettings()
    receiver: list[ReceiverSettings] = []
    route: list[Route] = []
    known_source: list[KnownSource] = []
    heartbeat: HeartbeatSettings | None = None
    senders: Annotated[int, Meta(ge=1, le=64)] = 4  # notifications on their way at once, one a channel
    burst: Annotated[int, Meta(ge=1)] = 10  # a channel's notifications in ten minutes before the rest is gathered
    gather_seconds: Annotated[float, Meta(ge=1)] = 60.0  # then one message so often

    def __post_init__(self) -> None:
        names = [receiver.name for receiver in self.receiver]
        for receiver in self.receiver:
            if not receiver.email and not receiver.webhook:
                raise SettingsError(f"receiver {receiver.name!r} has no channel: give it an email or a webhook")
        if len(set(names)) != len(names):
            raise SettingsError(f"two receivers have one name: {', '.join(names)}")
        for number, route in enumerate(self.route):
            _known(f"route[{number}].receiver", route.receiver, names)
            if route.escalate_to is not None:
                _known(f"route[{number}].escalate_to", route.escalate_to, names)
        for where, match in [(f"route[{n}].match", one.match) for n, one in enumerate(self.route)] + [
            (f"known_source[{n}].match", one.match) for n, one in enumerate(self.known_source)
        ]:
            for text in match:
                try:
                    Matcher.parse(text)
                except SettingsError as error:
                    raise SettingsError(f"alerting.{where}: {error}") from None
        _reachable(self.route)


def _known(path: str, name: str, names: list[str]) -> None:
    if name not in names:
        near = get_close_matches(name, names, n=1, cutoff=0)
        remedy = f"the nearest receiver is {near[0]!r}" if near else "there are no receivers"
        raise SettingsError(f"alerting.{path}: no receiver {name!r}; {remedy}")


def _reachable(routes: list[Route]) -> None:
    """Refuse a route behind one that takes all it could take: same matchers or fewer, and no `go_on`."""
    for number, route in enumerate(routes):
        for before, other in enumerate(routes[:number]):
            if (
                not other.go_on
                and set(other.match) <= set(route.match)
                and (other.least_severity.rank <= route.least_severity.rank)
            ):
                raise SettingsError(
                    f"alerting.route[{number}]: never reached, route[{before}] takes all of it; "
                    "give that one go_on = true or put this one before it"
                )
