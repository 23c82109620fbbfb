"""One fact has one value: an event's figures and times are the same wherever they are shown or sent.

The test lists the routes and the channels, so that a new one without an entry here fails.
"""

import asyncio
import email
import email.policy
import html
import json
import re
from datetime import UTC, datetime
from typing import get_args
from xml.etree import ElementTree as ET

import aiomqtt
import msgspec
import psycopg
import pytest

from alerting.alert import Alert
from alerting.decide.routing import Route
from alerting.delivery import settings as channels
from alerting.delivery.channel import DeliveryContext, DeliveryOutcome
from alerting.dispatch.deliver import deliver
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.message.notification import Notification
from alerting.settings import AlertingSettings, ChannelSettings, ReceiverSettings
from alerting.vocabulary import LOCAL_TIMEZONE, format_duration, format_number, format_ratio, severity_text
from alerting.vocabulary import texts_of as alerting_texts_of
from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.api.app import create_app
from gateway.api.settings import ApiSettings
from gateway.dossier.build import build_dossier
from gateway.dossier.request import DossierPublisher, EventRequest
from gateway.model.texts import texts_of
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings
from tests.alerting.servers import MailServer, WebServer
from tests.alerting.zaken_server import ZakenApi
from tests.gateway.api.faces import list_routes
from tests.gateway.api.live.test_live import frames
from tests.gateway.dossier.conftest import read_json, unpack
from tests.gateway.enrolled_node import T0

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
FACTS = ("peak", "background", "excess", "confidence", "severity", "unit", "revision")
TIMES = ("onset", "peak_at", "detected_at", "end")

MACHINE_FACES = {"/api/v1/events", "/api/v1/events/{id}", "/api/v1/events/{id}/revisions", "/api/v1/live",
                 "/api/v1/plumes", "/api/v1/plumes/{id}", "/ogc/collections/{name}/items",
                 "/ogc/collections/{name}/items/{feature_id}"}  # fmt: skip
FEEDS = {
    "/feeds/{collection}.{format_}",
    "/feeds/events.csv",
    "/feeds/events/{id}.cap",
    "/feeds/plumes/{id}.cap",
    "/api/v1/alerts",
    "/api/v1/alerts/{id}",
}
PAGES = {"/", "/events", "/events/{id}", "/plumes/{id}", "/stations/{id}"}
STAFF_FACES = {"/inspector", "/inspector/events/{id}", "/inspector/plumes/{id}", "/api/v1/events/{id}/explanation"}
ANSWERS = {"/acknowledge/{token}": "its headline is that of the mail", "/inspector/silence": "lists headlines",
           "/reports/{id}/{name}": "a month; tests/gateway/reports compares it with the API"}  # fmt: skip
