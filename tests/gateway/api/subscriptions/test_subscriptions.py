"""A resident subscribes by mail, confirms, changes, exports and erases; nobody can do that for another person."""

import asyncio
import email
import email.policy
import re

import httpx
import psycopg
import pytest

from alerting.subscriptions.links import LinkPayload, LinkPurpose, sign_link
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, wait_until
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer
from tests.alerting.subscriptions.conftest import (  # noqa: F401 - fixtures
    alerting,
    change,
    contacts,
    push_service,
    run_service,
    settings,
    wait_until_settled,
)
from tests.alerting.subscriptions.push_service import Browser
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node

FORM = {"place": "area:ijmond", "level": "minor", "cadence": "at_once", "email": "Ann@example.nl"}
PAGE = "/nl/waarschuw-mij"


@pytest.fixture
async def site(database, broker, settings):  # noqa: F811 - a fixture
    """The pages of a network with one station, with limits of an address that a test reaches."""
    enrol_node(database)
    async with running_api(database, broker, subscriptions=settings()) as (client, _):
        client.headers.pop("Sec-Fetch-Site")
        yield client


def read_mails(server):
    parsed = [email.message_from_bytes(item.content, policy=email.policy.default) for item in server.received]
    return [(message, message.get_content()) for message in parsed]


def find_path(text, purpose):
    return re.search(rf"https://lucht\.example(/nl/waarschuw-mij/{purpose}/\S+)", text)[1]


