"""Values of other networks: fetched over real HTTP, read from files, stored apart and shown with their source."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from gateway.__main__ import main
from gateway.context.client import ContextClient
from gateway.context.knmi import parse_coverage
from gateway.context.luchtmeetnet import parse_page
from gateway.context.settings import ContextSettings, ContextStation
from gateway.context.values import ContextError, ContextSource
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.context.networks import Networks, last_hour, row, running

HOUR = datetime(2026, 11, 20, 13, tzinfo=UTC)
IJMUIDEN = ContextStation(source=ContextSource.LUCHTMEETNET, id="NL49551", name="IJmuiden-Kanaaldijk", area="ijmond")
SEA = ContextStation(source=ContextSource.KNMI, id="0-20000-0-06225", name="IJmuiden (KNMI)", area="ijmond")
PERIOD = (HOUR - timedelta(days=1), HOUR)


def make_settings(address, tmp_path, key="secret-key"):
    path = tmp_path / "knmi.key"
    path.write_text(f"{key}\n")
    return ContextSettings(
        station=[IJMUIDEN, SEA],
        luchtmeetnet_url=f"{address}/open_api",
        knmi_url=f"{address}/edr/v1",
        knmi_key_file=path,
    )


async def fetch(networks, station, tmp_path, **options):
    with running(networks) as address:
        async with ContextClient(make_settings(address, tmp_path, **options)) as client:
            return await client.fetch(station, PERIOD)


async def test_all_pages_of_luchtmeetnet_are_read_and_an_hour_ends_at_its_time(tmp_path):
    networks = Networks(rows=[row(HOUR - timedelta(hours=n), 10.0 + n) for n in range(5)], page_size=2)
    values = await fetch(networks, IJMUIDEN, tmp_path)
    assert [value.value for value in values] == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert values[0].start == HOUR - timedelta(hours=1)
    assert {(value.station, value.observed_property, value.unit, value.seconds) for value in values} == {
        ("NL49551", "pm2_5", "ug/m3", 3_600)
    }
    paths = [path for path, _ in networks.requests]
    assert len(paths) == 3
    assert paths[0].startswith("/open_api/stations/NL49551/measurements?start=2026-11-19T13%3A00%3A00Z")


async def test_the_index_and_hours_without_a_mean_are_no_measurements(tmp_path):
    networks = Networks(rows=[row(HOUR, 4, "LKI"), row(HOUR, None), row(HOUR, 31.0, "NO2"), row(HOUR, 3.0, "PS")])
    assert [(v.observed_property, v.value) for v in await fetch(networks, IJMUIDEN, tmp_path)] == [("no2", 31.0)]


async def test_knmi_is_queried_with_the_key_and_calm_and_variable_are_no_directions(tmp_path):
    times = [(HOUR - timedelta(minutes=10 * n)).isoformat() for n in range(4)]
    networks = Networks(
        times=times, series={"dd": [240.0, 0.0, 990.0, None], "ff": [5.1, 0.2, 1.0, 2.0], "qg": [1, 2, 3, 4]}
    )
    values = await fetch(networks, SEA, tmp_path)
    assert [(v.start, v.value) for v in values if v.observed_property == "wind_direction"] == [
        (HOUR - timedelta(minutes=10), 240.0)
    ]
    assert [v.value for v in values if v.observed_property == "wind_speed"] == [5.1, 0.2, 1.0, 2.0]
    ((path, headers),) = networks.requests
    assert headers["Authorization"] == "secret-key"
    assert "/edr/v1/collections/10-minute-in-situ-meteorological-observations/locations/0-20000-0-06225?" in path


@pytest.mark.parametrize(("networks", "station", "sentence"), [
    (Networks(status=500), IJMUIDEN, "measurements answers 500"),
    (Networks(status=404), IJMUIDEN, "answers 404: is the id of the station right?"),
    (Networks(status=429), IJMUIDEN, "answers 429: too many requests; try again later"),
    (Networks(status=302), IJMUIDEN, "answers 302"),
    (Networks(body=b"<html>"), IJMUIDEN, "no answer of Luchtmeetnet"),
    (Networks(body=b'{"data": [], "pagination": {"last_page": 5000}}'), IJMUIDEN, "has 5000 pages; fetch a shorter"),
    (Networks(rows=[row(HOUR.replace(tzinfo=None), 1.0)]), IJMUIDEN,
     "has no offset"),
    (Networks(key="another"), SEA, "answers 403: the key is not accepted"),
    (Networks(body=b'{"type": "Coverage"}'), SEA, "no answer of KNMI in CoverageJSON"),
    (Networks(times=["2026-11-20T12:00:00Z"], series={"dd": [1.0, 2.0]}), SEA, "dd has 2 values for 1 times"),
])  # fmt: skip
async def test_a_wrong_answer_is_one_sentence_without_the_key(networks, station, sentence, tmp_path):
    with pytest.raises(ContextError) as raised:
        await fetch(networks, station, tmp_path)
    assert sentence in str(raised.value)
    assert "secret-key" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_without_a_key_knmi_is_not_queried(tmp_path):
    async with ContextClient(ContextSettings(station=[SEA], knmi_url="http://127.0.0.1:1")) as client:
        with pytest.raises(ContextError, match="knmi_key_file"):
            await client.fetch(SEA, PERIOD)
    settings = ContextSettings(station=[SEA], knmi_url="http://127.0.0.1:1", knmi_key_file=tmp_path / "none")
    async with ContextClient(settings) as client:
        with pytest.raises(ContextError, match="cannot be read"):
            await client.fetch(SEA, PERIOD)


async def test_a_network_that_is_away_is_one_sentence():
    async with ContextClient(ContextSettings(luchtmeetnet_url="http://127.0.0.1:1")) as client:
        with pytest.raises(ContextError, match="does not answer"):
            await client.fetch(IJMUIDEN, PERIOD)


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.floats() | st.text(max_size=5),
    lambda c: st.dictionaries(st.sampled_from(["data", "type", "ranges", "domain", "coverages"]), c) | st.lists(c),
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_any_answer_gives_values_or_a_sentence(content):
    for parse in (parse_page, lambda body: parse_coverage(body, "s")):
        try:
            parse(content)
        except ContextError as error:
            sentence = str(error)
        else:
            sentence = ""
        assert "\n" not in sentence


CONFIG = """
[database]
dsn = "{dsn}"
[context]
luchtmeetnet_url = "{address}/open_api"
knmi_url = "{address}/edr/v1"
knmi_key_file = "knmi.key"
[[context.station]]
source = "luchtmeetnet"
id = "NL49551"
name = "IJmuiden-Kanaaldijk"
area = "{area}"
[[context.station]]
source = "knmi"
id = "0-20000-0-06225"
name = "IJmuiden (KNMI)"
area = "{area}"
"""


@pytest.fixture
def run(database, node, tmp_path, capfd):
    del node

    def run_command(address, *words, area="ijmond"):
        (tmp_path / "knmi.key").write_text("secret-key")
        (tmp_path / "piekwacht.toml").write_text(CONFIG.format(dsn=database, address=address, area=area))
        code = main(["context", "--config", str(tmp_path / "piekwacht.toml"), *map(str, words)])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run_command


def read_values(dsn):
    with psycopg.connect(dsn) as connection:
        query = "SELECT source, observed_property, value FROM context_value ORDER BY 1, 2, starts_at"
        return connection.execute(query).fetchall()


def test_values_are_fetched_and_a_corrected_one_replaces_the_first(database, run):
    end = last_hour(datetime.now(UTC))
    networks = Networks(rows=[row(end, 12.0)], times=[end.isoformat()], series={"ff": [4.0]})
    with running(networks) as address:
        code, out, error = run(address, "fetch")
        assert (code, error) == (0, "")
        assert out == "luchtmeetnet NL49551: 1 value stored\nknmi 0-20000-0-06225: 1 value stored\n"
        networks.rows = [row(end, 13.5)]
        assert run(address, "fetch", "--hours", "3")[0] == 0
    assert read_values(database) == [("knmi", "wind_speed", 4.0), ("luchtmeetnet", "pm2_5", 13.5)]


def test_a_failing_station_costs_no_other_station(database, run):
    end = last_hour(datetime.now(UTC))
    with running(Networks(rows=[row(end, 12.0)], key="another")) as address:
        code, out, error = run(address, "fetch")
    assert code == 1
    assert "luchtmeetnet NL49551: 1 value stored" in out
    assert "knmi 0-20000-0-06225" in error
    assert "403" in error
    assert read_values(database) == [("luchtmeetnet", "pm2_5", 12.0)]


def test_an_unknown_area_and_a_wrong_number_of_hours_are_one_sentence(run):
    code, _, error = run("http://127.0.0.1:1", "fetch", area="mars")
    assert code == 1
    assert "there is no area 'mars'" in error
    with pytest.raises(SystemExit):
        run("http://127.0.0.1:1", "fetch", "--hours", "0")


RIVM = """Component;Bep.periode;Eenheid;Begindatumtijd;Einddatumtijd;NL49551
PM2.5;uur;ug/m3;20261120 12:00;20261120 13:00;14.2
PM2.5;uur;ug/m3;20261120 13:00;20261120 14:00;
"""
KNMI = """# STN,YYYYMMDD,   HH,   DD,   FH
  225,20261120,   13,  240,   54
  225,20261120,   14,  990,   10
