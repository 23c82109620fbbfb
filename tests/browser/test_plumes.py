"""A plume in the browser: one row that the script writes as the server does, and a page that fits both screens."""

import time

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.mqtt.client import create_client
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.routes.test_plumes import build_payload
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLACES = {"beverwijk": ("Beverwijk", 52.481), "velsen": ("Velsen", 52.455)}
RISES = {"wijk-aan-zee": (range(600, 660), 60.0), "beverwijk": (range(650, 700), 40.0), "velsen": (range(0), 0.0)}
SECONDS = 900


@pytest_asyncio.fixture(loop_scope="session")
async def stations(site, database):
    """Three stations that measure, of which two rise one after the other; yields a function that ingests a period."""
    _, pipeline, node, broker = site
    nodes = {"wijk-aan-zee": node, **{id_: enrol_node(database, f"ijm-{id_}", id_) for id_ in PLACES}}
    with psycopg.connect(database, autocommit=True) as connection:
        for id_, (name, latitude) in PLACES.items():
            connection.execute("UPDATE station SET name = %s, latitude = %s WHERE id = %s", [name, latitude, id_])
    start = int(time.time() * 1000) - SECONDS * 1000

    async def ingest(seconds, *, publish=False):
        for second in seconds[::10]:
            payloads = [
                build_payload(nodes[id_], second, start=start, high=high, extra=extra)
                for id_, (high, extra) in RISES.items()
            ]
            committed = await pipeline.process(payloads)
            if publish:
                async with create_client(broker, f"gateway-{second}") as connection:
                    for live in committed.live_messages:
                        await connection.publish(f"pw/v1/{live.area}/live", live.encode())

    return ingest


def texts_of_rows(page, list_id):
    return page.eval_on_selector_all(
        f"#{list_id} li",
        "rows => rows.map((row) => [row.dataset.id, row.className, row.innerText.replace(/\\s+/g, ' ').trim()])",
    )


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_the_script_writes_the_row_that_the_server_writes(visit, stations, language):
    await stations(range(590))
    page = await visit(f"/{language}/")
    await expect(page.locator("#state")).to_have_class("state live")
    await stations(range(590, 670), publish=True)
    await expect(page.locator("#peaks li")).to_have_count(1, timeout=5_000)
    await expect(page.locator("#peaks li .told")).to_be_visible(timeout=15_000)
    written = await texts_of_rows(page, "peaks")
    response = await page.context.request.get(page.url)
    rendered = await page.evaluate(
        """(text) => [...new DOMParser().parseFromString(text, "text/html").querySelectorAll("#peaks li")].map(
            (row) => [row.dataset.id, row.className, row.textContent.replace(/\\s+/g, ' ').trim()])""",
        await response.text(),
    )
    assert [row[:2] for row in written] == [row[:2] for row in rendered]
    assert [squeeze(row[2]) for row in written] == [squeeze(row[2]) for row in rendered]


def squeeze(text):
    """Without white space, of which the template has more than the script."""
    return "".join(text.split())


async def test_a_false_alarm_leaves_an_open_map_by_itself(visit, stations, database):
    await stations(range(590))
    page = await visit("/nl/")
    await expect(page.locator("#state")).to_have_class("state live")
    await stations(range(590, 690), publish=True)
    await expect(page.locator("#peaks li")).to_have_count(1, timeout=5_000)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO alerting.false_alarm (plume, cause, note, author, stations, severities) "
            "SELECT plume_id, 'work', '', 'anna', array_agg(DISTINCT station_id), "
            "ARRAY['minor', 'moderate', 'severe', 'extreme'] FROM event WHERE plume_id IS NOT NULL GROUP BY plume_id"
        )
    await stations(range(690, 800), publish=True)
    for id_ in ("peaks", "past"):
        await expect(page.locator(f"#{id_} li")).to_have_count(0, timeout=15_000)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_the_page_of_a_plume_shows_its_stations_and_properties(visit, stations, axe, viewport):
    await stations(range(SECONDS))
    page = await visit("/nl/", viewport)
    await save_screenshot(page, f"plume-list-nl-{viewport['width']}")
    await expect(page.locator("#past li")).to_have_count(1)
    await page.locator("#past a").first.click()
    await expect(page.locator("h1")).to_contain_text("Wijk aan Zee en nog 1 station")
    assert await page.locator("section:has(.plot)").count() == 3
    assert await page.locator("section").nth(1).locator(".wide .line.series").count() == 2
    assert "ticks" not in await page.locator("section[aria-labelledby=parts]").inner_text()
    assert await find_violations(page, axe) == []
    await save_screenshot(page, f"plume-nl-{viewport['width']}")