async def subscribe_by_mail(site, server, fields=FORM):
    """Fill in the form, press the button of the mail; returns the path to manage."""
    count = len(server.received)
    assert (await site.post(PAGE, data=fields)).status_code == 303
    await wait_until(lambda: len(server.received) > count)
    answer = await site.post(find_path(read_mails(server)[-1][1], "bevestigen"))
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_a_subscriber_confirms_gets_a_notice_and_unsubscribes(database, site, settings, alerting):  # noqa: F811
    with MailServer() as server:
        async with run_service(settings(), alerting(server), database):
            manage = await subscribe_by_mail(site, server)
            confirmation, text = read_mails(server)[0]
            assert (confirmation["To"], confirmation["Subject"]) == (
                "Ann@example.nl", "Bevestig uw aanmelding bij Piekwacht",
            )  # fmt: skip
            assert "licht" in text
            page = (await site.get(manage)).text
            assert "Ann@example.nl" in page
            await insert_alerts(database, make_alert())
            await wait_until(lambda: len(server.received) == 2)
            notice, text = read_mails(server)[1]
            assert notice["Subject"].startswith("Piek: PM2,5 Wijk aan Zee") or "PM2,5" in notice["Subject"]
            for part in ("84", "µg/m³", "losse meting", "93 %", "ernstig", "wettelijke norm", "Waar", "Sinds"):
                assert part in text, part
            stop = find_path(text, "stoppen")
            assert notice["List-Unsubscribe"] == f"<https://lucht.example{stop}>"
            assert notice["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            await site.post(manage, data={"action": "pause"})
            await insert_alerts(database, make_alert(event_id="second", plume="second"))
            await wait_until_settled(database)
            await site.post(manage, data={"action": "resume"})
            export = (await site.get(f"{manage}/gegevens.json")).json()
            assert export["contact"]["address"] == "Ann@example.nl"
            assert [item["reason"] for item in export["notices"]] == ["first", "confirm"]
            assert (await site.post(manage, data={"action": "erase"})).status_code == 200
            assert (await site.get(manage)).status_code == 404
            await insert_alerts(database, make_alert(event_id="third", plume="third"))
            await wait_until_settled(database)
    assert len(server.received) == 2


async def test_after_an_erasure_no_table_holds_the_address(database, site, settings, alerting, caplog):  # noqa: F811
    refusal = "550 <ann@example.nl> no such user here"
    with MailServer(recipients={"Ann@example.nl": ["250 OK", "451 later, Ann@example.nl", refusal]}) as server:
        async with run_service(settings(), alerting(server), database):
            manage = await subscribe_by_mail(site, server)
            await insert_alerts(database, make_alert())
            await wait_until(
                lambda: fetch_rows(database, "SELECT 1 FROM subscriptions.delivery WHERE reason = 'first'")
            )
            change(database, "UPDATE subscriptions.notice SET next_attempt_at = now()")
            await wait_until_settled(database)
            await site.post(manage, data={"action": "erase"})
    attempts = fetch_rows(database, "SELECT outcome, answer FROM subscriptions.delivery ORDER BY ended_at")
    assert attempts == [("delivered", "SMTP 250"), ("failed", "SMTP 451"), ("refused", "SMTP 550")]
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT t::text FROM {table} t").fetchall()
            assert not [row for row in rows if "ann@example.nl" in row[0].lower()], table
    assert "ann@example.nl" not in caplog.text.lower()


async def test_a_scanner_that_opens_a_link_changes_nothing(database, site, settings, alerting):  # noqa: F811
    with MailServer() as server:
        async with run_service(settings(), alerting(server), database):
            await site.post(PAGE, data=FORM)
            await wait_until(lambda: server.received)
            confirm = find_path(read_mails(server)[0][1], "bevestigen")
            for method in ("GET", "HEAD"):
                answer = await site.request(method, confirm)
                assert answer.status_code == 200
                assert answer.headers["referrer-policy"] == "no-referrer"
                assert answer.headers["cache-control"] == "no-store"
            assert fetch_rows(database, "SELECT confirmed_at FROM subscriptions.contact") == [(None,)]
            manage = (await site.post(confirm)).headers["location"]
            await insert_alerts(database, make_alert())
            await wait_until(lambda: len(server.received) == 2)
            stop = find_path(read_mails(server)[1][1], "stoppen")
            for path in (confirm, manage, f"{manage}/gegevens.json", stop):
                for method in ("GET", "HEAD"):
                    assert (await site.request(method, path)).status_code == 200
            assert fetch_rows(database, "SELECT count(*) FROM subscriptions.subscription") == [(1,)]


@pytest.mark.parametrize("token", ["1.e30.AAAA", "nonsense", "1..", "x" * 900])
async def test_one_click_answers_200_for_every_token(site, token):
    answer = await site.post(f"{PAGE}/stoppen/{token}", content="List-Unsubscribe=One-Click", headers=ONE_CLICK)
    assert answer.status_code == 200
    assert (await site.get(f"{PAGE}/stoppen/{token}")).status_code == 404


ONE_CLICK = {"content-type": "application/x-www-form-urlencoded", "origin": "https://mail.example"}


async def test_a_one_click_request_needs_no_origin_of_this_site(database, site, settings, alerting):  # noqa: F811
    with MailServer() as server:
        async with run_service(settings(), alerting(server), database):
            await subscribe_by_mail(site, server)
            await insert_alerts(database, make_alert())
            await wait_until(lambda: len(server.received) == 2)
    stop = find_path(read_mails(server)[1][1], "stoppen")
    assert (await site.post(stop, content="List-Unsubscribe=One-Click", headers=ONE_CLICK)).status_code == 200
    assert fetch_rows(database, "SELECT * FROM subscriptions.contact") == []
    assert (await site.post(stop, content="List-Unsubscribe=One-Click", headers=ONE_CLICK)).status_code == 200


async def test_the_form_gives_every_address_the_same_answer_and_sends_few_mails(database, site, settings, alerting):  # noqa: F811
    with MailServer() as server:
        async with run_service(settings(), alerting(server), database):
            await subscribe_by_mail(site, server)
            names = ("ANN@example.nl", "ann@example.nl", "new@example.nl", "new@example.nl", "new@example.nl")
            answers = [await site.post(PAGE, data={**FORM, "email": name}) for name in names]
            assert {(a.status_code, a.headers["location"], a.text) for a in answers} == {(303, f"{PAGE}/verzonden", "")}
            await wait_until_settled(database)
            await asyncio.sleep(0.2)
            assert [str(message["To"]) for message, _ in read_mails(server)] == ["Ann@example.nl", "new@example.nl"]


async def test_a_client_that_subscribes_many_addresses_is_limited(site):
    codes = [(await site.post(PAGE, data={**FORM, "email": f"n{n}@example.nl"})).status_code for n in range(12)]
    assert codes[:8] == [303] * 8
    assert codes[9:] == [429] * 3


@pytest.mark.parametrize("purpose", [LinkPurpose.MANAGE, LinkPurpose.CONFIRM])
async def test_a_token_of_another_purpose_or_key_opens_nothing(database, site, settings, contacts, purpose):  # noqa: F811
    change(database, "INSERT INTO subscriptions.contact (kind, address, language) VALUES ('email', 'a@b.nl', 'nl')")
    ((contact,),) = fetch_rows(database, "SELECT id::text FROM subscriptions.contact")
    ((key_id, secret),) = fetch_rows(database, "SELECT id, secret FROM alerting.signing_key")
    stop = sign_link(LinkPurpose.STOP, LinkPayload(contact=contact), {key_id: secret})
    forged = sign_link(purpose, LinkPayload(contact=contact), {key_id: b"x" * 32})
    for token in (stop, forged):
        assert (await site.get(f"{PAGE}/{purpose.value}/{token}")).status_code == 404
        assert (await site.post(f"{PAGE}/{purpose.value}/{token}", data={"action": "erase"})).status_code == 404
    assert len(fetch_rows(database, "SELECT * FROM subscriptions.contact")) == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"email": "geen adres"}, "Vul een e-mailadres in"),
        ({"email": "a@b.nl\r\nBcc: c@d.nl"}, "Vul een e-mailadres in"),
        ({"place": "station:nergens"}, "Kies een plaats"),
        ({"place": "circle", "latitude": "x", "longitude": "4"}, "breedte en lengte"),
        ({"place": "circle", "latitude": "nan", "longitude": "4", "radius": "500"}, "breedte en lengte"),
        ({"place": "circle", "latitude": "52,4", "longitude": "4", "radius": "499"}, "minstens 500 meter"),
        ({"quiet": "yes", "quiet_from": "07:00", "quiet_until": "07:00"}, "twee verschillende tijden"),
        ({"level": ""}, "Kies hoe erg"),
    ],
)
async def test_a_field_that_cannot_be_gets_a_sentence(site, fields, problem):
    answer = await site.post(PAGE, data={**FORM, **fields})
    assert answer.status_code == 422
    assert problem in answer.text


