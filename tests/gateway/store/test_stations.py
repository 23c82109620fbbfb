"""The registry is loaded as operators stored it, and datastreams keep their slots."""

import psycopg

from gateway.model.registry import Node
from gateway.store import stations
from tests.gateway.enrolled_node import enrol_node


async def test_the_registry_is_loaded_as_it_was_stored(database):
    node = enrol_node(database)
    async with await psycopg.AsyncConnection.connect(database) as connection:
        registry = await stations.load_registry(connection)
    assert registry.nodes["ijm-001"].key == node.signer.verifier
    assert registry.stations["wijk-aan-zee"].area == "ijmond"
    assert registry.properties["pm2_5"].severity_levels == (5, 15, 50, 150)


async def test_every_change_by_an_operator_raises_the_version(database):
    enrol_node(database)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        before = await stations.load_version(connection)
        await connection.execute("UPDATE node SET revoked_at = now()")
        assert await stations.load_version(connection) > before
        assert (await stations.load_registry(connection)).nodes["ijm-001"].revoked


async def test_a_known_datastream_keeps_its_slot_when_others_come(database):
    enrol_node(database)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await stations.create_datastreams(connection, [("ijm-001", "pm10")])
        before = await stations.load_registry(connection)
        await stations.create_datastreams(connection, [("ijm-001", "pm1"), ("ijm-001", "pm10")])
        after = await stations.load_registry(connection, before)
    assert after.datastreams[0] == before.datastreams[0]
    assert [d.slot for d in after.datastreams] == [0, 1]


def test_a_node_that_moves_ends_its_installation(database):
    node = enrol_node(database)
    enrol_node(database, node="ijm-002", station="velsen-noord")
    with psycopg.connect(database, autocommit=True) as connection:
        moved = Node(id="ijm-001", area="ijmond", station="velsen-noord", key=node.signer.verifier)
        stations.put_node(connection, moved)
        stations.put_node(connection, moved)
        rows = connection.execute(
            "SELECT station_id, until IS NULL FROM installation WHERE node_id = 'ijm-001' ORDER BY since"
        ).fetchall()
    assert rows == [("wijk-aan-zee", False), ("velsen-noord", True)]
