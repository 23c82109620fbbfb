"""The pages of subscriptions as people see them, without JavaScript too, and the service worker that shows a notice."""

import json

import pytest
import pytest_asyncio

from alerting.subscriptions.links import LinkPurpose
from alerting.subscriptions.push_message import create_vapid_key
from alerting.subscriptions.settings import SubscriptionSettings, WebPushSettings
from tests.alerting.running_dispatcher import fetch_rows
from tests.alerting.subscriptions.conftest import change
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.browser]


@pytest_asyncio.fixture(loop_scope="session")
async def pages(database, broker, tmp_path):
    """(address, database, store): a network with one station where residents can subscribe."""
    enrol_node(database)
    create_vapid_key(tmp_path / "vapid.pem")
    push = WebPushSettings(key_file=tmp_path / "vapid.pem", contact="mailto:beheer@piekwacht.example")
    async with running_api(database, broker, subscriptions=SubscriptionSettings(push=push)) as (client, _):
        yield str(client.base_url).rstrip("/"), database, client._transport


async def open_page(browser, url, viewport=PHONE, **options):
    context = await browser.new_context(viewport=viewport, **{"locale": "nl-NL", **options})
    page = await context.new_page()
    answer = await page.goto(url)
    assert answer.status == 200
    return page


async def test_somebody_subscribes_confirms_and_stops_without_javascript(browser, pages, axe):
    address, database, _ = pages
    page = await open_page(browser, f"{address}/nl/waarschuw-mij", java_script_enabled=False)
    await save_screenshot(page, "subscribe-phone")
    await page.select_option("#place", "station:wijk-aan-zee")
    await page.fill("#email", "ann@example.nl")
    await page.get_by_role("button", name="Stuur mij e-mail").click()
    await page.wait_for_url("**/verzonden")
    await save_screenshot(page, "subscribe-sent-phone")
    change(database, "UPDATE subscriptions.contact SET confirmed_at = now()")
    change(database, "UPDATE subscriptions.subscription SET confirmed_at = now()")
    manage = await sign_manage_link(database)
    await page.goto(f"{address}/nl/waarschuw-mij/beheren/{manage}")
    await save_screenshot(page, "subscribe-manage-phone")
    await page.get_by_role("button", name="Pauzeer alles").click()
    assert await page.get_by_text("Uw berichten staan op pauze").count()
    await page.get_by_role("button", name="Stop en wis alles").click()
    assert await page.get_by_role("heading", name="U krijgt geen berichten meer").count()
    assert fetch_rows(database, "SELECT * FROM subscriptions.contact") == []
    await page.context.close()


async def sign_manage_link(database):
    from alerting.subscriptions.contact_store import ContactStore  # noqa: PLC0415 - of this helper alone

    ((contact,),) = fetch_rows(database, "SELECT id FROM subscriptions.contact")
    return await ContactStore(database).sign(LinkPurpose.MANAGE, contact)


NARROW = {"width": 320, "height": 640}


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(PHONE, "light"), (WIDE, "dark"), (NARROW, "light")], ids=["phone", "wide-dark", "narrow"]
)
async def test_the_form_has_no_barrier(browser, pages, axe, viewport, scheme):
    address, _, _ = pages
    page = await open_page(browser, f"{address}/nl/waarschuw-mij", viewport, color_scheme=scheme)
    await save_screenshot(page, f"subscribe-{viewport['width']}-{scheme}")
    assert await find_violations(page, axe) == []
    await page.context.close()


async def test_the_service_worker_shows_a_notice_once(browser, pages):
    """Chromium hands the worker a push by its debugging protocol, as a push service would."""
    address, _, _ = pages
    context = await browser.new_context(permissions=["notifications"])
    page = await context.new_page()
    await page.goto(f"{address}/nl/waarschuw-mij")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    session = await context.new_cdp_session(page)
    versions = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: versions.extend(event["registrations"]))
    await session.send("ServiceWorker.enable")
    for _ in range(50):
        if versions:
            break
        await page.wait_for_timeout(100)
    notice = {"id": "n1", "title": "Piek PM2,5", "body": "84", "url": f"{address}/nl/", "topic": "p1", "lang": "nl"}
    for changes in ({}, {}, {"id": "n2", "title": "Piek voorbij"}):
        parameters = {
            "origin": address,
            "registrationId": versions[0]["registrationId"],
            "data": json.dumps({**notice, **changes}),
        }
        await session.send("ServiceWorker.deliverPushMessage", parameters)
        await page.wait_for_timeout(500)
    shown = await page.evaluate(
        "navigator.serviceWorker.ready.then((r) => r.getNotifications())"
        ".then((all) => all.map((n) => [n.title, n.tag, n.silent, n.data.url]))"
    )
    assert shown == [["Piek voorbij", "p1", False, f"{address}/nl/"]]
    ids = await page.evaluate(
        "caches.open('piekwacht-notices').then((c) => c.keys()).then((k) => k.map((r) => new URL(r.url).pathname))"
    )
    assert ids == ["/notices/n1", "/notices/n2"]
    await context.close()


@pytest.mark.parametrize("names_both", [True, False])
async def test_the_service_worker_reports_an_endpoint_that_changed(browser, pages, names_both):
    """No test can make Chromium change an endpoint, so the worker gets the event from the test."""
    address, database, _ = pages
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{address}/nl/waarschuw-mij")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    keys = [await make_browser_keys(page), await make_browser_keys(page)]
    fields = {"place": "area:ijmond", "property": "", "level": "minor", "cadence": "at_once"}
    former, renewed = (f"https://fcm.googleapis.com/fcm/send/{name}" for name in ("former", "renewed"))
    answer = await page.request.post(
        f"{address}/nl/waarschuw-mij/browser", data={"endpoint": former, "keys": keys[0], "fields": fields}
    )
    assert answer.status == 201, await answer.text()
    (worker,) = context.service_workers
    stored = json.dumps({"endpoint": former, "key": "AAAA"})
    await worker.evaluate(
        "t => caches.open('piekwacht-endpoint').then((c) => c.put('/endpoint', new Response(t)))", stored
    )
    await worker.evaluate(
        """async ([former, renewed, keys, namesBoth]) => {
          const event = new ExtendableEvent("pushsubscriptionchange");
          event.oldSubscription = namesBoth ? { endpoint: former } : null;
          event.newSubscription = { toJSON: () => ({ endpoint: renewed, keys }) };
          self.dispatchEvent(event);
        }""",
        [former, renewed, keys[1], names_both],
    )
    for _ in range(50):
        if fetch_rows(database, "SELECT address FROM subscriptions.contact") == [(renewed,)]:
            break
        await page.wait_for_timeout(100)
    assert fetch_rows(database, "SELECT address FROM subscriptions.contact") == [(renewed,)]
    remembered = "caches.open('piekwacht-endpoint').then((c) => c.match('/endpoint')).then((r) => r.json())"
    assert (await page.evaluate(remembered))["endpoint"] == renewed
    await context.close()


async def make_browser_keys(page):
    """Keys as a browser makes them for a subscription."""
    return await page.evaluate(
        """async () => {
          const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
          const encode = (buffer) =>
            btoa(String.fromCharCode(...new Uint8Array(buffer)))
              .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
          const secret = crypto.getRandomValues(new Uint8Array(16));
          return { p256dh: encode(await crypto.subtle.exportKey("raw", pair.publicKey)), auth: encode(secret) };
        }"""
    )
