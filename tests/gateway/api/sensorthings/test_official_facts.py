"""The facts that the official suite of the OGC (ets-sta10) checks by reading, as laws over every set and navigation.

The suite itself makes its data by POST, so it cannot judge a service that is read only.
"""

from itertools import product
from urllib.parse import quote

import pytest

from gateway.api.sensorthings.model import MODEL_1_1, MODEL_2_0, Kind
from gateway.api.sensorthings.renderer import HTTP_BINDING

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERSIONS = {"v1.0": MODEL_1_1, "v1.1": MODEL_1_1, "v2.0": MODEL_2_0}
CONTROL = {"v1.0": "@iot.", "v1.1": "@iot.", "v2.0": "@"}
OPERATORS = ("lt", "le", "eq", "ne", "ge", "gt")
ALL_SETS = [(version, name) for version, model in VERSIONS.items() for name in model.sets if version != "v1.0"]


def without_context(document):
    """The document without the address that version 2.0 puts before it."""
    return {key: value for key, value in document.items() if key != "@context"}


async def read(network, path, status=200):
    response = await network.get(path)
    assert response.status_code == status, (path, response.text[:300])
    return without_context(response.json()) if status == 200 else response


def id_of(document):
    return document.get("@iot.id", document.get("id"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_root_lists_every_set_and_the_conformance_classes(network, version):
    document = await read(network, f"/sta/{version}")
    assert [item["name"] for item in document["value"]] == list(VERSIONS[version].sets)
    assert len(document["value"]) == (9 if version == "v2.0" else 8)
    for item in document["value"]:
        assert item["url"] == f"{str(network.base_url).rstrip('/')}/sta/{version}/{item['name']}"
        await read(network, item["url"])
    conformance = document["serverSettings"]["conformance"]
    assert conformance
    assert not any(word in address for address in conformance for word in ("create", "data-array", "mqtt"))
    assert document == await read(network, f"/sta/{version}/")


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_every_entity_has_its_properties_and_links(network, version, name):
    entity, control = VERSIONS[version].sets[name], CONTROL[version]
    for document in (await read(network, f"/sta/{version}/{name}?$top=5"))["value"]:
        names = {"@iot.id" if control == "@iot." and key == "id" else key for key in entity.properties}
        links = {f"{key}{control}navigationLink" for key in entity.navigations}
        own = f"{control}selfLink" if control == "@iot." else "@id"
        assert set(document) == names | links | {own}
        assert await read(network, document[own]) == document
        for link in links:
            await read(network, document[link])


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_every_property_has_an_address_and_a_text(network, version, name):
    entity = VERSIONS[version].sets[name]
    document = (await read(network, f"/sta/{version}/{name}?$top=1"))["value"][0]
    base = f"/sta/{version}/{name}({id_of(document)})"
    for key in entity.properties:
        value = id_of(document) if key == "id" else document[key]
        response = await network.get(f"{base}/{key}")
        if value is None:
            assert response.status_code == 204
            continue
        assert without_context(response.json()) == ({"value": value} if version == "v2.0" else {key: value})
        text = await network.get(f"{base}/{key}/$value")
        assert text.headers["content-type"].startswith("text/plain")
        assert text.text == value if isinstance(value, str) else text.json() == value
    for path in (f"{base}/nothing", f"{base}/nothing/$value", f"{base}/name/part", f"{base}/$value"):
        await read(network, path, 404)
    for path in ("(999999999)", "(x)", "/$value"):
        await read(network, f"/sta/{version}/{name}{path}", 404)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "path", ["Nothing", "Thing", "things", "Nothing(1)", "Things()", "Things(-1)", "Things(1)(2)", "$ref"]
)
async def test_an_unknown_path_is_404(network, version, path):
    response = await read(network, f"/sta/{version}/{path}", 404)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_resource_paths_are_four_levels_deep(network, version, name):
    measured = "?$top=1&$filter=Datastreams/id gt 0" if name == "ObservedProperties" else "?$top=1"
    document = (await read(network, f"/sta/{version}/{name}{measured}"))["value"][0]
    await follow(network, version, VERSIONS[version].sets[name], f"/sta/{version}/{name}({id_of(document)})", 3)


async def follow(network, version, entity, base, depth):
    model, control = VERSIONS[version], CONTROL[version]
    for navigation in entity.navigations.values():
        path = f"{base}/{navigation.name}"
        document = await read(network, f"{path}?$top=2" if navigation.is_set else path)
        references = await read(network, f"{path}/$ref?$top=2" if navigation.is_set else f"{path}/$ref")
        own = f"{control}selfLink" if control == "@iot." else "@id"
        if navigation.is_set:
            assert references["value"] == [{own: row[own]} for row in document["value"]]
            first = document["value"][0]
            path = f"{path}({id_of(first)})"
            assert await read(network, path) == first
        else:
            assert references == {own: document[own]}
        if depth > 1:
            await follow(network, version, model.target_of(navigation), path, depth - 1)


async def test_an_entity_below_another_one_must_belong_to_it(network):
    foreign = (await read(network, "/sta/v1.1/Things(2)/Datastreams"))["value"][0]["@iot.id"]
    await read(network, f"/sta/v1.1/Things(1)/Datastreams({foreign})", 404)
    await read(network, "/sta/v1.1/Things(1)/Datastreams/Observations", 404)
    await read(network, "/sta/v1.1/Datastreams(1)/Thing(1)", 404)


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_each_option_and_their_combination(network, version, name):
    control, base = CONTROL[version], f"/sta/{version}/{name}"
    whole = await read(network, f"{base}?$top=10000&$count=true")
    rows, count = whole["value"], whole[f"{control}count"]
    assert len(rows) == count
    ids = [id_of(row) for row in rows]
    by_id = sorted(ids, reverse=True)
    for top, skip, counted, ordered in product((0, 1, 2), (0, 1), (False, True), (False, True)):
        query = f"$top={top}&$skip={skip}&$count={str(counted).lower()}" + ("&$orderby=id desc" if ordered else "")
        document = await read(network, f"{base}?{query}")
        expected = (by_id if ordered else ids)[skip : skip + top]
        assert [id_of(row) for row in document["value"]] == expected
        assert document.get(f"{control}count") == (count if counted else None)
        assert (f"{control}nextLink" in document) == (top > 0 and count > skip + top)
        if f"{control}nextLink" in document:
            assert next(iter(document)) == f"{control}nextLink"
            following = await read(network, document[f"{control}nextLink"])
            assert id_of(following["value"][0]) == (by_id if ordered else ids)[skip + top]
    assert (await read(network, f"{base}?$top=999999999"))["value"] == rows


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_every_navigation_can_be_expanded_and_selected(network, version, name):
    entity, base = VERSIONS[version].sets[name], f"/sta/{version}/{name}"
    for navigation in entity.navigations.values():
        plain = (await read(network, f"{base}?$top=2"))["value"]
        for row in (await read(network, f"{base}?$top=2&$expand={navigation.name}"))["value"]:
            path = f"{base}({id_of(row)})/{navigation.name}"
            reached = await read(network, f"{path}?$top=1000" if navigation.is_set else path)
            assert row[navigation.name] == (reached["value"] if navigation.is_set else reached)
            link = f"{navigation.name}{CONTROL[version]}navigationLink"
            assert {**row, link: None, navigation.name: None} == {**find(plain, row), link: None, navigation.name: None}
        selected = (await read(network, f"{base}?$top=1&$select=id,{navigation.name}"))["value"][0]
        assert f"{navigation.name}{CONTROL[version]}navigationLink" in selected
    for property_ in entity.properties.values():
        (row,) = (await read(network, f"{base}?$top=1&$select={property_.name}"))["value"]
        assert {key for key in row if "@" not in key} - {"id"} == {property_.name} - {"id"}


def find(rows, row):
    return next(other for other in rows if id_of(other) == id_of(row))


@pytest.mark.parametrize(("version", "name"), ALL_SETS)
async def test_every_property_can_be_filtered_by_every_comparison(network, version, name):
    entity, base = VERSIONS[version].sets[name], f"/sta/{version}/{name}"
    row = (await read(network, f"{base}?$top=1"))["value"][0]
    for property_ in entity.properties.values():
        value = id_of(row) if property_.kind is Kind.ID else row[property_.name]
        expected, literal = _literal(property_.kind, value)
        for operator in OPERATORS:
            path = f"{base}?$top=10000&$filter={quote(f'{property_.name} {operator} {literal}')}"
            document = await read(network, path, expected)
            if expected == 200:
                ids = {id_of(item) for item in document["value"]}
                # a period is neither up to nor from itself on
                fitting = {"eq"} if property_.kind is Kind.INTERVAL else {"le", "eq", "ge"}
                assert (id_of(row) in ids) == (operator in fitting), path


def _literal(kind, value):
    """The status of a comparison with a value of this kind, and the value as a filter writes it."""
    if kind is Kind.OPAQUE:
        return 501, "1"
    if kind is Kind.GEOMETRY:
        return 400, "geography'POINT(4 52)'"
    if kind is Kind.JSON:
        return 400, "1/2"
    if kind is Kind.INTERVAL:
        return (200, f"{value['start']}/{value['end']}") if isinstance(value, dict) else (200, value)
    return 200, f"'{value}'" if kind is Kind.TEXT else f"{value}"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$count=maybe", 400), ("$top=-1", 400), ("$skip=x", 400), ("$filter=result gt 'high'", 400),
        ("$filter=name eq 1", 400),
        ("$orderby=nothing", 400), ("$select=nothing", 400), ("$expand=Nothing", 400),
        ("$expand=Datastream/Nothing", 400),
        ("$filter=nothing(result)", 400), ("$filter=length(result) gt 1", 400), ("$filter=result", 400), ("top=1", 400),
        ("$filter=Datastream eq 1", 400), ("$orderby=Datastream/Thing/Datastreams/name", 400), ("$top=1&$top=2", 400),
        ("$filter=result mul 1e308 mul 1e308 gt 1", 400), ("$filter=phenomenonTime add duration'P36000D' gt 1", 400),
        ("$filter=substring('x',1e300) eq 'x'", 400), ("$filter=%00", 400), ("$filter=result%20eq%20'%00'", 400),
        ("%ff=1", 400),
        ("$filter=true and (null add null eq null)", 200), ("$filter=result in (8,9,null)", 200), ("$filter=null", 200),
        ("$search=x", 501), ("$resultFormat=CSV", 501), ("$filter=parameters eq 1", 501),
        ("$filter=geo.length(result) gt 1", 501),
        ("$expand=Datastream&$resultFormat=dataArray", 400), ("$apply=x", 501),
    ],
)  # fmt: skip
async def test_a_wrong_question_is_one_sentence(network, query, status):
    response = await network.get(f"/sta/v1.1/Observations?{query}")
    assert response.status_code == status, response.text
    if status != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert "\n" not in response.json()["detail"]


