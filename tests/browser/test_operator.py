"""The operator's pages on a wide screen and on a telephone, light and dark, without JavaScript."""

import json
import zipfile
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from edge_agent.wire import Signer
from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.conftest import running_api
from tests.gateway.api.operator.card_tools import make_card_tools
from tests.gateway.enrolled_node import EnrolledNode, enrol_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HEALTH = {
    "clock": "synced", "spool": {"batches": 4}, "battery": {"percent": 64, "volts": 3.7}, "disk_free_mb": 812,
    "sensors": {"sps30": "ok", "bme280": "no answer on I2C 0x76: check its wires"},
    "certificate_until": f"{datetime.now(UTC) + timedelta(days=41):%Y-%m-%dT%H:%M:%SZ}",
}  # fmt: skip
STATUS = {"version": "0.1.0", "configuration": "f3a9c2", "remote": {"version": 2}}
PAGES = ("operator", "operator/nodes/ijm-001", "operator/enrol", "operator/quarantine", "operator/storage",
         "operator/checks", "operator/audit", "operator/guests")  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(site, air, database):
    """Three nodes: one that reports, one that is silent, one that never sent; and a payload of a stranger."""
    _, pipeline, _, _ = site
    enrol_node(database, "ijm-002", "beverwijk", "ijmond")
    enrol_node(database, "ijm-003", "velsen", "ijmond")
    await pipeline.process([EnrolledNode(signer=Signer.generate("ijm-009")).payload(1)])
    with psycopg.connect(database, autocommit=True) as connection:
        statement = """INSERT INTO node_status (node_id, last_seen, online, status, health) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (node_id) DO UPDATE SET status = excluded.status, health = excluded.health"""
        now = datetime.now(UTC)
        connection.execute(statement, ["ijm-001", now, True, json.dumps(STATUS), json.dumps(HEALTH)])
        connection.execute(statement, ["ijm-002", now - timedelta(hours=7), False, "{}", "{}"])


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser, site, database, fleet):
    """Opens a page as Carla, operator of the IJmond."""
    await Accounts(database).put_account("carla@od.example", Role.OPERATOR, ["ijmond"], None)
    token = (await Accounts(database).sign_in_as("carla@od.example", 3_600.0))[1]
    contexts = []

    async def open_page(path, viewport=WIDE, **options):
        context = await browser.new_context(viewport=viewport, locale="nl-NL", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        await context.add_cookies([{"name": "piekwacht", "value": token, "url": site[0]}])
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("request", lambda r: None if r.url.startswith((site[0], "data:")) else page.complaints.append(r.url))
        await page.goto(site[0] + path)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []
        await context.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_the_operator_pages_are_accessible_and_fit_both_screens(open_page, axe, site, viewport, scheme):
    page = await open_page("/nl/operator", viewport, color_scheme=scheme)
    for language in ("nl", "en"):
        for path in PAGES:
            await page.goto(f"{site[0]}/{language}/{path}")
            assert await page.locator("html").get_attribute("lang") == language
            assert await page.locator("h1").count() == 1
            for details in await page.locator("details").all():
                await details.evaluate("part => part.open = true")
            assert await find_violations(page, axe) == [], path
            name = path.replace("/", "-")
            await save_screenshot(page, f"{name}-{language}-{scheme}-{viewport['width']}")


async def test_an_operator_announces_maintenance_and_ends_it_without_javascript(open_page, database):
    page = await open_page("/nl/operator", PHONE, java_script_enabled=False)
    await expect(page.locator("tbody tr")).to_have_count(3)
    await expect(page.locator("main")).to_contain_text("Bij 3 is er iets om naar te kijken")
    await page.click("text=ijm-001")
    await page.click("summary:has-text('Onderhoud aankondigen')")
    form = page.locator("form[action$='/maintenance']").first
    await form.locator("[name=reason]").fill("inlaat schoonmaken")
    await form.locator("button").click()
    await expect(page.locator("#work + *, section[aria-labelledby=work]").first).to_contain_text("inlaat schoonmaken")
    await page.click("text=Nu beëindigen")
    await expect(page.locator("section[aria-labelledby=acts]")).to_contain_text("Onderhoud beëindigd")
    with psycopg.connect(database) as connection:
        acts = connection.execute("SELECT action FROM access.audit WHERE outcome = 'done' ORDER BY id").fetchall()
    assert acts == [("maintain",), ("end-maintenance",)]


async def test_an_operator_retries_what_is_in_quarantine(open_page, database):
    page = await open_page("/nl/operator/quarantine", PHONE, java_script_enabled=False)
    await page.click("text=Verwerk alle opnieuw")
    await expect(page.locator("main")).to_contain_text("wordt opnieuw verwerkt")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT replay_asked_by FROM quarantine").fetchall() == [("carla@od.example",)]


async def test_without_javascript_every_form_of_a_node_can_be_reached_by_keyboard(open_page):
    page = await open_page("/nl/operator/nodes/ijm-001", WIDE, java_script_enabled=False)
    summaries = page.locator("summary")
    assert await summaries.count() >= 3
    for index in range(await summaries.count()):
        await summaries.nth(index).focus()
        await page.keyboard.press("Enter")
    assert await page.locator("details[open]").count() == await summaries.count()


@pytest.mark.timeout(300)
async def test_an_operator_enrols_a_node_and_gets_its_card_without_javascript(browser, database, broker, tmp_path, axe):
    enrol_node(database)
    tools = make_card_tools(tmp_path)
    await Accounts(database).put_account("carla@od.example", Role.OPERATOR, ["ijmond"], None)
    token = (await Accounts(database).sign_in_as("carla@od.example", 3_600.0))[1]
    async with running_api(database, broker, operator_tools=tools) as (client, _):
        address = str(client.base_url).rstrip("/")
        scripted = await browser.new_context(viewport=PHONE, locale="nl-NL")
        await scripted.add_cookies([{"name": "piekwacht", "value": token, "url": address}])
        page = await scripted.new_page()
        await page.goto(f"{address}/nl/operator/enrol")
        assert await find_violations(page, axe) == []
        await save_screenshot(page, "operator-enrol-form-nl-360")
        context = await browser.new_context(viewport=WIDE, locale="nl-NL", java_script_enabled=False)
        await context.add_cookies([{"name": "piekwacht", "value": token, "url": address}])
        page = await context.new_page()
        await page.goto(f"{address}/nl/operator")
        await page.click("text=Kast toevoegen")
        await page.fill("[name=node]", "ijm-007")
        await page.select_option("[name=kit]", "sps30-sgp41")
        await save_screenshot(page, "operator-enrol-form-nl-1440")
        await page.click("text=Maak de kaart")
        await expect(page.locator("h1")).to_contain_text("ijm-007 is aangemeld")
        await save_screenshot(page, "operator-enrolled-nl-1440")
        async with page.expect_download() as download:
            await page.click("text=Bewaar ijm-007.zip")
        assert zipfile.is_zipfile(await (await download.value).path())
        assert (await download.value).suggested_filename == "ijm-007.zip"
        await page.click("text=Naar de pagina van ijm-007")
        await expect(page.locator("main")).to_contain_text("Kast aangemeld")
        await context.close()
        await scripted.close()
