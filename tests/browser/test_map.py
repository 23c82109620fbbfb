"""What a resident sees: the value, the peak while it lasts, in two languages, on a phone, without JavaScript too."""

import time
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from gateway.broker import client
from tests.browser.conftest import ARTEFACTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 360, "height": 740}


class Air:
    """Feeds the station seconds of air that end now, the way ingest does: process, then tell the viewers."""

    def __init__(self, pipeline, node, broker):
        self.pipeline, self.node, self.broker, self.seq = pipeline, node, broker, 0

    async def breathe(self, *values):
        self.seq += 1
        now = datetime.now(UTC)
        payload = self.node.payload(
            self.seq,
            t0=int(now.timestamp() * 1000) - 1000 * (len(values) - 1),
            dt=[1000 * i for i in range(len(values))],
            values={"pm2_5": list(values)},
            received_at=now,
        )
        committed = await self.pipeline.process([payload])
        async with client(self.broker, f"gateway-{self.seq}") as connection:
            for live in committed.live:
                await connection.publish(f"pw/v1/{live.area}/live", live.encode())
        return committed


@pytest.fixture
async def air(site):
    _, pipeline, node, broker = site
    found = Air(pipeline, node, broker)
    await found.breathe(*(8.0 + 0.1 * (i % 3) for i in range(60)))
    return found


@pytest.fixture
async def visit(browser, site):
    """Opens a page and fails the test where anything asked another host or the console complained."""
    pages = []

    async def go(path="/", viewport=WIDE, **options):
        context = await browser.new_context(viewport=viewport, **options)
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith((site[0], "data:")) else page.complaints.append(r.url))
        await page.goto(site[0] + path)
        pages.append(page)
        return page

    yield go
    for page in pages:
        assert page.complaints == []
        assert await page.context.cookies() == []
        await page.context.close()


async def keep(page, name):
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


async def test_a_live_value_appears_and_changes(visit, air):
    page = await visit()
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator(".marker span")).to_have_text("8")
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).to_contain_text("8,1")
    await air.breathe(*[30.0] * 30)
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).not_to_contain_text("8,1")
    await expect(page.locator(".marker span")).not_to_have_text("8")


async def test_a_peak_is_on_map_and_list_within_two_seconds_of_its_commit(visit, air):
    page = await visit()
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator("#no-peaks")).to_be_visible()
    committed = None
    while not (committed and committed.live[0].events):
        committed = await air.breathe(*[95.0] * 10)
    began = time.monotonic()
    await expect(page.locator("#peaks li")).to_have_count(1, timeout=2_000)
    await expect(page.locator(".marker.peaking")).to_have_count(1, timeout=2_000)
    assert time.monotonic() - began < 2
    await expect(page.locator("#peaks li")).to_contain_text("Wijk aan Zee")
    await keep(page, "map-nl-wide")
    await page.locator("#peaks a").click()
    await expect(page.locator("h1")).to_contain_text("Wijk aan Zee")
    await keep(page, "event-nl-wide")


@pytest.mark.parametrize(("path", "language", "words"), [("/", "nl", "Pieken nu"), ("/en/", "en", "Peaks now")])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_both_languages_fit_both_screens(visit, air, path, language, words, viewport):  # noqa: PLR0917 - a table
    page = await visit(path, viewport)
    await expect(page.locator("#now")).to_have_text(words)
    assert await page.locator("html").get_attribute("lang") == language
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    await page.locator("#map").scroll_into_view_if_needed()
    outer, marker = await page.locator("#map").bounding_box(), await page.locator(".marker").bounding_box()
    assert outer["x"] < marker["x"] < outer["x"] + outer["width"] - marker["width"]
    assert outer["y"] < marker["y"] < outer["y"] + outer["height"] - marker["height"]
    await keep(page, f"map-{language}-{viewport['width']}")


async def test_without_javascript_everything_can_be_read(visit, air):
    page = await visit(java_script_enabled=False)
    await expect(page.locator("tr[data-station]")).to_contain_text("Wijk aan Zee")
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).to_contain_text("8,1")
    await expect(page.locator("#no-peaks")).to_be_visible()


async def test_a_station_that_falls_silent_turns_grey_and_says_since_when(visit, air, site):
    page = await visit()
    await expect(page.locator(".marker.silent")).to_have_count(0)
    await page.clock.install()
    await page.clock.fast_forward("05:00")
    await expect(page.locator(".marker.silent")).to_have_count(1, timeout=10_000)
    await expect(page.locator("td.age")).to_contain_text("geen gegevens sinds")


async def test_the_keyboard_reaches_a_station(visit, air):
    page = await visit()
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.classList.contains('marker')"):
            break
    else:
        pytest.fail("no station within ten tabs")
    await page.keyboard.press("Enter")
    await expect(page.locator(".leaflet-popup-content")).to_contain_text("Wijk aan Zee")
