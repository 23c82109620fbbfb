"""The law of queries: for every set, filter, order and page the SQL answers what a plain evaluation does."""

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
import pytest
import pytest_asyncio
from fastapi import HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg.rows import dict_row

from gateway.api.data.database import Database
from gateway.api.sensorthings.expression_parser import parse_filter, parse_order
from gateway.api.sensorthings.model import MODEL_1_1
from gateway.api.sensorthings.option_parser import parse_options
from gateway.api.sensorthings.path_parser import parse_path
from gateway.api.sensorthings.query import Expand, Logical, Not, QueryOptions
from gateway.api.sensorthings.renderer import VERSION_1_1
from gateway.api.sensorthings.service import Service, describe_next_start
from gateway.api.sensorthings.sql_builder import Constraint, build_page
from tests.gateway.api.sensorthings.conftest import ABSURD
from tests.gateway.api.sensorthings.naive import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Questions about each set: conditions of every kind of property and function, over navigations in both directions.
CONDITIONS = {
    "Things": [
        "id gt 1", "id in (1,3)", "name eq 'Dordrecht'", "name ne 'Dordrecht'", "name lt 'Dordrecht'",
        "properties/project eq 'IJmond'", "properties/none eq null", "startswith(name,'B')",
        "endswith(name,'Zee') eq true",
        "substringof('rd',name)", "length(name) gt 9", "indexof(name,'e') eq 1", "substring(name,1,2) eq 'or'",
        "tolower(name) eq 'beverwijk'", "concat(name,'!') eq 'Beverwijk!'",
        "Datastreams/ObservedProperty/name eq 'temp'",
        "Datastreams/id eq 1 or Datastreams/id eq 8", "Locations/name eq name",
        "geo.distance(Locations/location,geography'POINT(4.594 52.494)') lt 5000", "null eq null", "trim(' a ') eq 'a'",
    ],
    "Locations": [
        "geo.intersects(location,geography'POLYGON((4.5 52.4,4.62 52.4,4.62 52.6,4.5 52.6,4.5 52.4))')",
        "st_within(location,geography'POLYGON((4 51,5 51,5 53,4 53,4 51),(4.68 51.8,4.7 51.8,4.7 51.9,4.68 51.8))')",
        "st_equals(location,geography'POINT(4.594 52.494)')",
        "geo.distance(location,geography'POINT(4.6 52.5)') gt 8000",
        "contains(description,'rounded')", "encodingType eq 'application/geo+json'", "Things/Datastreams/id eq 4",
    ],
    "HistoricalLocations": ["time lt now()", "year(time) ge 2020", "Thing/name eq 'Dordrecht'", "id ge 2"],
    "Datastreams": [
        "id mod 2 eq 1", "id add 1 gt 4", "id eq 3 or id eq 5", "unitOfMeasurement/symbol eq '%'",
        "unitOfMeasurement/name ne '%'", "phenomenonTime gt 2026-11-21T00:00:00Z", "phenomenonTime lt '20261121'",
        "during(phenomenonTime,2026-11-21T00:00:00Z/2026-11-22T00:00:00Z)", "Thing/properties/area eq 'ijmond'",
        "overlaps(phenomenonTime,2026-11-21T02:41:59Z/2026-11-21T03:00:00Z)", "ObservedProperty/name in ('pm25','rh')",
        "properties/averaging eq 'raw'", "properties/isCorrected eq false", "Sensor/id eq 2",
        "Observations/result gt 11.2",
        "Thing/Locations/name eq 'Beverwijk'", "resultTime eq null",
    ],
    "Sensors": ["startswith(name,'Sensor of node ijm')", "properties/model eq null", "Datastreams/Thing/id eq 3"],
    "ObservedProperties": ["name eq 'pm25'", "properties/unit eq 'ug/m3'", "Datastreams/Thing/name eq 'Beverwijk'"],
    "Observations": [
        "result gt 9", "result ge 9 and result lt 10", "result sub 8 eq 0.5", "result mul 2 gt 20",
        "result div 0 eq null",
        "round(result) eq 9", "floor(result) eq 8", "ceiling(result) eq 9", "result mod 2 eq 1",
        "phenomenonTime ge 2026-11-21T02:41:00Z", "phenomenonTime lt '2026-11-21T02:40:30Z'",
        "minute(phenomenonTime) eq 41",
        "second(phenomenonTime) lt 5", "date(phenomenonTime) eq date('2026-11-21')", "time(phenomenonTime) lt 02:40:20",
        "before(phenomenonTime,2026-11-21T02:40:10Z)", "after(resultTime,2026-11-21T02:41:50Z)",
        "phenomenonTime add duration'PT1M' gt 2026-11-21T02:42:30Z", "Datastream/id eq 2",
        "Datastream/Thing/name eq 'Beverwijk'",
        "Datastream/ObservedProperty/name eq 'pm25'", "FeatureOfInterest/name eq 'Dordrecht'", "id gt 51795228800000",
        "id eq 21795228803000", "id ne 21795228803000", "id lt 0", "Datastream/phenomenonTime gt resultTime",
        "hour(resultTime) eq 2",
    ],
    "FeaturesOfInterest": ["name eq 'Dordrecht'", "id le 2",
    "geo.distance(feature,geography'POINT(4.69 51.813)') lt 100"],
}  # fmt: skip
ORDERS = {
    "Things": ["name", "name desc", "id desc", "length(name),name desc", "properties/area desc,id"],
    "Locations": ["geo.distance(location,geography'POINT(4.6 52.5)')"],
    "Datastreams": ["Thing/name desc,id", "unitOfMeasurement/symbol,id desc", "ObservedProperty/name DESC"],
    "Observations": ["phenomenonTime", "phenomenonTime desc", "result,phenomenonTime",
    "Datastream/Thing/name,result desc,id",
                     "id desc", "result desc"],
}  # fmt: skip


