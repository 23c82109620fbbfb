"""Passkeys in a real Chromium with a virtual authenticator: add one, sign in with it, remove it."""

import psycopg
import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.system.child_process import find_free_port
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.access.test_access import PASSWORD
from tests.gateway.api.conftest import running_api

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ANNA = "anna@od.example"


@pytest_asyncio.fixture(loop_scope="session")
async def origin(database, broker):
    """A site under a name, as passkeys need one."""
    port = find_free_port()
    async with running_api(database, broker, port=port, public_url=f"http://localhost:{port}"):
        yield f"http://localhost:{port}"


@pytest_asyncio.fixture(loop_scope="session")
async def secret(database):
    return await Accounts(database).put_account(ANNA, Role.INSPECTOR, ["ijmond"], PASSWORD)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser, origin):
    """Opens the account page on a device with a fingerprint reader."""
    contexts = []

    async def open_page(viewport=WIDE, path="/account", **options):
        context = await browser.new_context(viewport=viewport, locale="nl-NL", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        await page.goto(origin + path)
        return page

    yield open_page
    for context in contexts:
        await context.close()


async def add_authenticator(page, **options):
    """Give the page's device an authenticator; return the session of the protocol and its id."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
              "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    answer = await session.send("WebAuthn.addVirtualAuthenticator", {"options": device | options})
    return session, answer["authenticatorId"]


async def sign_in_by_password(page, database, secret):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE access.account SET totp_used = 0")  # else a code would work only once
    await page.fill("#name", ANNA)
    await page.fill("#password", PASSWORD)
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.click("[action^='/account/sign-in'] button")
    await expect(page.locator("h1")).to_have_text("Uw account")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_a_person_adds_a_passkey_signs_in_with_it_and_removes_it(visit, database, secret, axe, viewport):
    page = await visit(viewport)
    session, authenticator = await add_authenticator(page)
    assert await find_violations(page, axe) == []
    await save_screenshot(page, f"passkey-sign-in-{viewport['width']}")
    await sign_in_by_password(page, database, secret)
    await expect(page.locator("main")).to_contain_text("U heeft nog geen passkey")
    await page.fill("#passkey-name", "telefoon")
    await page.click("text=Passkey toevoegen")
    await expect(page.locator(".passkeys li")).to_contain_text("telefoon")
    credentials = (await session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator}))["credentials"]
    assert [(c["rpId"], c["isResidentCredential"]) for c in credentials] == [("localhost", True)]
    assert await find_violations(page, axe) == []
    await save_screenshot(page, f"passkey-account-{viewport['width']}")

    await page.fill("#passkey-name", "nog een")
    await page.click("text=Passkey toevoegen")
    await expect(page.locator("#passkey-state")).to_have_text("Dit apparaat heeft al een passkey voor dit account.")

    await page.click("text=Uitloggen")
    await page.click("text=Inloggen met een passkey")
    await expect(page.locator("h1")).to_have_text("Uw account")
    await expect(page.locator(".passkeys li")).to_contain_text("laatst gebruikt op")
    await page.click("text=Verwijder telefoon")
    await expect(page.locator("main")).to_contain_text("U heeft nog geen passkey")
    await page.click("text=Uitloggen")
    assert page.complaints == []
    await page.click("text=Inloggen met een passkey")
    await expect(page.locator("#passkey-state")).to_have_text(
        "Deze passkey is verwijderd. Log in met uw wachtwoord en code."
    )
    await save_screenshot(page, f"passkey-removed-{viewport['width']}")


async def test_a_device_that_does_not_ask_who_it_is_signs_nobody_in(visit, database, secret):
    page = await visit()
    session, authenticator = await add_authenticator(page)
    await sign_in_by_password(page, database, secret)
    await page.fill("#passkey-name", "laptop")
    await page.click("text=Passkey toevoegen")
    await expect(page.locator(".passkeys li")).to_have_count(1)
    await page.click("text=Uitloggen")
    await session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    await page.click("text=Inloggen met een passkey")
    await expect(page.locator("#passkey-state")).to_have_text(
        "Er is geen passkey gekozen. U kunt ook inloggen met uw wachtwoord en code."
    )
    assert [cookie["name"] for cookie in await page.context.cookies()] == ["piekwacht-passkey"]


async def test_under_another_name_the_page_says_where_passkeys_work(visit, origin):
    page = await visit()
    await page.goto(origin.replace("localhost", "127.0.0.1") + "/account")
    await page.click("text=Inloggen met een passkey")
    await expect(page.locator("#passkey-state")).to_have_text(
        f"Passkeys werken alleen op {origin}. Open deze pagina daar."
    )


async def test_without_javascript_there_is_a_sentence_and_no_button(visit, database, secret):
    page = await visit(java_script_enabled=False)
    await expect(page.locator("text=Inloggen met een passkey")).to_be_hidden()
    await sign_in_by_password(page, database, secret)
    await expect(page.locator("main")).to_contain_text("Om een passkey toe te voegen is JavaScript nodig")
    await expect(page.locator("#add-passkey")).to_be_hidden()