async def test_an_entity_accepts_only_select_and_expand(network):
    await read(network, "/sta/v1.1/Things(1)?$select=name&$expand=Datastreams($top=1)")
    for query in ("$top=1", "$filter=id eq 1", "$count=true", "$orderby=id"):
        await read(network, f"/sta/v1.1/Things(1)?{query}", 400)
        await read(network, f"/sta/v1.1/Things(1)/name?{query}", 400)


async def test_nothing_can_be_changed(network):
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        response = await network.request(method, "/sta/v1.1/Things(1)", json={})
        assert response.status_code == 405


async def test_version_2_has_a_description_and_every_answer_names_its_place_in_it(network):
    root = str((await network.get("/sta/v2.0")).json()["serverSettings"][HTTP_BINDING]["endpoints"][0])
    assert root.endswith("/sta/v2.0")
    metadata = (await network.get("/sta/v2.0/$metadata")).json()
    schema = metadata["org.OGC.STA"]
    container = metadata["$EntityContainer"].removeprefix("org.OGC.STA.")
    assert {name for name in schema[container] if not name.startswith("$")} == set(MODEL_2_0.sets)
    for name, entity in MODEL_2_0.sets.items():
        (document,) = (await network.get(f"/sta/v2.0/{name}?$top=1")).json()["value"]
        described = schema[entity.name]
        names = {key.removesuffix("@navigationLink") for key in document if key != "@id"}
        assert names == {key for key in described if not key.startswith("$")}
        for key, value in document.items():
            if value is None:
                assert described[key]["$Nullable"]
    for path, fragment in (
        ("Things", "#Things"), ("Things(1)", "#Things/$entity"), ("Things(1)/Datastreams", "#Datastreams"),
        ("Datastreams(1)/Thing", "#Things/$entity"), ("Things(1)/name", "#Edm.String"), ("Things(1)/id", "#Edm.Int64"),
        ("Things/$ref", "#Collection($ref)"), ("Datastreams(1)/Thing/$ref", "#$ref"),
        ("Datastreams(1)/UltimateFeaturesOfInterest", "#Features"),
        ("Datastreams(1)/Observations?$top=1", "#Observations"), ("", ""),
    ):  # fmt: skip
        document = (await network.get(f"/sta/v2.0/{path}")).json()
        assert next(iter(document)) == "@context"
        assert document["@context"] == f"{root}/$metadata{fragment}", path
    assert "geo.distance" in (await network.get("/sta/v2.0")).json()["serverSettings"]["functions"]
    assert (await network.get("/sta/v1.1/$metadata")).status_code == 404
    assert "@context" not in (await network.get("/sta/v1.1/Things")).text
