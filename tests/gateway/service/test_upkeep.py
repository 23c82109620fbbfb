"""Upkeep as a service, and the metrics that the gateway shows of it."""

import asyncio
import signal
import sys
from contextlib import suppress

import psycopg
from prometheus_client import REGISTRY

from gateway import telemetry
from gateway.service.upkeep_metrics import report_upkeep, set_metrics
from gateway.store.retention import RetentionSettings
from gateway.store.upkeep.register import register_works
from gateway.store.upkeep.work import RHYTHMS, Work
from gateway.system.child_process import Child


def read_metric(name, work):
    return REGISTRY.get_sample_value(name, {"work": work})


async def report_once(dsn):
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            await report_upkeep(dsn)


async def test_the_gateway_shows_up_to_when_each_work_is_done(database):
    with psycopg.connect(database, autocommit=True) as connection:
        register_works(connection, RetentionSettings(raw_days=50))
        (since,) = connection.execute("SELECT wanted_since FROM upkeep_work").fetchone()
    await report_once(database)
    assert read_metric("piekwacht_upkeep_done_timestamp_seconds", "pruning") == since.timestamp()
    assert read_metric("piekwacht_upkeep_limit_seconds", "pruning") == RHYTHMS[Work.PRUNING].limit.total_seconds()
    set_metrics([])
    assert read_metric("piekwacht_upkeep_done_timestamp_seconds", "pruning") is None


async def test_without_a_database_the_gateway_goes_on_and_counts_the_failure():
    before = telemetry.FAILURES.labels("upkeep")._value.get()
    await report_once("host=127.0.0.1 port=1 dbname=none connect_timeout=1")
    assert telemetry.FAILURES.labels("upkeep")._value.get() > before


def test_the_service_works_at_once_logs_it_and_ends_at_a_signal(database, tmp_path):
    path, log = tmp_path / "piekwacht.toml", tmp_path / "log"
    path.write_text(f'[database]\ndsn = "{database}"\n[retention]\nraw_days = 50\n')
    command = [sys.executable, "-m", "gateway", "upkeep", "--config", str(path), "run", "--every", "600"]
    with Child("upkeep", command, log=log) as service:
        service.wait_until(lambda: "work of upkeep ended" in log.read_text(), timeout=60)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=20) == 0
    assert "work=pruning" in log.read_text()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT succeeded_at IS NOT NULL FROM upkeep_work").fetchone() == (True,)
