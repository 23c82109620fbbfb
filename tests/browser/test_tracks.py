"""Pages and map layer of stations that move: accessible in both languages, and the switch shows tracks and cells."""

import time

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.model.mobile_station import Vehicle
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.tracks.rides import DAY_MS, build_payload, enrol_vehicle, ride_east
from tests.gateway.tracks.test_follower import follow

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="session")
async def vehicles(site, database):
    """A car that rode the same way on four days, with a plume, and a drone."""
    _, pipeline, node, _ = site
    now = int(time.time() * 1000)
    await pipeline.process([node.payload(1, t0=now - 2_000)])
    car, drone = enrol_vehicle(database), enrol_vehicle(database, "drone-1", Vehicle.DRONE, exhaust=False)
    for day in range(4):
        ride = ride_east(300, speed=8.0, start_ms=now - (4 - day) * DAY_MS)
        values = np.where((np.arange(300) > 150) & (np.arange(300) < 190), 55.0, 9.0 + day)
        await pipeline.process([build_payload(car, day + 1, ride, values)])
    flight = ride_east(200, speed=5.0, start_ms=now - 3_600_000, north=300.0)
    await pipeline.process([build_payload(drone, 1, flight, np.full(200, 21.0))])
    await follow(database)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["nl", "en"])
async def test_lists_and_pages_of_tracks_are_accessible(visit, vehicles, axe, language, viewport):
    page = await visit(f"/{language}/tracks", viewport)
    assert await page.locator("tbody tr").count() == 5
    assert await find_violations(page, axe) == []
    await page.locator("tbody a", has_text="Vehicle car-1").first.click()
    await expect(page.locator("h1")).to_contain_text("Vehicle car-1")
    assert await page.locator("svg.track .track-part").count() >= 3
    assert await find_violations(page, axe) == []
    await save_screenshot(page, f"track-{language}-{viewport['width']}")
    assert page.complaints == []


async def test_the_switch_of_the_map_shows_and_hides_tracks_and_cells(visit, vehicles, axe):
    page = await visit("/nl/")
    layer = page.locator("#map path.track-part, #map path.track-cell")
    await expect(page.locator("#map.drawn")).to_be_visible()
    assert await layer.count() == 0
    await page.get_by_label("Ritten en vluchten").check()
    await expect(page.locator("#map path.track-cell.c1").first).to_be_attached()
    await expect(page.locator("#map path.track-part.c3").first).to_be_attached()
    assert await find_violations(page, axe) == []
    await save_screenshot(page, "map-tracks-nl")
    await page.get_by_label("Ritten en vluchten").uncheck()
    await expect(layer).to_have_count(0)
    assert page.complaints == []
