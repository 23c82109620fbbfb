"""The inspector pages on a wide screen and on a telephone, with and without JavaScript."""

import time

import psycopg
import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.inbox import put_alerts
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from tests.alerting.running_dispatcher import run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.observation_batches import ingest_observations

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "een zin van vijf woorden"
HOSTILE = """</p><script>alert(1)</script>"'{{7*7}}"""


@pytest_asyncio.fixture(loop_scope="session")
async def peaking(site, database):
    """An open peak with a notification by mail, and one in another area; returns the id of the first."""
    _, pipeline, node, _ = site
    began = int(time.time() * 1000) - 900_000
    await ingest_observations(pipeline, node, 900, start=began, plume=range(700, 900))
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await put_alerts(connection, [make_alert(event_id="elsewhere", area="chemelot", station="geleen")])
    with MailServer() as server:
        settings = AlertingSettings(
            smtp=SmtpSettings(port=server.controller.port, tls="none"),
            receiver=[ReceiverSettings(name="omgevingsdienst", email=[EmailSettings(to=["piket@od.example"])])],
            route=[Route(receiver="omgevingsdienst", least_confidence=0.0)],
        )
        async with run_dispatchers(settings, database):
            await wait_until_delivered(database, within=30)
    with psycopg.connect(database) as connection:
        (event,) = connection.execute(
            "SELECT event_id FROM alerting.member WHERE state = 'open' AND event_id <> 'elsewhere'"
        ).fetchone()
    return event


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(browser, site, database):
    """Opens a page as Anna, inspector of the IJmond, in a separate browser context."""
    secret = await Accounts(database).put_account("anna@od.example", Role.INSPECTOR, ["ijmond"], PASSWORD)
    contexts = []

    async def open_page(path, viewport=WIDE, **options):
        context = await browser.new_context(viewport=viewport, locale="nl-NL", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE access.account SET totp_used = 0")  # else this code would work only once
        await page.goto(f"{site[0]}/account")
        await page.fill("#name", "anna@od.example")
        await page.fill("#password", PASSWORD)
        await page.fill("#code", pyotp.TOTP(secret).now())
        await page.click("button")
        await page.click("text=Naar de meldingen")
        await expect(page.locator("h1")).to_have_text("Meldingen")
        await page.goto(site[0] + path)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []
        await context.close()


def plume_of(dsn, event):
    with psycopg.connect(dsn) as connection:
        (plume,) = connection.execute("SELECT plume_id FROM event WHERE id = %s", [event]).fetchone()
    return plume


@pytest.mark.timeout(400)
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_the_inspector_pages_are_accessible_and_fit_both_screens(  # noqa: PLR0917 - fixtures
    signed_in, peaking, axe, site, viewport, database
):
    page = await signed_in("/inspector", viewport)
    plume = plume_of(database, peaking)
    parameters = "what=station&hours=8&reason=onweer"
    for path in (
        "inspector", f"inspector/plumes/{plume}?notice=noted", "inspector/calendar", "inspector/duty",
        f"inspector/silence?event={peaking}&{parameters}",
    ):  # fmt: skip
        for language in ("nl", "en") if path.startswith("inspector/plumes") else ("nl",):
            await page.goto(f"{site[0]}/{language}/{path}")
            assert await page.locator("html").get_attribute("lang") == language
            assert await page.locator("h1").count() == 1
            for details in await page.locator("details").all():
                await details.evaluate("element => { element.open = true; }")
            assert await find_violations(page, axe) == [], path
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], path
            name = path.split("?")[0].replace(plume, "one").replace("/", "-")
            await save_screenshot(page, f"{name}-{language}-{viewport['width']}")


