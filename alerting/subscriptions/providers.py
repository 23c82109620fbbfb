"""Providers that carry notices: the mail server, the ntfy server, each push service that the settings permit. Pure.

Each provider has its own queue, rate and connections, so that a slow one delays no other.
"""

from urllib.parse import urlsplit

from alerting.subscriptions.settings import WebPushSettings
from alerting.subscriptions.subscription import ContactKind

MAIL = "mail"
NTFY = "ntfy"
NO_PROVIDER = "none"  # of a browser whose push service the settings do not permit any more


class Providers:
    """The provider of each contact."""

    def __init__(self, push: WebPushSettings | None) -> None:
        self._push = push

    @property
    def push_services(self) -> list[str]:
        """The push services by their entry in the settings."""
        return [] if self._push is None else list(dict.fromkeys(self._push.services))

    def find(self, kind: str, address: str) -> str:
        """Return the provider of a mailbox, a topic or an endpoint."""
        if kind == ContactKind.EMAIL.value:
            return MAIL
        if kind == ContactKind.NTFY.value:
            return NTFY
        return find_push_service(address, self._push) or NO_PROVIDER


def find_push_service(endpoint: str, settings: WebPushSettings | None) -> str | None:
    """Return the entry of the settings that permits this endpoint; None if none does."""
    if settings is None:
        return None
    try:
        target = urlsplit(endpoint)
        is_usable = target.scheme == "https" and target.username is None and target.port in {None, 443}
        host = target.hostname or ""
    except ValueError:
        return None
    if not (is_usable or host == "localhost"):
        return None
    return next((entry for entry in settings.services if settings.matches(entry, host)), None)
