"""What a resident with a phone sees first: the answer without scrolling, the own place, past moments, and paper."""

import time
from datetime import UTC, datetime

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import WIDE, LiveFeed, find_violations, save_screenshot
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"width": 390, "height": 844}
SECONDS, PEAK = 400, range(120, 150)
ANSWERS = ("#headline", "#facts", "#nearest li >> nth=2", "#meaning", ".actions")


@pytest_asyncio.fixture(loop_scope="session")
async def air(site, database):
    """Seven minutes at one station, with a peak that was over four minutes ago, and a minute at three others."""
    _, pipeline, node, broker = site
    places = {"beverwijk": ("Beverwijk, centrum", 52.486, 4.657), "driehuis": ("Driehuis", 52.447, 4.637),
              "ijmuiden": ("IJmuiden, sluizen", 52.465, 4.606)}  # fmt: skip
    others = [enrol_node(database, f"ijm-00{i}", id_) for i, id_ in enumerate(places, 2)]
    with psycopg.connect(database, autocommit=True) as connection:
        for id_, (name, latitude, longitude) in places.items():
            connection.execute(
                "UPDATE station SET name = %s, latitude = %s, longitude = %s WHERE id = %s",
                [name, latitude, longitude, id_],
            )
    began = int(time.time() * 1000) - 1000 * SECONDS
    for other in others:
        await pipeline.process([build_payload(other, 1, began + 1000 * (SECONDS - 60), [8.0] * 60)])
    for number in range(SECONDS // 40):
        seconds = range(40 * number, 40 * number + 40)
        values = [8.0 + 0.1 * (s % 3) + (90.0 if s in PEAK else 0.0) for s in seconds]
        await pipeline.process([build_payload(node, number + 1, began + 40_000 * number, values)])
    feed = LiveFeed(pipeline, node, broker)
    feed.seq, feed.began = 5_000, began
    return feed


def build_payload(node, number, start, values):
    received_at = datetime.fromtimestamp(start / 1000 + len(values), UTC)
    dt = [1000 * i for i in range(len(values))]
    return node.payload(number, t0=start, dt=dt, values={"pm2_5": values}, received_at=received_at)


async def raise_peak(air):
    committed = None
    while not (committed and committed.live_messages[0].events):
        committed = await air.publish_values(*[95.0] * 10)
    return committed


async def bottoms(page, selectors=ANSWERS):
    return {
        selector: (box := await page.locator(selector).bounding_box())["y"] + box["height"] for selector in selectors
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_answer_stands_on_the_first_screen_of_a_phone(visit, air, axe, scheme):
    await raise_peak(air)
    page = await visit("/nl/?place=1949", PHONE, color_scheme=scheme)
    await expect(page.locator("#headline")).to_contain_text("Piek fijnstof PM2,5 bij Wijk aan Zee sinds")
    await expect(page.locator("#facts")).to_contain_text("Nog niemand ingelicht.")
    await expect(page.locator("#state")).to_have_text("live")
    assert {name: y for name, y in (await bottoms(page)).items() if y > PHONE["height"]} == {}
    assert (await page.locator("header.top").bounding_box())["height"] <= 60, "one row"
    assert await find_violations(page, axe) == []
    await save_screenshot(page, f"first-{scheme}")


async def test_a_peak_comes_on_the_first_screen_by_itself(visit, air):
    page = await visit("/nl/", PHONE)
    await expect(page.locator("#headline")).to_have_text("Nu geen piek in IJmond")
    await raise_peak(air)
    await expect(page.locator("#headline")).to_contain_text("Piek fijnstof", timeout=10_000)
    await expect(page.locator("#answer")).to_have_class("situation air-peak")


async def test_the_curve_of_the_nearest_station_is_three_taps_away(visit, air):
    page = await visit("/nl/", PHONE)
    await page.locator("#place").click()  # 1
    await page.keyboard.type("driehuis")
    await page.keyboard.press("Enter")  # 2
    await expect(page.locator("#nearest-title")).to_have_text("Dichtst bij Driehuis")
    await page.locator("#nearest li a").first.click()  # 3
    await expect(page.locator("h1")).to_contain_text("Driehuis")
    await expect(page.locator("#plot")).to_be_in_viewport()


async def test_a_place_is_remembered_and_can_be_left(visit, air, site):
    page = await visit("/nl/", PHONE)
    await page.locator("#place").fill("driehuis")
    await page.locator("form.find button").first.click()
    await expect(page.locator("#headline")).to_have_text("Nu geen piek bij Driehuis")
    assert "place=Driehuis" in page.url
    await page.goto(site[0] + "/nl/")
    await expect(page.locator("#nearest-title")).to_have_text("Dichtst bij Driehuis")
    await page.locator("#whole-area").click()
    await expect(page.locator("#headline")).to_have_text("Nu geen piek in IJmond")
    await page.reload()
    await expect(page.locator("#whole-area")).to_be_hidden()


@pytest.mark.parametrize("script", [True, False])
async def test_a_postcode_that_is_not_here_has_a_sentence(visit, air, script):
    page = await visit("/nl/", PHONE, java_script_enabled=script)
    await page.locator("#place").fill("9999 ZZ")
    await page.locator("form.find button").first.click()
    await expect(page.locator("#place-problem")).to_have_text("Postcode 9999 ZZ bestaat hier niet.")


async def test_the_position_of_the_browser_finds_the_nearest_station_and_is_sent_nowhere(visit, air):
    page = await visit(
        "/nl/", PHONE, geolocation={"latitude": 52.4471, "longitude": 4.6372}, permissions=["geolocation"]
    )
    sent = []
    page.on("request", lambda request: sent.append(request.url + (request.post_data or "")))
    await page.locator("#locate").click()
    await expect(page.locator("#nearest li a").first).to_have_text("Driehuis")
    await expect(page.locator("#place-problem")).to_have_text("Uw locatie blijft op dit apparaat.")
    await page.wait_for_timeout(300)
    assert not [address for address in sent if "52.4" in address or "4.63" in address or "place" in address]
    assert "52.4" not in page.url


async def test_a_refused_position_has_a_sentence(visit, air):
    page = await visit("/nl/", PHONE, permissions=[])
    await page.locator("#locate").click()
    await expect(page.locator("#place-problem")).to_contain_text("Zoek op plaats of postcode.")


async def test_own_stations_come_first_and_stay(visit, air, site):
    page = await visit("/nl/stations/beverwijk", PHONE)
    await page.locator("#star").click()
    await expect(page.locator("#star")).to_have_attribute("aria-pressed", "true")
    await page.goto(site[0] + "/nl/?place=driehuis")
    await expect(page.locator("#nearest li a").first).to_have_text("Driehuis")
    await page.goto(site[0] + "/nl/")
    await expect(page.locator("#nearest-title")).to_have_text("Mijn stations")
    await expect(page.locator("#nearest li")).to_have_count(1)
    await page.locator("#nearest .star").click()
    await expect(page.locator("#nearest-title")).not_to_have_text("Mijn stations")


async def test_the_last_day_is_played_back_on_the_map(visit, air, site):
    page = await visit("/nl/", WIDE)
    await page.locator("#play-day").click()
    await expect(page.locator("#moment")).to_be_focused()
    peak = await page.evaluate("fetch('/api/v1/playback?property=pm2_5').then((r) => r.json()).then((d) => d.peaks[0])")
    await page.locator("#moment").fill(str(peak["first"]))
    await expect(page.locator(".marker.peaking")).to_have_count(1)
    await expect(page.locator("#moment-text")).to_contain_text("gemiddelde van 1 minuut")
    link = await page.locator("#moment-link").get_attribute("href")
    await page.keyboard.press("ArrowLeft")
    assert await page.locator("#moment-link").get_attribute("href") != link
    await page.locator("#play").click()
    await expect(page.locator("#play")).to_have_text("Pauze")
    await page.locator("#live-again").click()
    await expect(page.locator("#playback")).to_be_hidden()
    await expect(page.locator(".marker.peaking")).to_have_count(0)
    again = await visit(link.removeprefix(site[0]))
    await expect(again.locator(".banner")).to_contain_text("Zo was het op")
    await expect(again.locator("#headline")).to_contain_text("Piek fijnstof")
    await expect(again.locator(".marker.peaking")).to_have_count(1)


async def test_the_widget_fits_its_frame(visit, air):
    await raise_peak(air)
    page = await visit("/nl/widget/wijk-aan-zee", {"width": 320, "height": 240})
    await expect(page.locator(".alarm")).to_be_visible()
    height, width = await page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert (height <= 240, width <= 320) == (True, True), (height, width)
    await save_screenshot(page, "widget-240")


async def test_without_javascript_the_page_says_what_is_missing(visit, air):
    page = await visit("/nl/?place=1949&at=", PHONE, java_script_enabled=False)
    await expect(page.locator("noscript .banner")).to_be_visible()
    await expect(page.locator("#headline")).to_be_visible()
    await expect(page.locator("#locate")).to_be_hidden()
    await save_screenshot(page, "first-no-script")


async def test_stations_are_compared_and_zoomed(visit, air):
    page = await visit("/nl/stations/wijk-aan-zee", WIDE)
    await page.locator(".compare summary").click()
    for box in ("beverwijk", "driehuis"):
        await page.locator(f"input[value={box}]").check()
    await page.locator(".compare button").click()
    await expect(page.locator(".key.compared-2")).to_have_text("Driehuis")
    await expect(page.locator("#plot canvas")).to_be_visible()
    before = await page.locator("#moment-link").get_attribute("href")
    await page.locator("#zoom-in").click()
    await page.locator("#zoom-in").click()
    assert await page.locator("#moment-link").get_attribute("href") != before
    await page.locator("#zoom-all").click()
    over = await page.locator("#plot .u-over").bounding_box()
    await page.mouse.move(over["x"] + over["width"] - 12, over["y"] + 50)
    await expect(page.locator("#readout")).to_contain_text("Beverwijk, centrum 8,0")
    await save_screenshot(page, "station-compared")
    await page.locator("#moment-link").click()
    await expect(page.locator(".key.moment")).to_be_visible()
    await expect(page.locator(".key.compared-2")).to_have_text("Driehuis")


async def test_the_interactive_chart_takes_the_place_of_the_drawn_one(visit, air):
    page = await visit("/nl/stations/wijk-aan-zee", PHONE)
    await page.evaluate(
        """() => { window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
             if (!entry.hadRecentInput) window.shift += entry.value; }))
             .observe({ type: "layout-shift", buffered: true }); }"""
    )
    await expect(page.locator("#plot canvas")).to_be_visible()
    await page.wait_for_timeout(500)
    assert await page.evaluate("window.shift") < 0.05


async def test_the_first_screen_does_not_move_while_it_loads(visit, air):
    page = await visit("/nl/", PHONE)
    await expect(page.locator("#state")).to_have_text("live")
    shift = await page.evaluate(
        """() => new Promise((resolve) => { let sum = 0; new PerformanceObserver((list) => { list.getEntries().forEach(
             (entry) => { if (!entry.hadRecentInput) sum += entry.value; }); resolve(sum); })
             .observe({ type: "layout-shift", buffered: true }); setTimeout(() => resolve(sum), 500); })"""
    )
    assert shift < 0.05, shift


async def test_paper_has_the_address_and_the_date(visit, air):
    page = await visit("/nl/stations/wijk-aan-zee", WIDE)
    await page.emulate_media(media="print")
    await expect(page.locator(".printed")).to_contain_text("/nl/stations/wijk-aan-zee op ")
    await expect(page.locator("header nav")).to_be_hidden()
    width = await page.locator(".newest table").evaluate("table => table.getBoundingClientRect().width")
    card = await page.locator(".newest").evaluate("card => card.getBoundingClientRect().width")
    assert width <= card


async def test_english_times_stay_in_24_hours(visit, air):
    page = await visit("/en/stations/wijk-aan-zee", WIDE)
    await expect(page.locator("#plot canvas")).to_be_visible()
    await page.locator("#plot .u-over").hover()
    text = await page.locator("#readout").text_content()
    assert "AM" not in text
    assert "PM" not in text.replace("PM2", "")