# Routes that show no event: values of stations, the registry, accounts, silences, files and the state of the service.
NO_FACES = {
    "/inspector/calendar", "/inspector/duty", "/inspector/wind", "/inspector/plumes/{id}/direction",
    "/api/v1/plumes/{id}/source-direction", "/api/v1/plumes/{id}/answers", "/api/v1/known-sources",
    "/account", "/api/v1", "/api/v1/account", "/api/v1/areas", "/api/v1/areas/{id}", "/api/v1/corrections",
    "/api/v1/datastreams", "/api/v1/datastreams/{id}", "/api/v1/datastreams/{id}/observations", "/api/v1/playback",
    "/api/v1/situations", "/api/v1/tracks", "/api/v1/tracks/{id}",
    "/api/v1/tracks/{id}/moving-feature", "/api/v1/grid-cells", "/tracks", "/tracks/{id}",
    "/api/v1/detection-figures", "/api/v1/events/{id}/acknowledgements", "/api/v1/observed-properties",
    "/api/v1/observed-properties/{id}", "/api/v1/openapi.json", "/api/v1/silences", "/api/v1/silences/{id}",
    "/api/v1/sites", "/api/v1/sites/{id}", "/api/v1/stations", "/api/v1/stations/{id}",
    "/api/v1/stations/{id}/assessment", "/api/v1/stations/{id}/context",
    "/api/v1/site-reports", "/site-reports", "/api/v1/events/{id}/statements",
    "/api/v1/stations/{id}/exact-location", "/api/v1/stations/{id}/observations", "/about", "/feeds/now.geojson",
    "/feeds/today.csv", "/healthz", "/manifest.webmanifest", "/map/{z}/{x}/{y}.png",
    "/map/areas/{area}.geojson", "/map/archives/{name}.pmtiles", "/metrics", "/offline", "/readyz",
    "/robots.txt", "/sitemap.xml", "/developers", "/guide", "/guide/{topic}", "/reports",
    "/.well-known/security.txt", "/nl", "/en", "/verify", "/verify.py",
    "/api/v1/batches/{node}/{incarnation}/{number}/proof", "/api/v1/batches/{node}/{incarnation}/{number}/evidence",
    "/api/v1/stations/{id}/evidence", "/log/{area}/checkpoint", "/log/{area}/policy", "/log/{area}/timestamps/{name}",
    "/log/{area}/tile/{path:path}", "/waarschuw-mij", "/waarschuw-mij/verzonden", "/waarschuw-mij/bevestigen/{token}",
    "/waarschuw-mij/beheren/{token}", "/waarschuw-mij/beheren/{token}/gegevens.json", "/waarschuw-mij/stoppen/{token}",
    "/operator", "/operator/nodes/{id}", "/operator/nodes/{id}/fit", "/operator/nodes/{id}/renew",
    "/operator/nodes/{id}/revoke", "/operator/nodes/{id}/configure", "/operator/enrol", "/operator/quarantine",
    "/operator/quarantine/{number}", "/own-sensor", "/operator/guests", "/operator/guests/{id}",
    "/api/v1/operator/guests",
    "/operator/storage", "/operator/checks", "/operator/audit", "/api/v1/operator/nodes", "/api/v1/operator/nodes/{id}",
    "/api/v1/operator/quarantine", "/api/v1/operator/quarantine/{id}", "/api/v1/operator/storage",
    "/api/v1/operator/checks", "/api/v1/operator/audit",
    "/sta/v1.0", "/sta/v1.1", "/sta/v2.0", "/sta/v1.0/{path:path}", "/sta/v1.1/{path:path}", "/sta/v2.0/{path:path}",
    "/open_api/stations", "/open_api/stations/{number}", "/open_api/stations/{number}/measurements",
    "/open_api/measurements", "/open_api/components", "/open_api/components/{formula}", "/open_api/organisations",
    "/airrohr/v1/filter/{filters:path}", "/airrohr/v1/sensor/{number}", "/airrohr/v1/sensor/{number}/",
    "/ogc", "/ogc/", "/ogc/api", "/ogc/conformance", "/ogc/collections", "/ogc/collections/{name}", "/wms",
    "/static/{path:path}", "/status", "/sw.js", "/widget/{id}", "/{path:path}",
}  # fmt: skip
CHANNELS = {"EmailSettings", "WebhookSettings", "MqttSettings", "CapSettings", "ZakenSettings", "NotificatiesSettings",
            "AppriseSettings"}  # fmt: skip

LIVE_MESSAGES = []  # those of the fixture's event


def list_paths(app):
    """Every path that answers GET or accepts a WebSocket, without the prefix of a language."""
    return {re.sub(r"^/(nl|en)(?=/)", "", path) for path in list_routes(app)}


def test_every_route_and_every_channel_has_its_entry():
    assert (
        list_paths(create_app(ApiSettings(), "", BrokerSettings()))
        == MACHINE_FACES | FEEDS | PAGES | STAFF_FACES | set(ANSWERS) | NO_FACES
    )
    assert {channel.__name__ for channel in get_args(ChannelSettings)} == CHANNELS


@pytest.fixture
async def alert(database, pipeline, node, broker):
    """A peak of 3.4 times its background, live and over; decided for one receiver. Returns its newest alert."""
    messages = []
    for second in range(0, 400, 10):
        values = [8.2 + 0.1 * (s % 3) + (20.37 if 200 <= s < 230 else 0.0) for s in range(second, second + 10)]
        payload = node.payload(
            second + 1,
            t0=T0 + second * 1000,
            dt=[i * 1000 for i in range(10)],
            values={"pm2_5": values},
            received_at=datetime.fromtimestamp(T0 / 1000 + second + 10, UTC),
        )
        messages += (await pipeline.process([payload])).live_messages
    channel = channels.EmailSettings(to=["a@b.nl"])
    receivers = [ReceiverSettings(name="od", email=[channel])]
    settings = AlertingSettings(receiver=receivers, route=[Route(receiver="od", least_confidence=0.0)])
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await InboxWorker(settings).decide_inbox(connection)
        query = "SELECT alert FROM alerting.inbox ORDER BY revision DESC LIMIT 1"
        ((body,),) = await (await connection.execute(query)).fetchall()
    LIVE_MESSAGES[:] = [message for message in messages if message.events]
    return msgspec.convert(body, Alert, strict=False)


def check_document(document, alert, names=(*FACTS, *TIMES)):
    """The same values in a JSON document of the API (camelCase) or of a channel (snake_case)."""
    for name in names:
        camel = re.sub(r"_(.)", lambda match: match[1].upper(), name)
        value = document[name if name in document else camel]
        expected = getattr(alert, name)
        if isinstance(expected, datetime):
            value = datetime.fromisoformat(value)
            assert abs((value - expected).total_seconds()) < 0.001, name
        else:
            assert value == expected, name