def build_filters(set_name):
    atoms = st.sampled_from(CONDITIONS[set_name]).map(parse_filter)
    return st.recursive(
        atoms,
        lambda children: st.one_of(
            children.map(Not), st.tuples(st.sampled_from(["and", "or"]), children, children).map(lambda p: Logical(*p))
        ),
        max_leaves=4,
    )


@st.composite
def build_questions(draw):
    set_name = draw(st.sampled_from(sorted(CONDITIONS)))
    order = draw(st.sampled_from(["", *ORDERS.get(set_name, ())]))
    return set_name, QueryOptions(
        filter=draw(st.none() | build_filters(set_name)),
        order=parse_order(order) if order else (),
        top=draw(st.none() | st.integers(0, 30)),
        skip=draw(st.sampled_from([0, 0, 1, 7])),
        count=True,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(network):
    """Every entity of the service, and where its navigations lead."""
    sets, links = {}, {}
    for name, entity in MODEL_1_1.sets.items():
        document = (await network.get(f"/sta/v1.1/{name}?$top=10000")).json()
        assert "@iot.nextLink" not in document
        sets[name] = {row["@iot.id"]: row for row in document["value"]}
        for navigation in entity.navigations:
            if name == "Observations":
                continue
            expand = quote(f"{navigation}($select=id;$top=10000)")
            rows = (await network.get(f"/sta/v1.1/{name}?$select=id&$top=10000&$expand={expand}")).json()["value"]
            for row in rows:
                reached = row[navigation] if isinstance(row[navigation], list) else [row[navigation]]
                links[name, row["@iot.id"], navigation] = [target["@iot.id"] for target in reached]
    for id_ in sets["Observations"]:
        datastream = id_ // 10**13
        links["Observations", id_, "Datastream"] = [datastream]
        links["Observations", id_, "FeatureOfInterest"] = links["Datastreams", datastream, "Thing"]
    return World(sets, links)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(network):
    database = Database(network.dsn)
    async with database.open_pool():
        yield Service(
            model=MODEL_1_1,
            dialect=VERSION_1_1,
            root="http://x/sta/v1.1",
            database=database,
            values={"root": str(network.base_url).rstrip("/"), "operator": "Piekwacht", "licence": "x"},
        )


async def check(service, world, set_name, options):
    resource = parse_path(MODEL_1_1, set_name)
    document = await service.read_set(resource, options, "http://x", "")
    ids, count = world.select(set_name, options)
    assert [row["@iot.id"] for row in document["value"]] == ids
    assert document["@iot.count"] == count
    assert ("@iot.nextLink" in document) == (bool(ids) and count > options.skip + len(ids))


async def test_the_world_is_complete(world):
    assert {name: len(rows) for name, rows in world.sets.items()} == {
        "Things": 3, "Locations": 3, "HistoricalLocations": 3, "FeaturesOfInterest": 3, "Datastreams": 8, "Sensors": 8,
        "ObservedProperties": len(world.sets["ObservedProperties"]), "Observations": 8 * 120 - 12,
    }  # fmt: skip
    assert ABSURD not in {row["result"] for row in world.sets["Observations"].values()}


@pytest.mark.parametrize("set_name", CONDITIONS)
async def test_every_condition_and_its_negation(service, world, set_name):
    sizes = set()
    for text in CONDITIONS[set_name]:
        for expression in (parse_filter(text), Not(parse_filter(text))):
            await check(service, world, set_name, QueryOptions(filter=expression, count=True))
            sizes.add(world.select(set_name, QueryOptions(filter=expression))[1])
    assert len(sizes) > 1  # they distinguish entities


@pytest.mark.parametrize("set_name", ORDERS)
async def test_every_order(service, world, set_name):
    for text in ORDERS[set_name]:
        await check(service, world, set_name, QueryOptions(order=parse_order(text), count=True))


async def test_any_combination(service, world):
    questions = []

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(build_questions())
    def collect(question):
        questions.append(question)

    collect()
    for set_name, options in questions:
        await check(service, world, set_name, options)


async def test_every_expansion_with_options(service, world):
    for set_name, entity in MODEL_1_1.sets.items():
        for navigation in entity.navigations.values():
            target = MODEL_1_1.target_of(navigation)
            for text in CONDITIONS[target.set_name][:3]:
                inner = QueryOptions(
                    filter=parse_filter(text), top=2, skip=1 if navigation.is_set else 0, count=navigation.is_set
                )
                options = QueryOptions(top=4, expand=(Expand(navigation.name, inner),))
                document = await service.read_set(parse_path(MODEL_1_1, set_name), options, "http://x", "")
                for row in document["value"]:
                    reached = world.links[set_name, row["@iot.id"], navigation.name]
                    ids, count = world.select(target.set_name, replace(inner, expand=()), reached)
                    shown = row[navigation.name]
                    if navigation.is_set:
                        assert [child["@iot.id"] for child in shown] == ids
                        assert row[f"{navigation.name}@iot.count"] == count
                        assert (f"{navigation.name}@iot.nextLink" in row) == (count > inner.skip + len(ids))
                    else:
                        assert (shown and shown["@iot.id"]) == (ids[0] if ids else None)


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_a_page_of_a_datastream_is_read_from_its_index_in_order(network, direction):
    """The table's size does not matter: the index has the datastream and the period, and no sort comes before LIMIT."""
    period = "phenomenonTime ge 2026-11-21T02:40:00Z and phenomenonTime lt 2026-11-22T00:00:00Z and result gt 5"
    options = QueryOptions(filter=parse_filter(period), order=parse_order(f"phenomenonTime {direction}"))
    entity = MODEL_1_1.find_set("Observations")
    statement = build_page(MODEL_1_1, entity, options, [Constraint(column="datastream_id", value=1)], 101)
    values = {**statement.values, "root": "x", "operator": "x", "licence": "x"}
    with psycopg.connect(network.dsn, options="-c enable_seqscan=off -c enable_bitmapscan=off") as connection:
        rows = connection.execute(b"EXPLAIN (COSTS OFF) " + statement.sql.as_bytes(connection), values).fetchall()
    plan = [line for (line,) in rows]
    index = next(i for i, line in enumerate(plan) if "observation_by_time" in line)
    assert ("Backward" in plan[index]) == (direction == "asc")
    assert "datastream_id =" in plan[index + 1]
    assert "observed_at >=" in plan[index + 1]
    assert "observed_at <" in plan[index + 1]
    assert all("Sort" not in line or "Incremental" in line or "Key" in line for line in plan[2:index])


async def test_public_queries_leave_connections_for_pages(network):
    database = Database(network.dsn)
    async with database.open_pool(), AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(database.costly_connection())
        waiting = asyncio.create_task(stack.enter_async_context(database.costly_connection()))
        assert await database.fetch_rows("count_migrations")  # others are served meanwhile
        with pytest.raises(HTTPException) as refusal:
            await waiting
        assert (refusal.value.status_code, refusal.value.headers) == (503, {"Retry-After": "5"})


@pytest.mark.parametrize("order", ["", "phenomenonTime", "phenomenonTime desc", "resultTime desc", "result,id"])
@pytest.mark.parametrize("top", [1, 7, 100])
async def test_pages_lead_to_every_observation_once_and_in_order(service, world, order, top):
    text = "Datastream/id le 2" if top > 1 else "Datastream/id le 2 and second(phenomenonTime) eq 3"
    whole = QueryOptions(filter=parse_filter(text), order=parse_order(order) if order else (), top=10_000)
    ids, query, pages = [], [("$filter", text), ("$top", str(top)), *([("$orderby", order)] if order else [])], 0
    resource = parse_path(MODEL_1_1, "Observations")
    while query:
        document = await service.read_set(resource, parse_options(query), "http://x", urlencode(query))
        ids += [row["@iot.id"] for row in document["value"]]
        query = parse_qsl(document.get("@iot.nextLink", "").partition("?")[2])
        pages += 1
    assert ids == world.select("Observations", whole)[0]
    assert pages == -(-len(ids) // top)


@pytest.mark.parametrize("order", ["", "phenomenonTime", "phenomenonTime desc"])
async def test_pages_hold_readings_of_one_millisecond_as_often_as_they_are_stored(network, order):
    entity = MODEL_1_1.find_set("Observations")
    values = {"root": "x", "operator": "x", "licence": "x"}
    with psycopg.connect(network.dsn, row_factory=dict_row) as connection:
        connection.execute(
            """INSERT INTO observation (datastream_id, observed_at, value, flags, batch_id)
               SELECT datastream_id, observed_at, value, 0, batch_id FROM observation, generate_series(1, 4)
               WHERE datastream_id = 4 AND extract(second FROM observed_at) IN (0, 1, 7)"""
        )
        options = QueryOptions(order=parse_order(order) if order else (), filter=parse_filter("Datastream/id eq 4"))
        shown = []
        while True:
            statement = build_page(MODEL_1_1, entity, options, [], 4)
            rows = connection.execute(statement.sql, {**values, **statement.values}).fetchall()
            shown += [(row["observed_at"], row["result"]) for row in rows[:3]]
            if len(rows) < 4:
                break
            start = describe_next_start(entity, options, rows[:3], 0)
            options = replace(options, after=parse_options([tuple(start.split("="))]).after)
        stored = connection.execute("SELECT count(*) AS count FROM observation WHERE datastream_id = 4").fetchall()
        connection.rollback()
    assert len(shown) == stored[0]["count"] == 120 + 2 * 3 * 4
    assert [at for at, _ in shown] == sorted((at for at, _ in shown), reverse=order != "phenomenonTime")