async def test_an_inspector_answers_and_silences_without_javascript(signed_in, peaking, database):
    page = await signed_in("/inspector", PHONE, java_script_enabled=False)
    case = page.locator(".case")
    await expect(case).to_have_count(1)  # the open peak in another area is not listed
    await expect(case).to_contain_text("Wijk aan Zee")
    await expect(case).to_contain_text("Nieuw")
    await expect(case).to_contain_text("omgevingsdienst ingelicht om")
    await case.locator("a").first.click()
    await page.click("text=Met een opmerking")
    await page.fill(".act [name=note] >> nth=0", HOSTILE)
    await page.click("text=Wij zijn ermee bezig")
    await expect(page.locator("[role=status] >> nth=1")).to_contain_text("U bent ermee bezig")
    await expect(page.locator(".badge")).to_contain_text("Ermee bezig: anna@od.example")
    await expect(page.locator(".steps >> nth=0")).to_contain_text(HOSTILE)
    await expect(page.locator(".deliveries")).to_contain_text("omgevingsdienst · e-mail")
    await expect(page.locator(".deliveries")).to_contain_text("bezorgd")

    await page.click("summary:has-text('Dempen')")
    await page.fill("[name=reason]", "onweer, de sensor staat in de regen")
    await page.select_option("[name=hours]", "4")
    await page.click("text=Bekijk eerst wat dit dempt")
    await expect(page.locator("main")).to_contain_text("Van wat nu bezig is valt hieronder")
    await expect(page.locator(".case")).to_have_count(1)
    await page.click("text=Ja, dempen")
    await expect(page.locator("main")).to_contain_text("gebied IJmond, station Wijk aan Zee · gedempt")
    await expect(page.locator("main")).to_contain_text("onweer, de sensor staat in de regen")
    await save_screenshot(page, "inspector-silenced-nl-360")
    await page.click("text=Beëindigen")
    await expect(page.locator("main")).to_contain_text("Er is niets gedempt.")

    await page.goto(page.url.split("/inspector")[0] + f"/inspector/plumes/{plume_of(database, peaking)}")
    await page.click("summary:has-text('Vals alarm')")
    await page.check("[value=sensor_fault]")
    await page.click("text=Ja, vals alarm")
    await expect(page.locator(".badge")).to_contain_text("Vals alarm: anna@od.example")
    with psycopg.connect(database) as connection:
        actions = connection.execute(
            "SELECT object FROM access.audit WHERE action = 'write:alerts' ORDER BY id"
        ).fetchall()
    assert [action.split(" ")[0] for (action,) in actions] == ["acknowledge", "silence", "end", "false"]


async def test_a_page_that_is_open_states_that_its_plume_changed(signed_in, peaking, database):
    page = await signed_in(f"/inspector/plumes/{plume_of(database, peaking)}", PHONE)
    await expect(page.locator("#changed")).to_be_hidden()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE event SET revision = revision + 1, severity = 'extreme'")
    await page.evaluate("new BroadcastChannel('piekwacht-live').postMessage({kind: 'stale'})")
    await expect(page.locator("#changed")).to_be_visible()
    await page.click("text=Laat de nieuwe stand zien")
    await expect(page.locator("#changed")).to_be_hidden()


async def test_another_area_is_refused_and_a_visitor_is_sent_to_sign_in_and_back(
    signed_in, peaking, browser, site, database
):
    page = await signed_in("/inspector/events/elsewhere")
    await expect(page.locator("main")).to_contain_text("Uw rol of uw gebieden gaan hier niet over")
    await page.goto(f"{site[0]}/inspector/events/nothing")
    await expect(page.locator("main")).to_contain_text("Dit is er niet")
    page.complaints.clear()
    context = await browser.new_context(locale="nl-NL")
    visitor = await context.new_page()
    plume = plume_of(database, peaking)
    await visitor.goto(f"{site[0]}/nl/inspector/plumes/{plume}")
    assert visitor.url.startswith(f"{site[0]}/account?to=")
    await visitor.fill("#name", "anna@od.example")
    await visitor.fill("#password", PASSWORD)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE access.account SET totp_used = 0")
        (secret,) = connection.execute("SELECT totp_secret FROM access.account").fetchone()
    await visitor.fill("#code", pyotp.TOTP(secret).now())
    await visitor.click("button")
    await expect(visitor.locator("h1")).to_contain_text("Wijk aan Zee")
    assert visitor.url == f"{site[0]}/nl/inspector/plumes/{plume}"
    forged = await page.context.request.post(
        f"{site[0]}/inspector/plumes/{plume}/acknowledge", headers={"Origin": "https://evil.example"}
    )
    assert forged.status == 403
    await context.close()
