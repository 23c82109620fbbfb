"""The twelve tasks of docs/inspector/taken.md, by visible links and labels from the start page, on a telephone.

One site serves all of them, because its start takes longer than the tasks. The walker types no address: it signs in
through the link at the foot of the start page, and goes on by what can be read. A picture of each step is in
tests/artefacts.
"""

import time
from contextlib import AsyncExitStack

import psycopg
import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.delivery.settings import ZakenSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.dossier.worker import DossierWorker
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.alerting.running_dispatcher import run_dispatchers, wait_until_delivered
from tests.alerting.servers import MailServer
from tests.alerting.zaken_server import ZakenApi
from tests.browser.conftest import ARTEFACTS
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.api.operator.card_tools import make_card_tools
from tests.gateway.dossier.conftest import PUBLISHER
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}
PASSWORD, SECRET = "een zin van vijf woorden", "geheim-van-dertig-tekens-of-meer"
MOST_STEPS = 8  # of one task, after the page on which its work begins
DAY_MS = 86_400_000


class Walk:
    """Somebody at the site who follows what is visible. `steps`: how often something was pressed since `begin`."""

    def __init__(self, page, address):
        self.page, self.address, self.task, self.steps = page, address, "", 0

    async def sign_in(self, name, secret, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE access.account SET totp_used = 0")  # else this code would work only once
        await self.page.goto(f"{self.address}/nl/")
        await self.press("Inloggen voor medewerkers")
        await self.page.get_by_label("Naam", exact=True).fill(name)
        await self.page.get_by_label("Wachtwoord", exact=True).fill(PASSWORD)
        await self.page.get_by_label("Code uit uw app").fill(pyotp.TOTP(secret).now())
        await self.press("Inloggen")

    async def begin(self, task, *links):
        """Go to the page of the account, which every page of staff leads to, and from there by links."""
        self.task = task
        if await self.page.get_by_role("link", name="Uw account", exact=True).count():
            await self.press("Uw account")
        for link in links:
            await self.press(link)
        self.steps = 0

    async def press(self, name, part=None):
        """Press the link, button or summary with this visible name, of the page or of a part of it."""
        place = self.page.get_by_role("region", name=part, exact=True) if part else self.page.locator("body")
        pressed = place.get_by_role("button", name=name, exact=True).or_(
            place.get_by_role("link", name=name, exact=True)
        )
        opened = place.locator("summary").filter(has_text=name)
        await expect(pressed.or_(opened).filter(visible=True).first).to_be_visible()
        target = (pressed if await pressed.filter(visible=True).count() else opened).filter(visible=True).first
        await target.scroll_into_view_if_needed()
        box = await target.bounding_box()
        assert box["width"] >= 24, name
        assert box["height"] >= 24 or await target.evaluate("part => getComputedStyle(part).display") == "inline", name
        await target.click()
        await self.page.wait_for_load_state()
        self.steps += 1
        await self.show()

    async def fill(self, label, text, part=None):
        field = (self.page.get_by_role("region", name=part, exact=True) if part else self.page).get_by_label(label)
        await field.filter(visible=True).first.fill(text)

    async def choose(self, label, option, part=None):
        place = self.page.get_by_role("region", name=part, exact=True) if part else self.page
        await place.get_by_label(label).filter(visible=True).first.select_option(label=option)

    async def expect_text(self, text):
        """The answer stands on the page, and the task took few steps."""
        await expect(self.page.locator("main")).to_contain_text(text)
        assert self.steps <= MOST_STEPS, (self.task, self.steps)
        await self.show()

    async def show(self):
        ARTEFACTS.mkdir(exist_ok=True)
        name = self.task or "inloggen"
        await self.page.screenshot(path=ARTEFACTS / f"taken-{name}-{self.steps}.png")


@pytest_asyncio.fixture(loop_scope="session")
async def workplace(browser, database, broker, tmp_path):
    """(walk of an inspector, walk of an operator): peaks of now and of last month, a Zaken API, an authority, mail."""
    async with AsyncExitStack() as stack:
        server, zaken = stack.enter_context(MailServer()), stack.enter_context(ZakenApi(SECRET))
        (tmp_path / "secret").write_text(SECRET)
        channel = ZakenSettings(
            url=zaken.url, zaaktype="https://catalogi.example/zaaktypen/1", bronorganisatie="123456782",
            verantwoordelijke_organisatie="123456782", client_id="piekwacht", secret_file=tmp_path / "secret",
        )  # fmt: skip
        settings = AlertingSettings(
            smtp=SmtpSettings(port=server.controller.port, tls="none"),
            receiver=[
                ReceiverSettings(name="omgevingsdienst", email=[EmailSettings(to=["piket@od.example"])]),
                ReceiverSettings(name="zaaksysteem", zaken=[channel]),
            ],
            route=[Route(receiver="omgevingsdienst", least_confidence=0.0)],
            allow_private=True,
        )
        node, store = enrol_node(database), Store(database)
        stack.push_async_callback(store.close)
        pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
        began = int(time.time() * 1000) - 900_000
        await ingest_observations(pipeline, node, 900, start=began, plume=range(700, 900))
        _put_into_last_month(database, began)
        await stack.enter_async_context(run_dispatchers(settings, database))
        await wait_until_delivered(database, within=30)
        client, _ = await stack.enter_async_context(
            running_api(
                database,
                broker,
                alerting=settings,
                operator_tools=make_card_tools(tmp_path),
                dossiers=DossierWorker(database, PUBLISHER),
            )
        )
        address, walks = str(client.base_url).rstrip("/"), []
        for name, role in (("anna@od.example", Role.INSPECTOR), ("carla@od.example", Role.OPERATOR)):
            secret = await Accounts(database).put_account(name, role, ["ijmond"], PASSWORD)
            context = await browser.new_context(viewport=PHONE, locale="nl-NL")
            stack.push_async_callback(context.close)
            context.set_default_timeout(15_000)
            walk = Walk(await context.new_page(), address)
            await walk.sign_in(name, secret, database)
            walks.append(walk)
        yield walks


def _put_into_last_month(database, began):
    """A copy of the peak, a month earlier and with wind from the south-west."""
    with psycopg.connect(database, autocommit=True) as connection:
        columns = [
            name
            for (name,) in connection.execute(
                """SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'
                   AND table_name = 'event' AND is_generated = 'NEVER' ORDER BY ordinal_position"""
            )
        ]
        changed = {
            "id": "'vorigemaand'", "plume_id": "'vorigemaand'", "onset": "onset - interval '31 days'",
            "peak_at": "peak_at - interval '31 days'", "detected_at": "detected_at - interval '31 days'",
            "ended_at": "peak_at - interval '31 days' + interval '5 minutes'",
            "around": """jsonb_build_object('wind', jsonb_build_object(
                'direction', 225, 'spread', 12, 'speed', 4, 'readings', 60))""",
        }  # fmt: skip
        values = ", ".join(changed.get(name, name) for name in columns)
        connection.execute(f"INSERT INTO event ({', '.join(columns)}) SELECT {values} FROM event WHERE id = plume_id")


@pytest.mark.timeout(600)
async def test_the_twelve_tasks_are_done_by_what_can_be_read(workplace):
    inspector, operator = workplace
    peak = "fijnstof PM2,5, Wijk aan Zee"

    await inspector.begin("01-erken", "Naar de meldingen van uw gebied")
    await inspector.press(peak)
    await inspector.press("Wij zijn ermee bezig")
    await inspector.expect_text("U bent ermee bezig")

    await inspector.begin("07-zaak", "Naar de meldingen van uw gebied", peak)
    await inspector.press("Zaak openen")
    await inspector.press("Open de zaak")
    await inspector.expect_text("zaaksysteem")

    await inspector.begin("08-dossier", "Naar de meldingen van uw gebied", peak)
    await inspector.press("Dossier")
    async with inspector.page.expect_download() as download:
        await inspector.press("Maak het dossier")
    assert (await download.value).suggested_filename.endswith(".zip")

    await inspector.begin("02-vals-alarm", "Naar de meldingen van uw gebied", peak)
    await inspector.press("Vals alarm")
    await inspector.page.get_by_label("er werd bij het station gewerkt").check()
    await inspector.press("Ja, vals alarm: stuur de correctie")
    await inspector.expect_text("Vals alarm: anna@od.example")

    await inspector.begin("03-dempen", "Naar de meldingen van uw gebied", "Dienst")
    await inspector.press("Iets dempen")
    await inspector.choose("Waar", "meetstation Wijk aan Zee")
    await inspector.fill("Reden", "werk aan de weg", "Wat nu gedempt is")
    await inspector.press("Bekijk eerst wat dit dempt")
    await inspector.press("Ja, dempen")
    await inspector.expect_text("station Wijk aan Zee · gedempt")

    await inspector.begin("04-zuidwest", "Naar de meldingen van uw gebied")
    await inspector.press("Zoeken")
    await inspector.choose("Wind uit het", "zuidwesten")
    await inspector.press("Zoek")
    await inspector.expect_text("Wijk aan Zee")
    assert await inspector.page.locator(".case").count() == 1

    await inspector.begin("05-overdracht", "Naar de meldingen van uw gebied", "Dienst")
    await inspector.fill("Aan wie", "Bram")
    await inspector.fill("Wat moet uw collega weten?", "Bel de wegwerkers om 6 uur")
    await inspector.press("Draag over")
    await inspector.expect_text("anna@od.example → Bram")

    await inspector.begin("12-testbericht", "Naar de meldingen van uw gebied", "Dienst")
    await inspector.choose("Ontvanger", "omgevingsdienst")
    await inspector.press("Stuur een testbericht")
    await inspector.expect_text("piket@od.example")

    await operator.begin("09-aanmelden", "Naar het beheer")
    await operator.press("Kast toevoegen")
    await operator.fill("Naam van de kast", "ijm-007")
    await operator.choose("Station waar de kast komt", "Wijk aan Zee")
    await operator.press("Maak de kaart")
    async with operator.page.expect_download() as download:
        await operator.press("Bewaar ijm-007.zip")
    assert (await download.value).suggested_filename == "ijm-007.zip"

    await operator.begin("10-sensor", "Naar het beheer", "ijm-001")
    await operator.press("Sensor vervangen")
    await operator.page.get_by_label("fijnstof PM2,5").filter(visible=True).first.check()
    await operator.fill("Merk en type", "Sensirion SPS30")
    await operator.fill("Reden", "ventilator versleten", "Werk aan deze kast")
    await operator.press("Sensor vervangen", "Werk aan deze kast")
    await operator.expect_text("Sensirion SPS30")

    await operator.begin("11-onderhoud", "Naar het beheer", "ijm-001")
    await operator.press("Onderhoud aankondigen")
    await operator.fill("Reden", "inlaat schoonmaken", "Werk aan deze kast")
    await operator.press("Onderhoud aankondigen", "Werk aan deze kast")
    await operator.expect_text("inlaat schoonmaken")

    await operator.begin("06-verdachte-sensor", "Naar het beheer", "ijm-001")
    await operator.press("Sensor buiten de telling zetten")
    await operator.page.locator("details[open]").get_by_label("fijnstof PM2,5").check()
    await operator.fill("Reden", "meet veel te hoog", "Werk aan deze kast")
    await operator.press("Sensor buiten de telling zetten", "Werk aan deze kast")
    await operator.expect_text("(fijnstof PM2,5): meet veel te hoog")
