"""The map page: live values and peaks, in two languages, on a phone, and without JavaScript."""

import re
import time

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, WIDE, save_screenshot

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def test_a_live_value_appears_and_changes(visit, air):
    page = await visit()
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator(".marker span")).to_have_text("8")
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).to_contain_text("8,1")
    await air.publish_values(*[300.0] * 30)  # only the seconds after the last published one count, at least one
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).not_to_contain_text("8,1")
    await expect(page.locator(".marker span")).not_to_have_text("8")


async def test_a_reload_does_not_overwrite_newer_live_values(visit, air):
    page = await visit()
    await expect(page.locator("#state")).to_have_text("live")
    before = await page.evaluate("fetch(`/api/v1/stations`).then((response) => response.text())")
    await air.publish_values(*[300.0] * 30)  # only the seconds after the last published one count, at least one
    await expect(page.locator(".marker span")).not_to_have_text("8")
    await page.route("**/api/v1/stations", lambda route: route.fulfill(body=before, content_type="application/json"))
    async with page.expect_response("**/api/v1/stations"):
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await page.wait_for_timeout(600)  # drawn after a quarter of a second
    await expect(page.locator(".marker span")).not_to_have_text("8")


async def test_a_peak_is_on_the_map_and_in_the_list_within_two_seconds_of_its_commit(visit, air):
    page = await visit()
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator("#no-peaks")).to_be_visible()
    committed = None
    while not (committed and committed.live_messages[0].events):
        committed = await air.publish_values(*[95.0] * 10)
    began = time.monotonic()
    await expect(page.locator("#peaks li")).to_have_count(1, timeout=2_000)
    await expect(page.locator(".marker.peaking")).to_have_count(1, timeout=2_000)
    assert time.monotonic() - began < 2
    await expect(page.locator("#peaks li")).to_contain_text("Wijk aan Zee")
    await expect(page.locator("#peaks li strong")).to_contain_text("µg/m³ losse meting")
    await expect(page.locator(".marker")).to_have_attribute("title", re.compile("µg/m³, gemiddelde van 1 minuut$"))
    await save_screenshot(page, "map-nl-wide")
    await page.locator("#peaks a").click()
    await expect(page.locator("h1")).to_contain_text("Wijk aan Zee")
    await save_screenshot(page, "event-nl-wide")


@pytest.mark.parametrize(("path", "language", "title"), [("/", "nl", "Pieken nu"), ("/en/", "en", "Peaks now")])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_both_languages_fit_both_screens(visit, air, path, language, title, viewport):  # noqa: PLR0917 - a table
    page = await visit(path, viewport)
    await expect(page.locator("#now")).to_have_text(title)
    assert await page.locator("html").get_attribute("lang") == language
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    await page.locator("#map").scroll_into_view_if_needed()
    outer, marker = await page.locator("#map").bounding_box(), await page.locator(".marker").bounding_box()
    assert outer["x"] < marker["x"] < outer["x"] + outer["width"] - marker["width"]
    assert outer["y"] < marker["y"] < outer["y"] + outer["height"] - marker["height"]
    await save_screenshot(page, f"map-{language}-{viewport['width']}")


async def test_the_map_page_is_complete_without_javascript(visit, air):
    page = await visit(java_script_enabled=False)
    await expect(page.locator("tr[data-station]")).to_contain_text("Wijk aan Zee")
    await expect(page.locator("tr[data-station] td[data-property=pm2_5]")).to_contain_text("8,1")
    await expect(page.locator("#no-peaks")).to_be_visible()


async def test_a_station_without_data_turns_grey_and_shows_since_when(visit, air, site):
    page = await visit()
    await expect(page.locator(".marker.silent")).to_have_count(0)
    await page.clock.install()
    await page.clock.fast_forward("05:00")
    await expect(page.locator(".marker.silent")).to_have_count(1, timeout=10_000)
    await expect(page.locator("td.age")).to_contain_text("geen gegevens sinds")


async def test_the_keyboard_reaches_a_station(visit, air):
    page = await visit()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # over the menu and the answer, to the map
    for _ in range(7):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.classList.contains('marker')"):
            break
    else:
        pytest.fail("no station within ten tabs")
    await page.keyboard.press("Enter")
    await expect(page.locator(".leaflet-popup-content")).to_contain_text("Wijk aan Zee")
    await expect(page.locator(".leaflet-popup-content")).to_contain_text("gemiddelde van 1 minuut")