"""


@pytest.mark.parametrize(("content", "source", "values"), [
    (RIVM, "luchtmeetnet", [("luchtmeetnet", "pm2_5", 14.2)]),
    (KNMI, "knmi", [("knmi", "wind_direction", 240.0), ("knmi", "wind_speed", 5.4), ("knmi", "wind_speed", 1.0)]),
    (json.dumps({"data": [{"station_number": "NL1", **row(HOUR, 9.0)}]}), "luchtmeetnet",
     [("luchtmeetnet", "pm2_5", 9.0)]),
])  # fmt: skip
def test_saved_files_are_read(database, run, tmp_path, content, source, values):  # noqa: PLR0917 - fixtures
    path = tmp_path / "saved.csv"
    path.write_text(content)
    code, out, error = run("http://127.0.0.1:1", "import", path, "--source", source)
    assert (code, error) == (0, "")
    assert out.startswith(f"{len(values)} value")
    assert read_values(database) == values
    if source == "knmi":
        with psycopg.connect(database) as connection:
            (start,) = connection.execute("SELECT min(starts_at) FROM context_value").fetchone()
        assert start == datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_invalid_file_is_one_sentence(run, tmp_path):
    path = tmp_path / "saved.csv"
    path.write_text("a;b\n1;2\n")
    code, _, error = run("http://127.0.0.1:1", "import", path, "--source", "knmi")
    assert (code, error.count("\n")) == (1, 1)
    assert "cannot be read" in run("http://127.0.0.1:1", "import", tmp_path / "none", "--source", "knmi")[2]
    path.write_text('{"type": "Coverage"}')
    assert "give --station" in run("http://127.0.0.1:1", "import", path, "--source", "knmi")[2]


async def test_a_peak_stands_beside_the_region_and_the_region_is_in_no_mean(pipeline, node, database, broker, run):
    start = int(datetime.now(UTC).timestamp() * 1000) - 1_000_000
    await ingest_observations(pipeline, node, 200, start=start)
    async with running_api(database, broker) as (client, _):
        before = (await client.get("/api/v1/stations/wijk-aan-zee/observations?averaging=1h")).json()["items"]
    ends = [last_hour(datetime.now(UTC), back) for back in (-1, 0, 1, 2)]
    peak = datetime.fromtimestamp(start / 1000 + 110, UTC)
    times = [(peak + timedelta(minutes=5)).isoformat()]
    with running(Networks(rows=[row(end, 777.5) for end in ends], times=times, series={"ff": [4.5]})) as address:
        assert (await asyncio.to_thread(run, address, "fetch"))[0] == 0
    async with running_api(database, broker) as (client, _):
        after = (await client.get("/api/v1/stations/wijk-aan-zee/observations?averaging=1h")).json()["items"]
        context = (await client.get("/api/v1/stations/wijk-aan-zee/context")).json()
        wind = (await client.get("/api/v1/stations/wijk-aan-zee/context?property=wind_speed")).json()
        (event,) = (await client.get("/api/v1/events?kind=peak")).json()["items"]
        event_page = html.fromstring((await client.get(f"/nl/events/{event['id']}")).text)
        plume_page = html.fromstring((await client.get(f"/nl/plumes/{event['plume']}")).text)
        station_page = html.fromstring((await client.get("/nl/stations/wijk-aan-zee")).text)
        assessment = await client.get("/api/v1/stations/wijk-aan-zee/assessment")
    assert before == after
    assert "777" not in assessment.text
    assert {item["value"] for item in context["items"]} == {777.5}
    assert context["items"][0]["credit"].startswith("Luchtmeetnet")
    assert [item["unit"] for item in wind["items"]] == ["m/s"]
    text = " ".join(event_page.text_content().split())
    assert "IJmuiden-Kanaaldijk" in text
    assert "KNMI, CC BY 4.0" in text
    assert "IJmuiden (KNMI), windsnelheid: 4,5 m/s (gemiddelde over 10 minuten vanaf" in text
    assert event_page.xpath('//*[contains(@class, "region")]')
    assert "IJmuiden-Kanaaldijk" in plume_page.get_element_by_id("region").getparent().text_content()
    table = station_page.get_element_by_id("region").getparent()
    assert "IJmuiden-Kanaaldijk" in table.text_content()
    assert "778" in table.text_content()
    assert "Luchtmeetnet (RIVM en partners)" in table.text_content()


async def test_without_context_no_page_has_the_part(pipeline, node, database, broker):
    await ingest_observations(pipeline, node, 200)
    async with running_api(database, broker) as (api, _):
        await check_without_context(api)


async def check_without_context(api):
    page = html.fromstring((await api.get("/nl/stations/wijk-aan-zee")).text)
    assert page.xpath('//*[@id="region"]') == []
    assert (await api.get("/api/v1/stations/wijk-aan-zee/context")).json()["items"] == []
    assert (await api.get("/api/v1/stations/none/context")).status_code == 404
    assert (
        await api.get("/api/v1/stations/wijk-aan-zee/context?start=2026-01-01T00:00:00Z&end=2026-06-01T00:00:00Z")
    ).status_code == 400
