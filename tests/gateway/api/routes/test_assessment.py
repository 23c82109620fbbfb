"""The assessment of a station: days and hours with enough valid readings beside published levels and their sources."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pyarrow.parquet as pq
import pytest
from lxml import html

from edge_agent.wire import Flag
from gateway.__main__ import main
from gateway.assessment.settings import AssessmentSettings
from gateway.model.legal_day import legal_date
from tests.gateway.api.conftest import running_api
from tests.gateway.store.stored_readings import store_readings

PATH = "/api/v1/stations/wijk-aan-zee/assessment"
ZONE = ZoneInfo("Europe/Amsterdam")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


@pytest.fixture
def today():
    return legal_date(datetime.now(UTC))


@pytest.fixture
def recorded(database, node, today):
    """Ten days of PM2.5 every ten minutes: 20 on each, but one day of 60, one of 10 with 17 hours, one all faulty."""
    del node
    with psycopg.connect(database, autocommit=True) as connection:
        for back, value, hours, flags in [
            *((back, 20.0, 24, 0) for back in (10, 9, 8, 7, 6, 5)), (4, 60.0, 24, 0), (3, 10.0, 17, 0),
            (2, 400.0, 24, int(Flag.SENSOR_FAULT)), (1, 20.0, 24, 0),
        ]:  # fmt: skip
            start = midnight(today - timedelta(days=back))
            store_readings(connection, start, [(value, flags)] * (hours * 6), step=600)
    return database


def by_level(document):
    ((stream,),) = (document["datastreams"],)
    return {row["level"]["id"]: row for row in stream["levels"]}


async def test_days_at_or_above_are_counted_with_the_days_that_are_complete(recorded, broker, today):
    async with running_api(recorded, broker) as (client, _):
        response = await client.get(f"{PATH}?from={today - timedelta(days=10)}&to={today}")
    document = response.json()
    guideline = by_level(document)["who-2021-pm2_5-day"]
    assert (guideline["atOrAbove"], guideline["complete"], guideline["periods"], guideline["highest"]) == (
        8,
        8,
        10,
        60.0,
    )
    assert guideline["secondsAtOrAbove"] == 8 * 86_400
    assert by_level(document)["eu-alert-pm2_5-day"]["atOrAbove"] == 1
    assert guideline["level"]["source"].startswith("WHO global air quality guidelines")
    assert (guideline["level"]["edition"], guideline["level"]["published"]) == ("2021", "2021-09-22")
    assert document["indices"] == []
    assert "no exceedance" in document["note"]
    refusals = {row["level"]["id"]: row["reason"] for row in document["datastreams"][0]["notAssessed"]}
    assert refusals["eu-2030-pm2_5-year"] == "no_whole_year"


async def test_a_year_needs_its_setting_and_a_year_with_few_hours_is_refused(recorded, broker, today):
    end = today - timedelta(days=today.month == 2 and today.day == 29)
    query = f"{PATH}?from={end.replace(year=end.year - 1)}&to={end}"
    for settings, reason, text in (
        (None, "no_coverage_setting", "year_coverage"),
        (AssessmentSettings(year_coverage=0.4), "too_few_hours", "40.0 % are needed"),
    ):
        async with running_api(recorded, broker, assessment=settings) as (client, _):
            document = (await client.get(query)).json()
        refusal = next(r for r in document["datastreams"][0]["notAssessed"] if r["level"]["averaging"] == "year")
        assert refusal["reason"] == reason
        assert text in refusal["text"]["en"]


async def test_the_tables_hold_the_same_figures(recorded, broker, today):
    query = f"{PATH}?from={today - timedelta(days=10)}&to={today}"
    async with running_api(recorded, broker) as (client, _):
        levels = by_level((await client.get(query)).json())
        text = await client.get(f"{query}&format=csv")
        dutch = await client.get(f"{query}&format=csv-nl")
        parquet = await client.get(f"{query}&format=parquet")
    rows = {row["level"]: row for row in csv.DictReader(io.StringIO(text.text)) if not row["not_assessed"]}
    assert rows.keys() == levels.keys()
    for id_, row in rows.items():
        assert int(row["at_or_above"]) == levels[id_]["atOrAbove"]
        assert float(row["highest"]) == levels[id_]["highest"]
        assert row["source"] == levels[id_]["level"]["source"]
    assert dutch.content.startswith("\ufeffstation;".encode())
    table = pq.read_table(io.BytesIO(parquet.content)).to_pylist()
    assert {row["level"]: row["at_or_above"] for row in table if row["not_assessed"] is None} == {
        id_: row["atOrAbove"] for id_, row in levels.items()
    }
    assert "attachment" in text.headers["content-disposition"]


@pytest.mark.parametrize(("query", "sentence"), [
    ("from=2026-13-01", "from: '2026-13-01' is no day; write it as 2026-11-28"),
    ("from=2026-11-20&to=2026-11-20", "from: must be a day before `to`"),
    ("from=2020-01-01&to=2022-01-01", "from: at most 366 days are assessed at once"),
    ("to=2099-01-01", "to: days that are not over are not assessed; give today at the latest"),
    ("from=0001-01-01", "from: must be a day between 2000 and 2100"),
])  # fmt: skip
async def test_a_wrong_day_is_one_sentence(api, node, query, sentence):
    response = await api.get(f"{PATH}?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == sentence


async def test_an_unknown_station_is_404(api, node):
    assert (await api.get("/api/v1/stations/nowhere/assessment")).status_code == 404


async def test_a_station_without_dust_has_no_datastreams(database, broker, node):
    with psycopg.connect(database, autocommit=True) as connection:
        start = datetime.now(UTC) - timedelta(days=2)
        store_readings(connection, start, [(2.0, 0)] * 60, step=600, observed_property="ch4")
    async with running_api(database, broker) as (client, _):
        document = (await client.get(PATH)).json()
        assert (document["datastreams"], document["indices"]) == ([], [])
        page = html.fromstring((await client.get("/nl/stations/wijk-aan-zee")).text)
    assert page.xpath('//section[contains(@class, "levels")]') == []


async def test_the_station_page_shows_the_same_days_and_a_sub_index(database, broker, node, today):
    with psycopg.connect(database, autocommit=True) as connection:
        start = midnight(today - timedelta(days=3))
        count = round((datetime.now(UTC) - start).total_seconds() / 600)
        store_readings(connection, start, [(30.0, 0)] * count, step=600)
    async with running_api(database, broker) as (client, _):
        page = html.fromstring((await client.get("/nl/stations/wijk-aan-zee")).text)
        document = (await client.get(PATH)).json()
    section = page.get_element_by_id("levels").getparent()
    rows = [[cell.text_content() for cell in row.xpath("./*")] for row in section.xpath(".//tbody/tr")]
    guideline_row = next(row for row in rows if "advieswaarde van de WHO" in row[0])
    assert "15 µg/m³" in guideline_row[0]
    assert guideline_row[1] == "3 van 3"
    text = section.text_content()
    assert "deelindex PM volgens de Nederlandse luchtkwaliteitsindex (LKI)" in text
    assert "aanwijzing" in text
    assert "overschrijding" not in text
    index = next(row for row in document["indices"] if row["id"] == "lki")
    assert (index["classNumber"], index["isSubIndex"], index["worst"]) == (5, True, "pm2_5")
    assert index["className"]["nl"] in text


def run_assess(config, capfd, *arguments):
    code = main(["assess", "--config", str(config), *map(str, arguments)])
    printed = capfd.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def config(recorded, tmp_path):
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{recorded}"\n')
    return path


def test_the_command_prints_the_counts_and_writes_tables(config, capfd, tmp_path, today):
    period = ("--from", today - timedelta(days=10), "--to", today)
    code, out, _ = run_assess(config, capfd, "--area", "ijmond", *period)
    assert code == 0
    assert "at or above 15 ug/m3 (WHO guideline level, 2021, mean over a day): 8 of 8, highest 60.0" in out
    assert "  eu-2030-pm2_5-year: The level is about a whole year, and the period is no year." in out
    output = tmp_path / "table.parquet"
    code, _, _ = run_assess(
        config, capfd, "--station", "wijk-aan-zee", *period, "--format", "parquet", "--output", output
    )
    assert code == 0
    assert pq.read_table(output).num_rows > 5


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("--from", "2026-11-01", "--to", "2026-11-02"), "give either --station or --area"),
    (("--area", "ijmond", "--from", "2026-11-02", "--to", "2026-11-02"), "--to must be after --from"),
    (("--area", "nowhere", "--from", "2026-11-01", "--to", "2026-11-02"), "no area 'nowhere'"),
    (("--station", "nowhere", "--from", "2026-11-01", "--to", "2026-11-02"), "no station 'nowhere'"),
    (("--area", "ijmond", "--from", "2026-11-01", "--to", "2099-11-02"), "days that are not over are not assessed"),
])  # fmt: skip
def test_a_wrong_command_is_one_sentence(config, capfd, arguments, sentence):
    code, out, err = run_assess(config, capfd, *arguments)
    assert code in {1, 2}
    assert out == ""
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
