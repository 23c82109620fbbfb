"""The order in which batches of one micro-batch arrive, and that of equal times within one, changes nothing stored."""

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.shadow.follower import ShadowFollower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.registry import Station
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0, enrol_node

NODES = 5
ROUNDS = 60
DETECTION = DetectionSettings()


def enrol_nodes(dsn):
    """Five nodes, each at a station 500 m north of the one before."""
    nodes = [enrol_node(dsn, f"n{i}", f"s{i}") for i in range(NODES)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for i in range(NODES):
            place = Station(id=f"s{i}", area="ijmond", name=f"S{i}", latitude=52.4 + 0.0045 * i, longitude=4.594)
            stations.put_station(connection, place)
    return nodes


def build_rounds(nodes):
    """Micro-batches of ten seconds of every node at equal times; plumes at three nodes, and a rise at all of them."""
    rng = np.random.default_rng(3)
    values = 8 + rng.normal(0, 0.3, (len(nodes), ROUNDS * 10))
    values[0, 350:380] += 60
    values[1, 353:380] += 25
    values[2, 430:460] += 40
    values[:, 500:560] += 30
    rounds = []
    for seq in range(1, ROUNDS + 1):
        received = datetime.fromtimestamp(T0 / 1000 + 10 * seq + 1, UTC)
        span = slice(10 * (seq - 1), 10 * seq)
        rounds.append(
            [
                node.payload(
                    seq,
                    t0=T0 + 10_000 * (seq - 1),
                    dt=[1000 * i for i in range(10)],
                    values={"pm2_5": values[i, span].round(2).tolist(), "wind_speed": [2.0] * 10}
                    | {"wind_direction": [60.0 * i] * 10},
                    received_at=received,
                )
                for i, node in enumerate(nodes)
            ]
        )
    return rounds


async def ingest(dsn, rounds):
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DETECTION))
    for payloads in rounds:
        await pipeline.process(payloads)
    await store.close()
    follower = ShadowFollower(dsn, ShadowSettings(name="same", detection=DETECTION), settle_seconds=0.0)
    for _ in range(2):
        await follower.catch_up()
    await follower.close()


def stored_bodies(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


REVISIONS = "SELECT body - 'datastream' FROM event_revision ORDER BY event_id, revision"
SHADOW = "SELECT body - 'datastream' FROM shadow_event ORDER BY id"
NEWEST = """SELECT r.body - 'datastream' FROM event e
            JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision ORDER BY e.id"""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_batches_of_a_micro_batch_in_any_order_give_the_same_stored_events_and_the_same_shadow(
    postgres, database, seed
):
    await ingest(database, build_rounds(enrol_nodes(database)))
    expected = stored_bodies(database, REVISIONS), stored_bodies(database, SHADOW)
    assert len({row[0]["station"] for row in expected[0]}) > 1
    assert expected[1] == stored_bodies(database, NEWEST)
    other = postgres.create_database(database.rpartition("=")[2] + "shuffled", template="migrated")
    rounds, rng = build_rounds(enrol_nodes(other)), np.random.default_rng(seed)
    await ingest(other, [[payloads[i] for i in rng.permutation(NODES)] for payloads in rounds])
    assert (stored_bodies(other, REVISIONS), stored_bodies(other, SHADOW)) == expected
