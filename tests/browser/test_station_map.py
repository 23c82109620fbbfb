"""The map of the stations: base map, markers apart, popups, wind, plume, playback, archives, and without JavaScript."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from playwright.async_api import expect

from edge_agent.wire import Signer
from gateway.api.settings import BaseMapSettings
from gateway.demo.stations import SITE_PATH
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.enrolment import site_file
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.system.embedded_servers import Broker
from tests.browser.conftest import ARTEFACTS, PHONE, WIDE, find_violations
from tests.gateway.api.archive_writer import write_archive
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import EnrolledNode

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE_844 = {"width": 390, "height": 844}
VALUES = [8.0, 12.0, 22.0, 6.0, 31.0, 9.0, 15.0, 7.0, 5.0, 11.0, 4.0, 3.0]
CENTRES = """() => [...document.querySelectorAll('.leaflet-marker-icon.marker')].map((marker) => {
  const box = marker.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return { x, y, hit: marker.contains(document.elementFromPoint(x, y)) };
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(postgres, tmp_path_factory):
    """(address, folder of archives): the twelve stations of the demo, three with wind, one with a peak."""
    database, folder = postgres.create_database("town", template="migrated"), tmp_path_factory.mktemp("town")
    contents = site_file.read_site_file(SITE_PATH)
    signers = {station.id: Signer.generate(f"ijm-{i:03}") for i, station in enumerate(contents.station, 1)}
    nodes = [site_file.NodeTable(id=s.name, station=id_, key=str(s.verifier)) for id_, s in signers.items()]
    with_nodes = site_file.SiteFile(area=contents.area, site=contents.site, station=contents.station, node=nodes)
    site_file.apply_site_file(with_nodes, database, folder=SITE_PATH.parent)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    enrolled = {id_: EnrolledNode(signer=signer) for id_, signer in signers.items()}
    await publish(pipeline, enrolled, seq=1, peak=False)
    await publish(pipeline, enrolled, seq=2, peak=True)
    settings = {"base_map": BaseMapSettings(archive_folder=folder), "no_data_after_seconds": 3_600.0}
    with Broker(folder / "broker") as broker:
        async with running_api(database, broker.settings, **settings) as (client, _):
            yield str(client.base_url).rstrip("/"), folder
    await store.close()
    await asyncio.sleep(0)


async def publish(pipeline, nodes, *, seq, peak):
    """A minute of readings of every station, that ends now; with `peak` the first one rises at its end."""
    now, count = datetime.now(UTC), 240 if seq == 1 else 20
    payloads = []
    for i, node in enumerate(nodes.values()):
        dust = [VALUES[i] + 0.1 * (second % 3) for second in range(count)]
        if peak and i == 0:
            dust[5:] = [160.0] * (count - 5)
        values = {"pm2_5": dust}
        if i % 4 == 0:
            values |= {"wind_direction": [225.0] * count, "wind_speed": [5.0] * count}
        ends_at = int(now.timestamp() * 1_000) - (21_000 if seq == 1 else 0)
        steps = [1_000 * second for second in range(count)]
        payloads.append(node.payload(seq, t0=ends_at - steps[-1], dt=steps, values=values, received_at=now))
    await pipeline.process(payloads)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser, town):
    """Opens a page of the town; the test fails if it logs an error or contacts another host."""
    pages = []

    async def open_page(path="/nl/", viewport=WIDE, **options):
        def note(response):
            page.received.append(response)

        context = await browser.new_context(viewport=viewport, **{"locale": "nl-NL", **options})
        page = await context.new_page()
        page.complaints, page.received = [], []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: page.complaints.append(f"{e}"))
        page.on("request", lambda r: None if r.url.startswith((town[0], "data:")) else page.complaints.append(r.url))
        page.on("response", note)
        await page.goto(town[0] + path)
        pages.append(page)
        return page

    yield open_page
    try:
        assert [page.complaints for page in pages] == [[] for _ in pages]
    finally:
        for page in pages:
            await page.context.close()


async def save_map(page, name):
    ARTEFACTS.mkdir(exist_ok=True)
    await page.locator("section.where").screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.mark.parametrize("viewport", [WIDE, PHONE_844, PHONE], ids=["wide", "390", "360"])
