"""A service of subscriptions that leads to the test's own servers."""

import asyncio
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from alerting.alert import Severity
from alerting.delivery.settings import SmtpSettings
from alerting.settings import AlertingSettings
from alerting.subscriptions import service
from alerting.subscriptions.contact_store import ContactStore
from alerting.subscriptions.push_message import create_vapid_key
from alerting.subscriptions.settings import SubscriptionSettings, WebPushSettings
from alerting.subscriptions.subscription import NoticeSubscription, PlaceKind, SubscribedPlace
from gateway.system.child_process import find_free_port
from tests.alerting.running_dispatcher import wait_until_absent
from tests.alerting.subscriptions.push_service import PushService

IJMOND = SubscribedPlace(kind=PlaceKind.AREA, id="ijmond")
EVERYTHING = NoticeSubscription(place=IJMOND, level=Severity.MINOR)
_UNSETTLED = (
    "SELECT 1 FROM subscriptions.queue",
    "SELECT 1 FROM subscriptions.notice WHERE lease_until IS NOT NULL OR next_attempt_at <= now()",
)


@pytest.fixture
def push_service():
    with PushService() as server:
        yield server


@pytest.fixture
def alerting():
    """Alerting's settings with this mail server."""

    def make_settings(mail=None):
        port = mail.controller.port if mail else find_free_port()
        return AlertingSettings(
            public_url="https://lucht.example",
            allow_private=True,
            smtp=SmtpSettings(port=port, tls="none", timeout=2, sender="Piekwacht <lucht@piekwacht.example>"),
        )

    return make_settings


@pytest.fixture
def settings(tmp_path):
    key = tmp_path / "vapid.pem"
    create_vapid_key(key)

    def make_settings(**changes):
        push = WebPushSettings(
            key_file=key, contact="mailto:beheer@piekwacht.example", services=("localhost",), timeout=1.0
        )
        return SubscriptionSettings(**{"push": push, "calm_minutes": 0, "mails_per_second": 1_000, **changes})

    return make_settings


@pytest.fixture
def contacts(database):
    """The store of the pages; an address may get another confirmation mail at once."""
    return ContactStore(database, confirmation_pause=0.0)


@asynccontextmanager
async def run_service(settings, alerting, dsn):
    task = asyncio.create_task(service.run(settings, alerting, dsn))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def wait_until_settled(dsn, within=15.0):
    """Wait until every revision was decided and every notice that is due was sent."""
    await wait_until_absent(dsn, *_UNSETTLED, within=within)


async def subscribe(contacts, push_service, *browsers, subscription=EVERYTHING, language="nl"):
    for browser in browsers:
        assert await contacts.subscribe_browser(
            push_service.url(browser), browser.keys, "localhost", language, subscription
        )


def change(dsn, statement, *values):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement, values or None)
        connection.execute("NOTIFY piekwacht_subscriptions")
