"""Synthetic peaks in copies of stored hours: what is found of them, and that they stay what they are."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from gateway import __main__ as command
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.runner import SelfTestRunner
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import enrol_node

BEGIN = datetime(2026, 11, 19, 0, 0, tzinfo=UTC)
HOURS, STEP, BLOCK = 10, 10, 60  # hours of data, s between readings, readings a batch
PLUME = (6.2, 6.4)  # hours: one real peak at the first station


async def measured(dsn, nodes, hours=HOURS):
    """Quiet air with wandering backgrounds, through the gateway."""
    rng = np.random.default_rng(3)
    count = hours * 3600 // STEP
    values = 8 + np.cumsum(rng.normal(0, 0.01, (len(nodes), count)), axis=1) + rng.normal(0, 0.4, (len(nodes), count))
    values[0, int(PLUME[0] * 3600 / STEP) : int(PLUME[1] * 3600 / STEP)] += 60
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for begin in range(0, count, BLOCK):
        at = BEGIN + timedelta(seconds=begin * STEP)
        payloads = [
            node.payload(
                begin // BLOCK + 1,
                t0=int(at.timestamp() * 1000),
                dt=[1000 * STEP * i for i in range(BLOCK)],
                values={"pm2_5": values[number, begin : begin + BLOCK].round(2).tolist()},
                received_at=at + timedelta(seconds=STEP * BLOCK),
            )
            for number, node in enumerate(nodes)
        ]
        await pipeline.process(payloads)
    await store.close()


@pytest.fixture
async def hours(database):
    nodes = [enrol_node(database, f"ijm-00{i}", f"station-{i}") for i in (1, 2)]
    await measured(database, nodes)
    return database


@pytest.fixture
def selftest(database, tmp_path, capsys):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'database = {{ dsn = "{database}" }}\nselftest = {{ copies = 6 }}\n')

    def selftest(*words):
        code = command.main(["selftest", "--config", str(config), *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return selftest


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


KEPT = ["observation", "batch", "event", "event_revision", "alerting.inbox", "node_state", "selftest_hour"]


def stored(dsn):
    return [rows(dsn, f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t") for name in KEPT]


async def examine(dsn, now):
    runner = SelfTestRunner(dsn, DetectionSettings(), SelfTestSettings(copies=6))
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        return await runner.examine_due_hours(connection, now)


async def test_peaks_are_found_again_and_nothing_of_them_is_stored_as_real(hours, database):
    before = stored(database)
    ripe = BEGIN + timedelta(hours=HOURS)
    assert await examine(database, ripe) == 24
    assert stored(database)[:-1] == before[:-1]
    outcomes = rows(
        database,
        """SELECT multiple, outcome, count(*), avg(size_ratio), avg(delay_s) FROM selftest_peak
           WHERE interval_s IN (0, 10) GROUP BY 1, 2 ORDER BY 1, 2""",
    )
    found = {m: n for m, outcome, n, *_ in outcomes if outcome == "found"}
    missed = {m: n for m, outcome, n, *_ in outcomes if outcome == "missed"}
    assert found[20.0] > 5 * missed.get(20.0, 0)
    assert found[10.0] > missed.get(10.0, 0)
    ratio, delay = next((r, d) for m, outcome, _, r, d in outcomes if (m, outcome) == (20.0, "found"))
    assert 0.7 < ratio < 1.2
    assert 0 < delay < 600
    watched = "SELECT interval_s, sum(sensor_days), sum(peaks), sum(alone) FROM selftest_exposure GROUP BY 1"
    ((interval, days, peaks, alone),) = rows(database, watched)
    assert (interval, round(days, 2)) == (10, round(2 * 8 / 24, 2))
    assert (peaks, alone) == (1, 1)  # the real one
    obscured = "SELECT hour, station_id FROM selftest_peak WHERE outcome = 'obscured'"
    assert set(rows(database, obscured)) <= {(BEGIN + timedelta(hours=6), "station-1")}


async def test_an_hour_is_examined_once_and_anybody_finds_the_same(hours, database):
    ripe = BEGIN + timedelta(hours=HOURS)
    await examine(database, ripe)
    first = rows(database, "SELECT * FROM selftest_peak ORDER BY hour, copy")
    assert await examine(database, ripe) == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE selftest_hour CASCADE")
    await examine(database, ripe)
    assert rows(database, "SELECT * FROM selftest_peak ORDER BY hour, copy") == first


def test_the_command_prints_figures_and_keeps_nothing(database, selftest):
    asyncio.run(measured(database, [enrol_node(database, f"ijm-00{i}", f"station-{i}") for i in (1, 2)]))
    until = (BEGIN + timedelta(hours=5)).isoformat()
    code, said = selftest("--hours", "2", "--until", until)
    assert code == 0
    assert "synthetic peaks of 20 times the noise" in said
    assert "pm2_5 every 10 s, 0.17 sensor-days without synthetic peaks: 0 peaks, " in said
    figures = json.loads(selftest("--hours", "2", "--until", until, "--json")[1])
    assert sum(one["injected"] for one in figures["peaks"]) + figures["obscured"] + figures["silent"] == 12
    assert rows(database, "SELECT count(*) FROM selftest_hour") == [(0,)]


@pytest.mark.parametrize(
    ("words", "sentence"), [((), "no readings to examine"), (("--area", "nowhere"), "no area nowhere")]
)
def test_nothing_to_examine_is_one_sentence(selftest, words, sentence):
    code, said = selftest(*words)
    assert code == 1
    assert said.count("\n") == 1
    assert sentence in said
