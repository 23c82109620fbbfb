"""No pattern of a person stops API or alerting: the event loop that both share stands still for less than 200 ms."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import REGISTRY

from alerting.decide.routing import Route
from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.decide.hostile_patterns import EXPONENTIAL, TOO_LARGE, UNSUPPORTED
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
)
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer
from tests.gateway.api.inspector.test_inspector import silence

LONGEST_PAUSE = 0.2  # seconds
LONG_NAME = "wijk-aan-zee-" + "a" * 50


def make_settings(server):
    return AlertingSettings(
        route=[Route(receiver="od")],
        receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=["piket@od.example"])])],
        smtp=SmtpSettings(port=server.controller.port, tls="none", timeout=2),
        burst=1_000,
    )


@asynccontextmanager
async def measure_pauses():
    """Yield the pauses of the loop in seconds, without the time in which other processes had the machine."""
    pauses = []

    async def run():
        while True:
            started, cpu_started = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.005)
            pauses.append(min(time.perf_counter() - started - 0.005, time.process_time() - cpu_started))

    task = asyncio.create_task(run())
    try:
        yield pauses
    finally:
        task.cancel()


async def test_a_preview_of_any_pattern_is_answered_or_refused_while_the_loop_runs(api, database, keys):
    with MailServer() as server:
        async with run_dispatchers(make_settings(server), database):
            await insert_alerts(database, *[make_alert(event_id=f"e{n}", station=LONG_NAME) for n in range(20)])
            await wait_until_delivered(database)
            async with measure_pauses() as pauses:
                for pattern in [*EXPONENTIAL, *TOO_LARGE, *UNSUPPORTED]:
                    body = silence(match=[f'station=~"{pattern}"'] * 20)
                    answer = await api.post("/api/v1/silences/preview", json=body, headers=keys["anna"])
                    assert answer.status_code == (200 if pattern in EXPONENTIAL else 400), answer.text
                    if answer.status_code == 400:
                        assert answer.headers["content-type"] == "application/problem+json"
                        assert answer.json()["detail"].startswith("matcher ")
                        assert answer.json()["detail"].count("\n") == 0
    assert max(pauses) < LONGEST_PAUSE


def insert_silences(dsn, *patterns):
    """As an earlier version stored them, which refused less."""
    ends = datetime.now(UTC) + timedelta(hours=8)
    with psycopg.connect(dsn) as connection:
        for pattern in patterns:
            connection.execute(
                "INSERT INTO alerting.silence (match, author, reason, ends_at, changed_by) "
                "VALUES (%s, 'anna', 'onweer', %s, 'anna')",
                (['area="ijmond"', f'station!~"{pattern}"'], ends),
            )


async def test_stored_silences_that_cannot_be_evaluated_withhold_nothing_and_are_named(api, database, keys):
    set_aside = [*TOO_LARGE, *UNSUPPORTED]
    insert_silences(database, *set_aside)
    with MailServer() as server:
        async with run_dispatchers(make_settings(server), database), measure_pauses() as pauses:
            await insert_alerts(database, make_alert(station=LONG_NAME))
            await wait_until_delivered(database)
            assert len(server.received) == 1
            count = REGISTRY.get_sample_value("piekwacht_alerting_rules_set_aside", {"kind": "silence"})
            assert count == len(set_aside)
            items = (await api.get("/api/v1/silences", headers=keys["anna"])).json()["items"]
            assert [item["setAside"].startswith("matcher ") for item in items] == [True] * len(set_aside)
            for item in items:
                assert (await api.delete(f"/api/v1/silences/{item['id']}", headers=keys["anna"])).status_code == 204
            insert_silences(database, "chemelot")
            await insert_alerts(database, make_alert(event_id="later", station="b"))
            await wait_until(lambda: fetch_rows(database, "SELECT 1 FROM alerting.decision WHERE reason = 'silenced'"))
            count = REGISTRY.get_sample_value("piekwacht_alerting_rules_set_aside", {"kind": "silence"})
            assert count == 0
    assert max(pauses) < LONGEST_PAUSE


@pytest.mark.slow
async def test_hundreds_of_stored_silences_with_slow_patterns_delay_only_their_own_alerts(api, database, keys):
    insert_silences(
        database, *[pattern[:-1] + f"{n}" for n in range(20) for pattern in EXPONENTIAL if "$" not in pattern]
    )
    with MailServer() as server:
        async with run_dispatchers(make_settings(server), database), measure_pauses() as pauses:
            await insert_alerts(
                database, *[make_alert(event_id=f"e{n}", station=f"{LONG_NAME}{n}") for n in range(100)]
            )
            await wait_until_delivered(database, within=60)
            assert (await api.get("/api/v1/silences", headers=keys["anna"])).status_code == 200
    assert max(pauses) < LONGEST_PAUSE