async def test_the_base_map_names_places_and_every_station_can_be_tapped(open_page, viewport):
    page = await open_page(viewport=viewport)
    await expect(page.locator("path.base.sea")).to_have_count(1)
    await expect(page.locator("path.base.site")).to_have_count(1)
    await page.locator("#map").scroll_into_view_if_needed()
    await expect(page.locator(".names-pane .name", has_text="Beverwijk")).to_be_visible()
    await expect(page.locator(".names-pane .name", has_text="Tata Steel")).to_be_visible()
    centres = await page.evaluate(CENTRES)
    assert len(centres) == 12
    for i, first in enumerate(centres):
        for second in centres[i + 1 :]:
            assert ((first["x"] - second["x"]) ** 2 + (first["y"] - second["y"]) ** 2) ** 0.5 >= 24
    names = await page.evaluate(
        "[...document.querySelectorAll('.names-pane .name')].map((n) => n.getBoundingClientRect().toJSON())"
    )
    for box in names:  # no marker covers a name
        for marker in centres:
            inside = box["left"] < marker["x"] + 15 and marker["x"] - 15 < box["right"]
            assert not (inside and box["top"] < marker["y"] + 15 and marker["y"] - 15 < box["bottom"]), box
    await save_map(page, f"station-map-{viewport['width']}")


async def test_markers_stay_apart_at_every_zoom_or_become_one(open_page):
    page = await open_page(viewport=PHONE_844)
    await page.locator("#map").scroll_into_view_if_needed()
    for _ in range(3):
        await page.locator(".leaflet-control-zoom-out").click()
        await page.wait_for_timeout(400)
        centres = [c for c in await page.evaluate(CENTRES) if c["hit"]]
        assert centres
        for i, first in enumerate(centres):
            for second in centres[i + 1 :]:
                assert ((first["x"] - second["x"]) ** 2 + (first["y"] - second["y"]) ** 2) ** 0.5 >= 24
    group = page.locator(".marker.group").first
    await expect(group).to_have_attribute("title", re.compile(r"^\d+ stations dicht bij elkaar: "))
    await save_map(page, "station-map-group")
    before = await page.locator(".leaflet-marker-icon.marker").count()
    await group.click()
    await expect(page.locator(".leaflet-marker-icon.marker")).not_to_have_count(before)


async def test_the_popup_has_the_leading_property_its_age_the_peak_of_today_and_the_wind(open_page):
    page = await open_page(viewport=PHONE_844)
    await expect(page.locator(".marker.peaking")).to_have_count(1)
    await page.locator("#map").scroll_into_view_if_needed()
    await page.locator(".marker.peaking").click()
    popup = page.locator(".leaflet-popup-content")
    await expect(popup.locator(".leading")).to_contain_text(
        re.compile(r"PM2,5: [\d,]+ µg/m³, gemiddelde van 1 minuut \d+ (s|min) geleden")
    )
    await expect(popup.locator(".today a")).to_contain_text(
        re.compile(r"^Piek vandaag: 160 µg/m³, losse meting, \d\d:\d\d$")
    )
    await expect(popup).to_contain_text("Wind uit het zuidwesten, 5,0 m/s")
    await save_map(page, "station-map-popup")
    await popup.locator(".to-chart").click()
    await expect(page.locator("h1")).to_contain_text("Wijk aan Zee")


async def test_the_wind_and_the_sector_of_a_plume_are_drawn(open_page):
    page = await open_page()
    await expect(page.locator(".area-wind")).to_have_text("Wind uit het zuidwesten, 5,0 m/s")
    await expect(page.locator(".marker .vane")).to_have_count(3)
    await expect(page.locator("path.downwind")).to_have_count(1)
    sector = await page.locator("path.downwind").bounding_box()
    marker = await page.locator(".marker.peaking").bounding_box()
    assert (
        sector["x"] + sector["width"] / 2 > marker["x"] + marker["width"] / 2
    )  # south-west wind: the air goes north-east
    assert sector["y"] + sector["height"] / 2 < marker["y"] + marker["height"] / 2


