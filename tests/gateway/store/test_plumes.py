"""Events get their plume in the transaction that stores them, from what the database holds of the area."""

import psycopg
from msgspec import structs

from gateway.ingest.outbox import write_outbox
from gateway.model.event import EventChange, EventKind, Neighbours
from gateway.model.registry import Station
from gateway.store import stations
from gateway.store.connection import Store
from tests.gateway.model.test_plume_membership import make_event

NAMES = ("wijk", "bever")


async def prepare(database):
    """A store, and a registry with two stations and a datastream each."""
    with psycopg.connect(database, autocommit=True) as connection:
        for name in NAMES:
            stations.put_station(connection, Station(id=name, area="ijmond", name=name, latitude=52.49, longitude=4.6))
            connection.execute(
                "INSERT INTO datastream (station_id, node_id, property_id) VALUES (%s, 'ijm-001', 'pm2_5')", [name]
            )
    store = Store(database)
    async with store.transaction() as tx:
        return store, await stations.load_registry(tx)


async def save(store, registry, *events):
    slots = {datastream.station: datastream.slot for datastream in registry.datastreams}
    placed = [structs.replace(event, datastream=slots[event.station]) for event in events]
    async with store.transaction() as tx, tx.pipeline():
        return await write_outbox(tx, [], placed, registry)


def read_plumes(database):
    with psycopg.connect(database) as connection:
        return dict(connection.execute("SELECT id, plume_id FROM event ORDER BY id").fetchall())


async def test_a_plume_moves_from_station_to_station_in_later_transactions(node, database):
    store, registry = await prepare(database)
    (first,) = await save(store, registry, make_event("a", 0))
    (second,) = await save(store, registry, make_event("b", 3, station="bever", risen=["wijk"]))
    await save(store, registry, make_event("b", 3, station="bever", revision=2, change=EventChange.UPDATED))
    await save(store, registry, make_event("b", 3, lasts=5, station="bever", revision=3))
    await save(store, registry, make_event("c", 90, station="bever"))
    await store.close()
    assert read_plumes(database) == {"a": "a", "b": "a", "c": "c"}
    assert [first.events[0].plume, second.events[0].plume] == ["a", "a"]


async def test_a_doubtful_event_has_no_plume_until_it_is_a_peak(node, database):
    store, registry = await prepare(database)
    await save(store, registry, make_event("h", 0, kind=EventKind.HUMIDITY))
    assert read_plumes(database) == {"h": None}
    await save(store, registry, make_event("h", 0, revision=2, change=EventChange.UPDATED))
    assert read_plumes(database) == {"h": "h"}
    await save(store, registry, make_event("h", 0, revision=3, change=EventChange.UPDATED, kind=EventKind.HUMIDITY))
    await store.close()
    assert read_plumes(database) == {"h": "h"}


async def test_a_member_may_be_stored_before_the_event_that_its_plume_is_named_after(node, database):
    store, registry = await prepare(database)
    neighbours = Neighbours(fresh=1, risen=1, window=300, stations=("bever",))
    late, early = make_event("l", 2, neighbours=neighbours), make_event("e", 0, station="bever")
    await save(store, registry, late, early)
    await store.close()
    assert read_plumes(database) == {"e": "e", "l": "e"}
