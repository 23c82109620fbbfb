"""The subscriptions of residents as the API's application has them: settings, store, key, limits. One per process.

`app.py` installs it. Without `[subscriptions]` in the configuration there is none, and the pages answer 404.
"""

import time

from fastapi import FastAPI, Request

from alerting.errors import one_line
from alerting.log import get_logger
from alerting.subscriptions.contact_store import ContactStore
from alerting.subscriptions.push_message import PushKeyError, VapidSigner
from alerting.subscriptions.settings import SubscriptionSettings
from gateway.access.attempt_delays import AttemptDelays, DelaySettings
from gateway.access.rate_limit import rate_limit_key

_LOG = get_logger("gateway.api")
# A household makes a few subscriptions at once; a sender that tries addresses waits ever longer.
_SENDER_DELAYS = DelaySettings(free=8, first_seconds=30.0, max_seconds=3_600.0, forget_seconds=7_200.0)


class SubscriptionPages:
    """State of the pages of subscriptions. `public_key`: empty without Web Push."""

    def __init__(self, settings: SubscriptionSettings, dsn: str) -> None:
        self.settings, self.store = settings, ContactStore(dsn)
        self.public_key = _read_public_key(settings)
        self._delays = AttemptDelays(_SENDER_DELAYS)

    def take_attempt(self, request: Request) -> float:
        """Count a form of this sender and return 0, or return the seconds to wait."""
        sender, now = rate_limit_key(getattr(request.state, "address", "")), time.monotonic()
        wait = self._delays.wait(sender, now)
        if not wait:
            self._delays.count(sender, now)
        return wait


def install(app: FastAPI, settings: SubscriptionSettings | None, dsn: str) -> None:
    """Put the pages' state into the application."""
    app.state.subscription_pages = None if settings is None else SubscriptionPages(settings, dsn)


def find_pages(request: Request) -> SubscriptionPages | None:
    """Return the pages' state; None if nobody can subscribe here."""
    pages: SubscriptionPages | None = request.app.state.subscription_pages
    return pages


def _read_public_key(settings: SubscriptionSettings) -> str:
    """Return the public key for browsers; without a usable key the pages offer e-mail only."""
    if settings.push is None:
        return ""
    try:
        return VapidSigner(settings.push.key_file, settings.push.contact).public_key
    except PushKeyError as error:
        _LOG.error("no notices in browsers", error=one_line(error))
        return ""
