"""`[subscriptions]` of piekwacht.toml: notices to residents by e-mail, Web Push and ntfy. Raises SettingsError."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from alerting.alert import Severity
from alerting.delivery.settings import check_sender
from alerting.errors import SettingsError
from alerting.vocabulary import Language

# The push services of the browsers that exist. A browser gives us an address, which any stranger can invent.
PUSH_SERVICES = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)


class HealthLines(Struct, frozen=True, kw_only=True):
    """One line of advice for each severity, in one language; an empty one is the project's own text.

    minor     advice during a minor peak
    moderate  advice during a moderate peak
    severe    advice during a severe peak
    extreme   advice during an extreme peak
    """

    minor: str = ""
    moderate: str = ""
    severe: str = ""
    extreme: str = ""

    def line_of(self, severity: Severity) -> str:
        """Return the line; empty if the settings have none."""
        text: str = getattr(self, severity.value)
        return text


class WebPushSettings(Struct, frozen=True, kw_only=True):
    """`[subscriptions.push]`: notices in the browser (Web Push, RFC 8030).

    key_file    private VAPID key, as `piekwacht subscriptions key FILE` makes it
    contact     address for the operators of push services, mailto: or https:// with a host; Apple
                refuses one that does not exist
    services    hosts of push services; `*.` stands for one or more names in front
    per_second  notices per second to each push service
    parallel    notices that are sent at the same time to each push service
    timeout     time to wait for the answer, in seconds
    ttl         time that a push service keeps a notice for a phone that is off, in seconds
    """

    key_file: Path
    contact: Annotated[str, Meta(pattern=r"^(mailto:[^@ ]+@[^@ ]+|https://[\w.-]+)$")]
    services: tuple[str, ...] = PUSH_SERVICES
    per_second: Annotated[float, Meta(gt=0)] = 1_000.0
    parallel: Annotated[int, Meta(ge=1, le=256)] = 32
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0
    ttl: Annotated[int, Meta(ge=60, le=2_419_200)] = 14_400

    def matches(self, service: str, host: str) -> bool:
        """Return whether this entry of `services` stands for the host."""
        return host == service or (service.startswith("*.") and host.endswith(service[1:]))


class NtfySettings(Struct, frozen=True, kw_only=True):
    """`[subscriptions.ntfy]`: a topic per area on an ntfy server (https://ntfy.sh), which anybody can follow.

    server        address of the server
    topics        area -> topic
    token_file    access token of a server that demands one to publish
    level         lowest severity
    language      language of the texts
    per_second    notices per second to the server
    timeout       time to wait for the answer, in seconds
    """

    server: Annotated[str, Meta(pattern=r"^https?://[^/\s?#@]+$")] = "https://ntfy.sh"
    topics: dict[str, Annotated[str, Meta(pattern=r"^[-_A-Za-z0-9]{1,64}$")]]
    token_file: Path | None = None
    level: Severity = Severity.MODERATE
    language: Language = "nl"
    per_second: Annotated[float, Meta(gt=0)] = 1.0
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def address_of(self, area: str) -> str:
        """Return the address of an area's topic. Raises KeyError if the area has none."""
        return f"{self.server}/{self.topics[area]}"


class SubscriptionSettings(Struct, frozen=True, kw_only=True):
    """`[subscriptions]`: residents subscribe to notices of peaks. Without the table nobody can.

    push                      notices in the browser; without it only e-mail
    ntfy                      topics of areas on an ntfy server
    sender                    From address of the mails; empty: that of `[alerting.smtp]`
    mails_per_second          mails per second
    parallel_mails            mails that are sent at the same time
    confidence                lowest confidence of a peak that one station saw
    confidence_corroborated   lowest confidence of a peak that a neighbour saw too
    calm_minutes              time without a peak after which a plume is over
    daily_at                  local time of the daily notice
    complaint_url             form of the authority for complaints
    complaint_name            name of that authority
    health_nl                 advice in Dutch
    health_en                 advice in English
    """

    push: WebPushSettings | None = None
    ntfy: NtfySettings | None = None
    sender: str = ""
    mails_per_second: Annotated[float, Meta(gt=0)] = 10.0
    parallel_mails: Annotated[int, Meta(ge=1, le=64)] = 4
    confidence: Annotated[float, Meta(ge=0, le=1)] = 0.9
    confidence_corroborated: Annotated[float, Meta(ge=0, le=1)] = 0.7
    calm_minutes: Annotated[float, Meta(ge=0)] = 5.0
    daily_at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:30"
    complaint_url: str = ""
    complaint_name: str = ""
    health_nl: HealthLines = HealthLines()
    health_en: HealthLines = HealthLines()

    def __post_init__(self) -> None:
        if self.sender:
            check_sender(self.sender)
        if self.complaint_url and urlsplit(self.complaint_url).scheme not in {"http", "https"}:
            raise SettingsError(f"complaint_url {self.complaint_url!r}: write https:// and a host")

    def health_line(self, severity: Severity, language: Language) -> str:
        """Return the operator's advice; empty if there is none."""
        return (self.health_nl if language == "nl" else self.health_en).line_of(severity)