async def test_a_frame_of_the_past_stands_still_until_the_map_is_live_again(open_page):
    page = await open_page()
    show = """async (frame) => (await import('/static/map.js')).showFrame(frame)"""
    await page.evaluate(show, {"property": "pm2_5", "unit": "ug/m3", "values": {"wijk-aan-zee-dorp": 77}, "peaks": []})
    first = page.locator(".marker[title^='Wijk aan Zee, dorp']")
    await expect(first.locator("span")).to_have_text("77")
    await expect(page.locator(".marker.silent")).to_have_count(11)
    await expect(page.locator("path.downwind")).to_have_count(0)
    await page.wait_for_timeout(600)
    await expect(first.locator("span")).to_have_text("77")
    await page.evaluate(show, None)
    await expect(page.locator(".marker.silent")).to_have_count(0)


async def test_the_pages_of_a_plume_and_of_an_event_have_the_base_map(open_page):
    page = await open_page()
    for collection in ("plumes", "events"):
        document = await page.evaluate(f"fetch('/api/v1/{collection}?limit=1').then((response) => response.json())")
        await page.goto(f"{page.url.split('/nl')[0]}/nl/{collection}/{document['items'][0]['id']}")
        drawing = page.locator("svg.sketch")
        await expect(drawing.locator("path.base.sea")).to_have_count(1)
        await expect(drawing.locator("text", has_text="Wijk aan Zee")).not_to_have_count(0)
        await drawing.screenshot(path=ARTEFACTS / f"sketch-{collection}.png")


async def test_a_chosen_place_has_a_pin(open_page):
    page = await open_page()
    await page.evaluate(
        "document.dispatchEvent(new CustomEvent('piekwacht:place', "
        "{ detail: { latitude: 52.511, longitude: 4.668, name: 'Heemskerk' } }))"
    )
    await expect(page.locator(".pin")).to_have_attribute("title", "Heemskerk")


async def test_without_javascript_the_server_draws_the_map(open_page):
    page = await open_page(viewport=PHONE_844, java_script_enabled=False)
    drawing = page.locator("svg.area-map")
    await expect(drawing).to_be_visible()
    await expect(drawing.locator("path.base.sea")).to_have_count(1)
    await expect(drawing.locator("a.dot-link")).to_have_count(12)
    await expect(drawing.locator("a.dot-link").first).to_have_attribute(
        "aria-label", re.compile("gemiddelde van 1 minuut")
    )
    await expect(drawing.locator(".station.peaking")).to_have_count(1)
    await expect(drawing).to_contain_text("Wind uit het zuidwesten, 5,0 m/s")
    await expect(page.locator("#legend .step")).to_have_count(6)
    await save_map(page, "station-map-without-javascript")
    await drawing.locator("a.dot-link[aria-label^='Wijk aan Zee, dorp']").click()
    await expect(page.locator("h1")).to_contain_text("Wijk aan Zee, dorp")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_map_has_no_accessibility_violation(open_page, axe, scheme):
    page = await open_page(viewport=PHONE_844, color_scheme=scheme)
    await expect(page.locator("path.base.sea")).to_have_count(1)
    violations = await find_violations(page, axe)
    assert [text for text in violations if "marker" in text or "map" in text or "legend" in text] == []
    await save_map(page, f"station-map-{scheme}")


async def test_without_an_archive_the_library_for_it_is_not_loaded(open_page):
    page = await open_page()
    await expect(page.locator("path.base.sea")).to_have_count(1)
    assert not [response.url for response in page.received if "protomaps" in response.url]
    sizes = [
        (await response.request.sizes())["responseBodySize"] for response in page.received if "live" not in response.url
    ]
    assert 30_000 < sum(sizes) <= 100_000, "the first load"


async def test_an_archive_is_drawn_over_the_drawn_base_map(open_page, town):
    archive = write_archive(town[1] / "ijmond.pmtiles")
    await asyncio.sleep(10.5)  # the folder is listed again
    page = await open_page()
    await expect(page.locator("#map.tiled")).to_have_count(1, timeout=20_000)
    ranges = [response for response in page.received if response.url.endswith("/ijmond.pmtiles")]
    assert {response.status for response in ranges} == {206}
    await expect(page.locator(".leaflet-tile-loaded").first).to_be_attached()
    await expect(page.locator(".leaflet-control-attribution")).to_contain_text("OpenStreetMap")
    await save_map(page, "station-map-archive")
    archive.unlink()
    await asyncio.sleep(10.5)
