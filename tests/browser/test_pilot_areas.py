"""The pilot areas that the demo does not show, with stations at their towns: the map on a phone and a wide screen."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from edge_agent.wire import Signer
from gateway.api.data.area_base import load_bases
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.enrolment import site_file
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.system.embedded_servers import Broker
from tests.browser.conftest import ARTEFACTS, find_violations
from tests.browser.test_station_map import CENTRES, publish
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import EnrolledNode

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BASES = load_bases()
SCREENS = {
    "phone": ({"width": 390, "height": 844}, "light"),
    "phone-dark": ({"width": 390, "height": 844}, "dark"),
    "desktop": ({"width": 1280, "height": 900}, "light"),
}
_STATIONS = 6


def describe_area(area):
    """A site file of the area: a station at each of its towns, and its first site."""
    base = BASES[area]
    west, south, east, north = base.bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    places = base.places[:_STATIONS]
    signers = [Signer.generate(f"{area[:3]}-{i:03}") for i in range(1, len(places) + 1)]
    contents = site_file.SiteFile(
        area=site_file.AreaTable(
            id=area,
            name=area.capitalize(),
            authority="Omgevingsdienst",
            outline={"type": "Polygon", "coordinates": [ring]},
        ),
        station=[
            site_file.StationTable(
                id=f"station-{i}",
                name=place.name,
                latitude=round(place.latitude, 3),
                longitude=round(place.longitude, 3),
            )
            for i, place in enumerate(places)
        ],
        node=[
            site_file.NodeTable(id=signer.name, station=f"station-{i}", key=str(signer.verifier))
            for i, signer in enumerate(signers)
        ],
    )
    return contents, {f"station-{i}": EnrolledNode(signer=signer, area=area) for i, signer in enumerate(signers)}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["chemelot", "dordrecht", "nijmegen"])
async def area(request, postgres, tmp_path_factory):
    """(name, address) of an area with readings, one station of it with a peak."""
    folder = tmp_path_factory.mktemp(request.param)
    database = postgres.create_database(f"area_{request.param}", template="migrated")
    contents, nodes = describe_area(request.param)
    site_file.apply_site_file(contents, database, folder=folder)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await publish(pipeline, nodes, seq=1, peak=False)
    await publish(pipeline, nodes, seq=2, peak=True)
    with Broker(folder / "broker") as broker:
        async with running_api(database, broker.settings, no_data_after_seconds=3_600.0) as (client, _):
            yield request.param, str(client.base_url).rstrip("/")
    await store.close()


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_map_of_a_pilot_area_has_its_places_and_hides_nothing(browser, area, axe, screen):
    name, address = area
    viewport, scheme = SCREENS[screen]
    context = await browser.new_context(viewport=viewport, color_scheme=scheme, locale="nl-NL")
    page = await context.new_page()
    complaints = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("request", lambda r: None if r.url.startswith((address, "data:")) else complaints.append(r.url))
    await page.goto(f"{address}/nl/")
    await expect(page.locator("path.base.site").first).to_be_attached()
    await page.locator("#map").scroll_into_view_if_needed()
    await expect(page.locator(".names-pane .name").first).to_be_visible()
    centres = await page.evaluate(CENTRES)
    assert len(centres) == _STATIONS
    assert all(centre["hit"] for centre in centres)
    names = await page.evaluate(
        "[...document.querySelectorAll('.names-pane .name')]"
        ".map((n) => ({ text: n.textContent, ...n.getBoundingClientRect().toJSON() }))"
    )
    assert len(names) >= 3
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            beside = first["right"] <= second["left"] or second["right"] <= first["left"]
            assert beside or first["bottom"] <= second["top"] or second["bottom"] <= first["top"], (first, second)
    ARTEFACTS.mkdir(exist_ok=True)
    await page.locator("section.where").screenshot(path=ARTEFACTS / f"area-{name}-{screen}.png")
    assert await find_violations(page, axe) == []
    assert complaints == []
    await context.close()


async def test_without_a_script_the_map_of_a_pilot_area_is_drawn_by_the_server(browser, area):
    name, address = area
    context = await browser.new_context(viewport=SCREENS["desktop"][0], java_script_enabled=False, locale="nl-NL")
    page = await context.new_page()
    await page.goto(f"{address}/nl/")
    assert await page.locator("svg.area-map path.base").count() > 5
    assert await page.locator("svg.area-map a.dot-link").count() == _STATIONS
    assert await page.locator("svg.area-map path.downwind").count() == 1
    await page.locator("section.where").screenshot(path=ARTEFACTS / f"area-{name}-server.png")
    await context.close()