def check_text(text, alert, language, *, allowed=(), shows_duration=True):
    """The same figures in a text for people: number, unit, multiple of the background, and local time."""
    values = {format_number(value, language) for value in (alert.peak, alert.background, alert.excess)}
    assert f"{format_number(alert.peak, language)} µg/m³" in text.replace("\xa0", " ")
    assert set(re.findall(r"([\d.,]*\d)\s*µg/m³", text)) <= values | set(allowed)
    assert "ug/m3" not in text
    ratio = format_ratio(alert.peak, alert.background, alert.unit, language)
    assert set(re.findall(r"([\d.,]*\d)\s?(?:×|keer|times)", text)) <= {ratio}
    assert f"{alert.onset.astimezone(LOCAL_TIMEZONE):%H:%M}" in text
    if shows_duration:
        assert format_duration((alert.end - alert.onset).total_seconds(), language) in text


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_texts_of_a_duration_in_scripts_are_those_of_the_server(language):
    page, phrases = texts_of("page", language), alerting_texts_of("phrase", language)
    for name, key in (
        ("second", "second"),
        ("seconds_long", "seconds"),
        ("minutes_long", "minutes"),
        ("hours_long", "hours"),
    ):
        assert phrases[f"duration_{key}"] == f"{{count}} {page[name]}"


def extract_text(page):
    """The text of an HTML page, without its scripts, styles and drawings."""
    text = re.sub(r"(?s)<(script|style|svg|head)\b.*?</\1>", " ", page)
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


async def test_programs_get_the_same_values_from_every_document(api, alert, broker):
    event = (await api.get(f"/api/v1/events/{alert.event_id}")).json()
    check_document(event, alert)
    check_document((await api.get("/api/v1/events")).json()["items"][0], alert)
    feature = (await api.get(f"/ogc/collections/events/items/{alert.event_id}")).json()
    check_document(feature["properties"], alert)
    check_document((await api.get("/ogc/collections/events/items")).json()["features"][0]["properties"], alert)
    plume = (await api.get(f"/api/v1/plumes/{alert.plume}")).json()
    check_document(plume["events"][0], alert)
    check_document(plume, alert, ("severity", "confidence", "onset", "end", "detected_at", "revision"))
    (listed,) = (await api.get("/api/v1/plumes")).json()["items"]
    assert listed == {name: value for name, value in plume.items() if name not in {"licence", "attribution"}}
    revisions = (await api.get(f"/api/v1/events/{alert.event_id}/revisions")).json()["items"]
    check_document(revisions[-1], alert, ("peak", "background", "excess", "confidence", "onset", "end", "revision"))
    listed_alert = (await api.get("/api/v1/alerts")).json()["items"][0]
    check_document(listed_alert, alert, ("peak", "severity", "unit", "onset"))
    check_document((await api.get(f"/api/v1/alerts/{listed_alert['id']}")).json(), alert, ("peak", "severity", "onset"))
    async with api.stream("GET", "/api/v1/live") as response, create_client(broker, "a-gateway") as connection:
        received = asyncio.create_task(frames(response, 2, within=10))
        await asyncio.sleep(0.5)
        await connection.publish("pw/v1/ijmond/live", LIVE_MESSAGES[-1].encode())
        frame = next(data for name, _, data in await received if name == "event")
    check_document(frame, alert)


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_people_read_the_same_figures_in_feeds_and_on_pages(api, alert, language):
    for form in ("atom", "rss", "json"):
        feed = (await api.get(f"/feeds/events.{form}?lang={language}")).text
        check_text(extract_text(feed), alert, language)
    for path in (f"events/{alert.event_id}", f"plumes/{alert.plume}"):
        cap = ET.fromstring((await api.get(f"/feeds/{path}.cap")).content)
        check_cap(cap, alert)
        page = extract_text((await api.get(f"/{language}/{path}")).text)
        check_text(page, alert, language)
        assert severity_text(alert.severity, language) in page
    for path in ("", "events"):
        listed = extract_text((await api.get(f"/{language}/{path}")).text)
        assert f"{format_number(alert.peak, language)} µg/m³" in listed
        assert f"{format_ratio(alert.peak, alert.background, alert.unit, language)}×" in listed


