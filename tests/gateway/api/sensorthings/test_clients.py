"""Clients of others, unmodified, read the service over HTTP: frost-sta-client, QGIS and RIVM's samanapir.

QGIS and samanapir are no Python packages: their requests are those of their sources.
"""

import asyncio
import json

import pytest

from tests.gateway.api.sensorthings.conftest import ABSURD

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the client's own dependencies
]
_NON_NULL = ("project", "owner", "codegemeente", "knmicode", "pm10closecode", "pm10regiocode", "pm10stadcode",
             "pm25closecode", "pm25regiocode", "pm25stadcode")  # fmt: skip


async def test_frost_sta_client_reads_things_expansions_and_pages(network):
    import frost_sta_client as fsc  # noqa: PLC0415 - loads slowly

    service = fsc.SensorThingsService(f"{network.root}/sta/v1.1")

    def read():
        things = service.things().query().expand("Locations,Datastreams($expand=ObservedProperty,Sensor)").list()
        names = sorted(thing.name for thing in things)
        datastream = service.datastreams().find(1)
        query = datastream.get_observations().query().orderby("phenomenonTime", "desc").top(50)
        observations = list(query.list())
        filtered = (
            service.observations().query().filter("result gt 11.4 and Datastream/Thing/name eq 'Dordrecht'").list()
        )
        counted = service.datastreams().query().filter("ObservedProperty/name eq 'pm25'").count().top(0).list()
        return names, datastream, observations, list(filtered), counted.count

    names, datastream, observations, filtered, count = await asyncio.to_thread(read)
    assert names == ["Beverwijk", "Dordrecht", "Wijk Aan Zee"]
    assert datastream.unit_of_measurement.symbol
    assert len(observations) == 120  # in three pages
    times = [observation.phenomenon_time for observation in observations]
    assert times == sorted(times, reverse=True)
    assert {observation.result > 11.4 for observation in filtered} == {True}
    assert count == 3


async def test_the_calls_of_qgis(network):
    base = "/sta/v1.1"
    for name in ("Things", "Locations", "Datastreams", "Observations"):
        document = (await network.get(f"{base}/{name}?$top=0&$count=true")).json()
        assert document["@iot.count"] > 0
        assert document["value"] == []
    extent = "geo.intersects(location, geography'POLYGON((4.5 52.4, 4.7 52.4, 4.7 52.6, 4.5 52.6, 4.5 52.4))')"
    document = (
        await network.get(f"{base}/Locations", params={"$top": 200, "$count": "false", "$filter": extent})
    ).json()
    assert {row["location"]["type"] for row in document["value"]} == {"Point"}
    assert len(document["value"]) == 2
    nested = "Things($expand=Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=5)))"
    document = (
        await network.get(f"{base}/Locations", params={"$top": 200, "$expand": nested, "$filter": extent})
    ).json()
    (thing,) = document["value"][0]["Things"]
    assert {len(datastream["Observations"]) for datastream in thing["Datastreams"]} == {5}


async def test_the_calls_of_samanapir(network):
    project = f"{network.root}/sta/v1.0/Things?$filter=(properties/project%20eq'IJmond')&$expand=Locations,Datastreams"
    things = (await network.get(project)).json()
    assert list(things) == ["value"]
    for thing in things["value"]:
        assert all(thing["properties"][name] is not None for name in _NON_NULL)
        assert thing["Locations"][0]["location"]["coordinates"][0] == pytest.approx(4.6, abs=0.1)
    datastream = things["value"][0]["Datastreams"][0]["@iot.id"]
    observed = (await network.get(f"/sta/v1.0/Datastreams({datastream})/ObservedProperty")).json()
    assert observed["name"] in {"pm25", "rh", "temp"}
    period = "$filter=phenomenonTime+gt+%2720220101%27+and+phenomenonTime+lt+%2720290103%27&$orderby=phenomenonTime"
    page = (await network.get(f"/sta/v1.0/Datastreams({datastream})/Observations?{period}")).json()
    assert list(page) == ["@iot.nextLink", "value"]
    assert len({tuple(row) for row in page["value"]}) == 1  # the same keys everywhere
    address = f"{network.root}/sta/v1.0/Datastreams({datastream})/Observations?{period}&$skiptoken="
    assert page["@iot.nextLink"].startswith(address)
    last = (await network.get(page["@iot.nextLink"])).json()
    assert list(last) == ["value"]
    for query in (
        "Datastreams?$filter=startswith(name,'Wijk')", "Datastreams?$filter=contains(name,'humidity')",
        "Observations?$filter=date(phenomenonTime) eq date('2026-11-21')",
        "Datastreams?$expand=Thing($expand=Locations),Sensor&$filter=Thing/properties/codegemeente eq ''",
    ):  # fmt: skip
        assert (await network.get(f"/sta/v1.0/{query}")).json()["value"], query


async def test_grafana_reads_a_datastream_as_rows(network):
    document = (
        await network.get("/sta/v1.1/Datastreams(1)/Observations?$orderby=phenomenonTime&$resultFormat=dataArray")
    ).json()
    (group,) = document["value"]
    assert group["components"][:2] == ["id", "phenomenonTime"]
    assert group["dataArray@iot.count"] == len(group["dataArray"]) == 100


async def test_only_readings_that_count_are_published_and_each_can_be_traced(network):
    datastreams = (
        await network.get(
            "/sta/v1.1/Datastreams?$filter=Thing/name eq 'Wijk Aan Zee' and ObservedProperty/name eq 'pm25'"
        )
    ).json()
    id_ = datastreams["value"][0]["@iot.id"]
    observations = (await network.get(f"/sta/v1.1/Datastreams({id_})/Observations?$top=1000&$count=true")).json()
    assert observations["@iot.count"] == 108
    assert ABSURD not in {row["result"] for row in observations["value"]}
    trace = observations["value"][0]["parameters"]
    assert trace["node"] == "ijm-001"
    raw = (
        await network.get(
            f"/api/v1/datastreams/{id_}/observations?averaging=raw&limit=10000&start=2026-11-21T00:00:00Z&end=2026-11-22T00:00:00Z"
        )
    ).json()
    counted = {item["observedAt"]: (item["value"], item["batch"]["seq"]) for item in raw["items"] if item["counts"]}
    assert counted == {
        row["phenomenonTime"]: (row["result"], row["parameters"]["seq"]) for row in observations["value"]
    }


async def test_positions_are_those_that_the_public_sees(network):
    document = (await network.get("/sta/v1.1/Locations?$expand=Things")).json()
    text = (
        json.dumps(document)
        + (await network.get("/sta/v1.1/FeaturesOfInterest")).text
        + (await network.get("/sta/v2.0/Features")).text
    )
    for exact in ("52.4941", "4.5942", "51.8133", "4.6901"):
        assert exact not in text
    # a filter sees no more than the answer shows
    exact = "geo.distance(location,geography'POINT(4.5942 52.4941)') lt 5"
    assert (await network.get(f"/sta/v1.1/Locations?$filter={exact}")).json()["value"] == []
