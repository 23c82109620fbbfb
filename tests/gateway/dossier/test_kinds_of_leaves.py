"""Every kind of leaf is written by what it is about, and every queued kind has a place in the order of leaves."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.quality.calibration import CalibrationVersion
from gateway.service.log_worker import LogWorker
from gateway.store.calibrations import add_calibration
from gateway.store.removal import remove_readings
from gateway.transparency.indexing import CAUSES, EFFECTS
from gateway.transparency.leaf import Leaf, LeafKind
from gateway.transparency.settings import PublicLogSettings
from tests.gateway.enrolled_node import T0
from tests.gateway.transparency.test_sources import deliver

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event
START = datetime.fromtimestamp(T0 / 1000, UTC)
LEAVES = """
SELECT coalesce(l.entry, E'piekwacht/batch@v1\n' || b.node_id || ' ' || b.incarnation || ' ' || b.seq || E'\n'
                         || encode(b.sha256, 'base64') || E'\n')
FROM log_leaf l LEFT JOIN batch b ON b.id = l.batch_id ORDER BY l.number
"""


def calibrate_remove_and_deliver(connection):
    """A new calibration, readings that are removed on request, and one attempt at a notification."""
    calibration = CalibrationVersion(
        node="ijm-001",
        observed_property="pm2_5",
        version=0,
        valid_from=START.replace(minute=0),  # versions begin at a whole hour
        sensor_model="SPS30",
        source="GGD",
        author="GGD",
        offset=0.0,
        slope=1.1,
        humidity_slope=0.0,
        kappa=0.0,
    )
    add_calibration(connection, calibration)
    remove_readings(connection, "velsen", START, START + timedelta(minutes=5))
    deliver(connection, 1, "delivered")


async def run_log(dsn, settings):
    worker = LogWorker(settings, dsn, [], "piekwacht test")
    while await worker.run_once():
        pass
    await worker.aclose()


def test_a_run_of_the_gateway_writes_every_kind_of_leaf(postgres, recorded, tmp_path):
    dsn = postgres.create_database("kinds_of_leaves", template="recorded")
    assert recorded
    (tmp_path / "ijmond.key").write_text(Signer.generate("piekwacht.example/log/ijmond").export())
    settings = PublicLogSettings(folder=tmp_path / "log", host="piekwacht.example", key_folder=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as connection:
        calibrate_remove_and_deliver(connection)
        asyncio.run(run_log(dsn, settings))
        leaves = [Leaf.parse(entry.encode()) for (entry,) in connection.execute(LEAVES)]
        assert connection.execute("SELECT count(*) FROM log_source").fetchone() == (0,)
        revisions = connection.execute("SELECT count(*) FROM event_revision").fetchone()
    kinds = [leaf.kind for leaf in leaves]
    assert set(kinds) == set(LeafKind)
    assert (kinds.count(LeafKind.EVENT),) == revisions
    last_batch = max(number for number, kind in enumerate(kinds) if kind is LeafKind.BATCH)
    after = {LeafKind.EVENT, LeafKind.DELIVERY, LeafKind.REMOVED}
    assert [kind in after for kind in kinds] == [number > last_batch for number in range(len(kinds))]


def test_every_queued_kind_has_a_place_in_the_order_of_leaves(database):
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'log_source_kind_check'"
    with psycopg.connect(database) as connection:
        (definition,) = connection.execute(query).fetchone()
    assert sorted(re.findall(r"'([a-z-]+)'", definition)) == sorted([*CAUSES, *EFFECTS])
    assert {f"piekwacht/{kind}@v1" for kind in (*CAUSES, *EFFECTS)} <= set(LeafKind)