def check_cap(document, alert, language="nl"):
    """The figures, the times and the texts of a CAP document; it is valid after it was sent."""
    info = document.find(f"{CAP}info")
    values = {p.findtext(f"{CAP}valueName"): p.findtext(f"{CAP}value") for p in info.iter(f"{CAP}parameter")}
    assert values["peak"] == f"{format_number(alert.peak, 'en')} µg/m³"
    assert values["background"] == f"{format_number(alert.background, 'en')} µg/m³"
    assert values["confidence"] == f"{alert.confidence:.2f}"
    assert info.findtext(f"{CAP}severity").lower() == alert.severity.value
    assert info.findtext(f"{CAP}urgency") == "Past"
    assert datetime.fromisoformat(info.findtext(f"{CAP}onset")) == alert.onset.replace(microsecond=0)
    sent, expires = document.findtext(f"{CAP}sent"), info.findtext(f"{CAP}expires")
    assert datetime.fromisoformat(expires) > datetime.fromisoformat(sent)
    check_text(info.findtext(f"{CAP}headline") + info.findtext(f"{CAP}description"), alert, language)


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_inspectors_read_the_same_figures(api, database, alert, language):
    accounts = Accounts(database)
    await accounts.put_account("anna", Role.INSPECTOR, ["ijmond"], None)
    key = await accounts.put_key("anna", [Scope.ANSWER_ALERTS], ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}"}
    for path in (f"/{language}/inspector", f"/{language}/inspector/events/{alert.event_id}"):
        response = await api.get(path, headers=headers)
        assert response.status_code == 200
        check_text(extract_text(response.text), alert, language, shows_duration="events" in path)
    path = f"/api/v1/events/{alert.event_id}/explanation?language={language}"
    headline = (await api.get(path, headers=headers)).json()["headline"]
    assert f"{format_number(alert.peak, language)} µg/m³" in headline
    assert f"{format_ratio(alert.peak, alert.background, alert.unit, language)}×" in headline


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_every_channel_sends_the_same_figures(alert, broker, tmp_path, language):
    secret, urls = tmp_path / "secret", tmp_path / "urls"
    secret.write_text(SECRET)
    notification = Notification(alert=alert, id="n-1", language=language)
    origin = DeliveryContext(
        public_url="https://p.example", source="urn:x", allow_private=True, received_at=alert.detected_at
    )
    with WebServer(200) as web, MailServer() as mail, ZakenApi(SECRET) as zaken:
        urls.write_text(f"ntfy://127.0.0.1:{web.server.server_port}/pieken")
        smtp = channels.SmtpSettings(port=mail.controller.port, tls="none")
        settings = AlertingSettings(public_url="https://p.example", smtp=smtp)

        async def send(channel):
            done = await deliver(notification, channel, settings, origin, at=datetime.now(UTC))
            assert done.outcome is DeliveryOutcome.DELIVERED, done.detail
            return done.content

        webhook = json.loads(await send(channels.WebhookSettings(url=web.url, secret_file=secret)))
        check_document(webhook["data"], alert)
        cap = ET.fromstring(await send(channels.CapSettings(url=web.url, sender="p@example.org")))
        check_cap(cap, alert, language)
        zgw = {"client_id": "piekwacht", "secret_file": secret}
        sent = json.loads(await send(channels.NotificatiesSettings(url=web.url, kanaal="pieken", **zgw)))
        assert sent["resourceUrl"].endswith(alert.event_id)
        assert sent["kenmerken"]["ernst"] == alert.severity.value
        organisation = {"bronorganisatie": "123456782", "verantwoordelijke_organisatie": "123456782"}
        await send(channels.ZakenSettings(url=zaken.url, zaaktype="https://c.example/1", **organisation, **zgw))
        (zaak,) = zaken.zaken.values()
        check_text(f"{zaak['omschrijving']} {zaak['toelichting']}", alert, language)
        check_text((await send(channels.AppriseSettings(url_file=urls))).decode(), alert, language)
        message = email.message_from_bytes(
            await send(channels.EmailSettings(to=["a@b.nl"])), policy=email.policy.default
        )
        for kind in ("plain", "html"):
            check_text(extract_text(message.get_body((kind,)).get_content()), alert, language)
        assert f"{format_number(alert.peak, language)} µg/m³" in message["subject"]
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.subscribe("alerts", qos=1)
            await send(channels.MqttSettings(host=broker.host, port=broker.port, topic="alerts"))
            async with asyncio.timeout(10):
                published = await anext(aiter(client.messages))
        check_document(json.loads(published.payload)["data"], alert)


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_the_dossier_has_the_same_figures(database, alert, language):
    publisher = DossierPublisher(operator="Piekwacht", public_url="https://p.example")
    dossier = await build_dossier(database, EventRequest(event=alert.event_id, language=language), publisher)
    files = unpack(dossier.content)
    check_document(read_json(files, "event.json"), alert)
    html_text = files["data/dossier.html"].decode()
    text = extract_text(re.sub(r"(?s)<section aria-labelledby=\"s[37]\">.*?</section>", "", html_text))
    check_text(text, alert, language)
    assert severity_text(alert.severity, language) in text