async def test_a_circle_is_stored_in_three_decimals(database, site):
    circle = {"place": "circle", "latitude": "52,4941234", "longitude": "4.5949876", "radius": "500"}
    assert (await site.post(PAGE, data={**FORM, **circle})).status_code == 303
    stored = fetch_rows(database, "SELECT latitude, longitude, radius FROM subscriptions.subscription")
    assert stored == [(52.494, 4.595, 500)]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:5432/", "https://127.0.0.1/", "https://[::1]/", "http://169.254.169.254/latest/meta-data",
        "https://fcm.googleapis.com.evil.example/", "https://user@fcm.googleapis.com/", "file:///etc/passwd",
        "https://fcm.googleapis.com:8443/", "http://fcm.googleapis.com/", "https://evilpush.services.mozilla.com.nl/x",
    ],
)  # fmt: skip
async def test_an_endpoint_elsewhere_is_refused(database, broker, site, endpoint):
    browser = Browser("/a")
    document = {"endpoint": endpoint, "keys": encode_keys(browser), "fields": FORM}
    answer = await site.post(f"{PAGE}/browser", json=document)
    assert answer.status_code == 422
    assert fetch_rows(database, "SELECT * FROM subscriptions.contact") == []


def encode_keys(browser):
    from base64 import urlsafe_b64encode  # noqa: PLC0415 - of this helper alone

    encode = lambda content: urlsafe_b64encode(content).decode().rstrip("=")  # noqa: E731
    return {"p256dh": encode(browser.keys.key), "auth": encode(browser.keys.secret)}


async def test_a_browser_subscribes_and_manages_itself(database, site, settings, alerting, push_service):  # noqa: F811
    browser = Browser("/a")
    document = {"endpoint": push_service.url(browser), "keys": encode_keys(browser), "fields": FORM}
    answer = await site.post(f"{PAGE}/browser", json=document)
    assert answer.status_code == 201
    manage = answer.json()["manage"]
    async with run_service(settings(), alerting(), database):
        await wait_until(lambda: push_service.received_by(browser))
    assert "één browser" in (await site.get(manage)).text
    for keys in ({}, {"p256dh": "AAAA", "auth": "AAAA"}, {**document["keys"], "p256dh": "B" * 87}):
        assert (await site.post(f"{PAGE}/browser", json={**document, "keys": keys})).status_code == 422


async def test_a_browser_whose_endpoint_changed_moves_its_subscriptions(database, site, push_service):  # noqa: F811
    browser, renewed = Browser("/a"), Browser("/b")
    document = {"endpoint": push_service.url(browser), "keys": encode_keys(browser), "fields": FORM}
    assert (await site.post(f"{PAGE}/browser", json=document)).status_code == 201
    renewal = {
        "former": push_service.url(browser), "endpoint": push_service.url(renewed), "keys": encode_keys(renewed)
    }  # fmt: skip
    unknown = {**renewal, "former": push_service.url(Browser("/unknown"))}
    assert [(await site.post(f"{PAGE}/browser/vernieuwen", json=body)).status_code for body in (unknown, renewal)] == [
        204, 204,
    ]  # fmt: skip
    assert fetch_rows(database, "SELECT address FROM subscriptions.contact") == [(push_service.url(renewed),)]
    for wrong in ({**renewal, "endpoint": "https://evil.example/"}, {**renewal, "keys": {}}, {}):
        assert (await site.post(f"{PAGE}/browser/vernieuwen", json=wrong)).status_code == 422


async def test_without_settings_nobody_can_subscribe(database, broker):
    async with running_api(database, broker) as (client, _):
        assert (await client.get(PAGE)).status_code == 404
        assert (await client.post(PAGE, data=FORM)).status_code == 404
        assert "waarschuw-mij" not in (await client.get("/nl/")).text


async def test_the_form_works_in_both_languages_and_stands_in_the_menu(site):
    for language, title in (("nl", "Waarschuw mij"), ("en", "Notify me")):
        page = await site.get(f"/{language}/waarschuw-mij")
        assert title in page.text
        assert f'href="/{language}/waarschuw-mij"' in (await site.get(f"/{language}/")).text


async def test_an_unconfirmed_subscription_is_deleted_after_48_hours(database, site, settings, alerting):  # noqa: F811
    await site.post(PAGE, data=FORM)
    change(database, "UPDATE subscriptions.contact SET created_at = now() - interval '49 hours'")
    async with run_service(settings(), alerting(), database):
        await wait_until(lambda: not fetch_rows(database, "SELECT * FROM subscriptions.contact"))
    assert isinstance(site, httpx.AsyncClient)
