"""Reports in a real browser: readable on a telephone and a wide screen, in both languages, without a script."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from gateway.api.reports.service import list_months
from gateway.reports.worker import ReportWorker
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.reports.conftest import PUBLISHER

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
MONTH = f"{list_months(datetime.now(UTC), 'Europe/Amsterdam')[0]:%Y-%m}"


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_the_list_and_a_report_are_accessible_and_fit_both_screens(browser, database, broker, axe, viewport):
    enrol_node(database)
    complaints = []
    async with running_api(database, broker, reports=ReportWorker(database, PUBLISHER)) as (api, _):
        context = await browser.new_context(viewport=viewport, locale="nl-NL")
        page = await context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        for language in ("nl", "en"):
            await page.goto(f"{api.base_url}/{language}/reports")
            assert await find_violations(page, axe) == []
            await save_screenshot(page, f"reports-{language}-{viewport['width']}")
            await page.click(f"[href='/{language}/reports/ijmond/{MONTH}']")
            await expect(page.locator("h1")).to_contain_text("IJmond")
            assert await page.locator("html").get_attribute("lang") == language
            assert await find_violations(page, axe) == []
            await save_screenshot(page, f"report-{language}-{viewport['width']}")
        await page.emulate_media(color_scheme="dark")
        assert await page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 26, 23)"
        assert await find_violations(page, axe) == []
        await save_screenshot(page, f"report-dark-{viewport['width']}")
        await context.close()
    assert complaints == []
