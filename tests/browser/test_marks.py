"""Preliminary marks on the pages: shown with their chance, taken back in silence, replaced by the peak."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SENTENCE = re.compile(
    r"Mogelijk begin van een piek \(fijnstof PM2,5, sinds \d\d:\d\d\)\. Kans dat het een piek wordt: \d+ %\."
)
_HOLD_SECONDS = 6.0  # a lower reading before that does not take a mark back


async def open_live(visit, path="/nl/", **options):
    page = await visit(path, **options)
    await expect(page.locator("#state.live")).to_be_attached(timeout=15_000)
    return page


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(WIDE, "light"), (PHONE, "light"), (WIDE, "dark"), (PHONE, "dark")],
    ids=["wide", "phone", "wide-dark", "phone-dark"],
)  # fmt: skip
async def test_a_mark_is_shown_with_its_chance_and_taken_back_in_silence(air, visit, axe, viewport, scheme):
    page = await open_live(visit, viewport=viewport, color_scheme=scheme)
    await expect(page.locator("#possible")).to_be_hidden()
    await expect(page.get_by_text("mogelijk begin van een piek", exact=True)).to_be_visible()
    headline = await page.locator("#headline").text_content()
    await air.publish_values(10.4)
    marker = page.locator(".marker.possible")
    await expect(marker).to_have_count(1)
    await expect(marker).to_have_attribute("aria-label", SENTENCE)
    await expect(page.locator("#possible li")).to_have_text(re.compile("Wijk aan Zee" + SENTENCE.pattern))
    await expect(page.locator(".marker.peaking")).to_have_count(0)
    await expect(page.locator("#peaks li")).to_have_count(0)
    assert await page.locator("#headline").text_content() == headline
    assert (
        await page.locator("#possible").evaluate("node => node.closest('[aria-live], [role=status], [role=alert]')")
        is None
    )
    await save_screenshot(page, f"preliminary-{viewport['width']}-{scheme}")
    assert await find_violations(page, axe) == []
    await asyncio.sleep(_HOLD_SECONDS)
    await air.publish_values(8.0)
    await expect(marker).to_have_count(0)
    await expect(page.locator("#possible")).to_be_hidden()


async def test_a_mark_gives_way_to_its_peak(air, visit):
    page = await open_live(visit)
    await air.publish_values(10.4)
    await expect(page.locator(".marker.possible")).to_have_count(1)
    committed = None
    while not (committed and committed.live_messages[0].events):
        committed = await air.publish_values(*[95.0] * 10)
    await expect(page.locator(".marker.peaking")).to_have_count(1)
    await expect(page.locator(".marker.possible")).to_have_count(0)
    await expect(page.locator("#possible")).to_be_hidden()


async def test_a_mark_is_in_the_popup_on_the_station_page_and_in_a_second_tab(air, visit):
    page = await open_live(visit)
    await air.publish_values(10.4)
    await page.locator(".marker.possible").click()
    await expect(page.locator(".station-popup .possible-line")).to_have_text(SENTENCE)
    second = await page.context.new_page()
    await second.goto(page.url)
    await expect(second.locator(".marker.possible")).to_have_count(1)
    await second.close()
    station = await open_live(visit, "/nl/stations/wijk-aan-zee")
    await expect(station.locator("#possible li")).to_have_text(SENTENCE)


async def test_without_a_stream_no_mark_stays(air, visit, site):
    page = await open_live(visit)
    await air.publish_values(10.4)
    await expect(page.locator(".marker.possible")).to_have_count(1)
    await page.context.set_offline(True)
    await page.evaluate("() => new BroadcastChannel('piekwacht-live').postMessage({ kind: 'state', data: 'lost' })")
    await expect(page.locator(".marker.possible")).to_have_count(0)
    page.complaints.clear()  # a browser logs that it has no network
