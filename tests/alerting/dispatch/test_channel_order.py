"""Channels in order: the next is tried if one does not deliver, and only one delivers."""

import pytest
from msgspec import structs

from alerting.errors import SettingsError
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    skip_retry_delay,
    wait_until,
    wait_until_delivered,
)
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer, WebServer

STATES = "SELECT channel, state FROM alerting.outbox ORDER BY channel"


def make_ordered_settings(settings, *order, **options):
    chosen = settings(**options)
    return structs.replace(chosen, receiver=[structs.replace(chosen.receiver[0], order=list(order))])


async def test_if_the_first_channel_delivers_the_second_gets_nothing(database, settings):
    with MailServer() as mail, WebServer() as web:
        async with run_dispatchers(
            make_ordered_settings(settings, "webhook:0", "email:0", mail=mail, web=web), database
        ):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert (len(web.requests), len(mail.received)) == (1, 0)


@pytest.mark.parametrize(("status", "state"), [(500, "spared"), (410, "refused"), (403, "spared"), (0, "spared")])
async def test_if_the_first_channel_fails_the_second_delivers_at_once(database, settings, status, state):
    with MailServer() as mail, WebServer(status) as web:
        async with run_dispatchers(
            make_ordered_settings(settings, "webhook:0", "email:0", mail=mail, web=web), database
        ):
            await insert_alerts(database, make_alert())
            await wait_until(lambda: len(mail.received) == 1, within=3)
            await wait_until_delivered(database)
    assert (len(web.requests), len(mail.received)) == (1, 1)
    assert fetch_rows(database, STATES) == [("email:0", "delivered"), ("webhook:0", state)]


async def test_if_no_channel_delivers_all_retry_until_one_does(database, settings):
    with MailServer("451 later") as mail, WebServer(500, 204) as web:
        async with run_dispatchers(
            make_ordered_settings(settings, "webhook:0", "email:0", mail=mail, web=web), database
        ):
            await insert_alerts(database, make_alert())
            await wait_until(lambda: len(fetch_rows(database, "SELECT 1 FROM alerting.delivery")) == 2)
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert len(web.requests) == 2
    assert dict(fetch_rows(database, STATES))["webhook:0"] == "delivered"


async def test_gathered_alerts_go_to_the_next_channel_together(database, settings):
    with MailServer() as mail, WebServer(204, 204, 500) as web:
        chosen = make_ordered_settings(
            settings, "webhook:0", "email:0", mail=mail, web=web, burst=2, gather_seconds=1.0
        )
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, *[make_alert(event_id=f"event{n}", station=f"s{n}") for n in range(12)])
            await wait_until_delivered(database, within=15)
    query = (
        "SELECT count(DISTINCT o.event_id) FROM alerting.outbox o LEFT JOIN alerting.outbox h ON h.id = o.gathered_into"
    )
    assert fetch_rows(database, f"{query} WHERE coalesce(h.state, o.state) = 'delivered'") == [(12,)]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (["webhook:1"], r"receiver\[0\].order: no channel 'webhook:1'; the nearest channel is 'webhook:0'"),
        (["email:0", "email:0"], "twice"),
    ],
)
def test_an_order_that_cannot_work_is_refused(settings, order, words):
    with MailServer() as mail, WebServer() as web, pytest.raises(SettingsError, match=words):
        make_ordered_settings(settings, *order, mail=mail, web=web)
