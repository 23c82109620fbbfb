"""Each channel sends to a real server on loopback, which accepts, refuses or does not answer."""

import asyncio
import json
import re
from contextlib import suppress
from xml.etree import ElementTree as ET

import aiomqtt
import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import Change, Place
from alerting.decide.reason_detail import describe_detail
from alerting.decide.routing import Route
from alerting.delivery.apprise import AppriseSettings
from alerting.delivery.cap import CapSettings, map_notification
from alerting.delivery.channel import DeliveryContext, DeliveryOutcome
from alerting.delivery.mqtt import MqttSettings
from alerting.delivery.notificaties import NotificatiesSettings
from alerting.delivery.webhook import WebhookSettings
from alerting.delivery.zaken import ZakenSettings
from alerting.dispatch.deliver import deliver
from alerting.errors import SettingsError
from alerting.message.cap import build_cap
from alerting.message.notification import Notification, OriginalNotification
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.system.child_process import find_free_port
from tests.alerting.conftest import SECRET
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import WebServer
from tests.alerting.zaken_server import ZakenApi

ORIGIN = DeliveryContext(
    public_url="https://p.example", source="urn:nld:oin:1:systeem:p", allow_private=True, received_at=ONSET
)
NOTIFICATION = Notification(alert=make_alert(), id="7ckljx4okjr6urfo-1-od-x-0-0")
FIRST = OriginalNotification(id=NOTIFICATION.id, sent_at=ONSET, received_at=ONSET)
VOIDED = structs.replace(NOTIFICATION, alert=make_alert(2, change=Change.VOIDED), id="e-2-od-x-0-0", original=FIRST)
RSIN = "123456782"
OLD_IMPORT = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise's, before Python 3.13


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path


def make_channel(kind, url, secret):
    return {
        "webhook": lambda: WebhookSettings(url=url, secret_file=secret, timeout=1),
        "cap": lambda: CapSettings(url=url, sender="piekwacht@example.org", token_file=secret, timeout=1),
        "notificaties": lambda: NotificatiesSettings(
            url=url, kanaal="pieken", client_id="piekwacht", secret_file=secret, timeout=1
        ),
        "zaken": lambda: ZakenSettings(
            url=url, zaaktype="https://catalogi.example/zaaktypen/1", bronorganisatie=RSIN,
            verantwoordelijke_organisatie=RSIN, client_id="piekwacht", secret_file=secret, timeout=1,
        ),
    }[kind]()  # fmt: skip


async def send(channel, notification=NOTIFICATION, origin=ORIGIN):
    return await deliver(notification, channel, AlertingSettings(public_url=origin.public_url), origin, at=ONSET)


@pytest.mark.parametrize("kind", ["webhook", "cap", "notificaties", "zaken"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, DeliveryOutcome.DELIVERED),
        (299, DeliveryOutcome.DELIVERED),
        (400, DeliveryOutcome.FAILED),
        (403, DeliveryOutcome.FAILED),
        (404, DeliveryOutcome.FAILED),
        (410, DeliveryOutcome.GONE),
        (302, DeliveryOutcome.FAILED),
        (308, DeliveryOutcome.FAILED),
        (429, DeliveryOutcome.FAILED),
        (503, DeliveryOutcome.FAILED),
        (0, DeliveryOutcome.UNKNOWN),
        (-1, DeliveryOutcome.UNKNOWN),
        (-2, DeliveryOutcome.UNKNOWN),
    ],
)
async def test_every_answer_over_http_has_its_outcome(secret, kind, status, outcome):
    with WebServer(status) as web:
        done = await send(make_channel(kind, web.url, secret))
    assert done.outcome is outcome
    assert len(web.requests) == 1
    assert done.content == web.requests[0][1]


@pytest.mark.parametrize("kind", ["webhook", "cap", "notificaties", "zaken"])
async def test_an_unreachable_address_is_retried_and_a_private_address_is_refused(secret, kind):
    channel = make_channel(kind, f"http://127.0.0.1:{find_free_port()}/", secret)
    assert (await send(channel)).outcome is DeliveryOutcome.FAILED
    done = await send(channel, origin=structs.replace(ORIGIN, allow_private=False))
    assert (done.outcome, describe_detail(done.detail, "nl")) == (
        DeliveryOutcome.REFUSED,
        "127.0.0.1 is geen openbaar adres",
    )


@pytest.mark.parametrize("url", ["ftp://example.org/", "nonsense", "https://", "http://[::1"])
def test_an_invalid_address_is_refused_at_parsing(secret, url):
    for kind in ("webhook", "cap", "notificaties", "zaken"):
        with pytest.raises(SettingsError, match="no address"):
            make_channel(kind, url, secret)


async def test_a_zaak_is_opened_once_despite_a_lost_answer_and_gets_the_result_of_the_event(secret):
    with ZakenApi(SECRET) as api:
        channel = make_channel("zaken", api.url, secret)
        api.lost_responses = 1
        assert (await send(channel)).outcome is DeliveryOutcome.UNKNOWN
        assert (await send(channel)).outcome is DeliveryOutcome.DELIVERED
        (zaak,) = api.zaken.values()
        assert (zaak["identificatie"], zaak["startdatum"]) == ("PW-7ckljx4okjr6urfo", "2026-11-21")
        assert zaak["zaakgeometrie"] == {"type": "Point", "coordinates": [4.594, 52.494]}
        over = structs.replace(NOTIFICATION, alert=make_ended_alert(), id="e-2", original=FIRST)
        assert (await send(channel, over)).outcome is DeliveryOutcome.DELIVERED
        assert (await send(channel, VOIDED)).outcome is DeliveryOutcome.DELIVERED
    (zaak,) = api.zaken.values()
    assert "geen piek" in zaak["toelichting"]
    assert [method for method, _ in api.requests] == ["POST", "POST", "GET", "PATCH", "GET", "PATCH"]


async def test_a_zaak_with_a_url_on_another_server_is_refused(secret):
    with ZakenApi(SECRET) as api:
        channel = make_channel("zaken", api.url, secret)
        await send(channel)
        next(iter(api.zaken.values()))["url"] = "http://127.0.0.1:1/zaken/api/v1/zaken/0"
        assert (await send(channel, VOIDED)).outcome is DeliveryOutcome.REFUSED


async def test_a_notificatie_has_the_standards_fields_and_a_token(secret):
    with WebServer(201) as web:
        await send(make_channel("notificaties", web.url, secret))
    headers, body = web.requests[0]
    lowered = {name.lower(): value for name, value in headers.items()}
    claims = jwt.decode(lowered["authorization"][7:], SECRET, algorithms=["HS256"], options={"verify_iat": False})
    assert claims["iat"] == int(ONSET.timestamp())
    assert json.loads(body) == {
        "kanaal": "pieken",
        "hoofdObject": "https://p.example/api/v1/events/7ckljx4okjr6urfo",
        "resource": "piek",
        "resourceUrl": "https://p.example/api/v1/events/7ckljx4okjr6urfo",
        "actie": "create",
        "aanmaakdatum": "2026-11-21T02:03:04Z",
        "kenmerken": {"gebied": "ijmond", "station": "wijk-aan-zee", "grootheid": "pm2_5", "ernst": "severe"},
    }


SPACE = "{urn:oasis:names:tc:emergency:cap:1.2}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
PLAIN = re.compile(r"[^\s,<&]+")
ORDER = {
    "alert": "identifier sender sent status msgType source scope restriction addresses code note references incidents "
    "info",
    "info": "language category event responseType urgency severity certainty audience eventCode effective onset "
    "expires senderName headline description instruction web contact parameter resource area",
    "area": "areaDesc polygon circle geocode altitude ceiling",
    "parameter": "valueName value",
}  # fmt: skip
WORDS = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}
REQUIRED = {
    "alert": {"identifier", "sender", "sent", "status", "msgType", "scope"},
    "info": {"category", "event", "urgency", "severity", "certainty"},
    "area": {"areaDesc"},
    "parameter": {"valueName", "value"},
}


def check_cap(element):
    """The rules of the CAP 1.2 schema, as far as our documents can meet them."""
    tag = element.tag.removeprefix(SPACE)
    assert element.tag.startswith(SPACE)
    if tag not in ORDER:
        text = element.text or ""
        assert len(element) == 0
        if tag in WORDS:
            assert text in WORDS[tag].split()
        if tag in {"sent", "onset", "expires"}:
            assert MOMENT.fullmatch(text)
        if tag in {"identifier", "sender"}:
            assert PLAIN.fullmatch(text)
        if tag == "circle":
            assert re.fullmatch(r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?", text)
        if tag == "references":
            sender, identifier, sent_at = text.split(",")
            assert PLAIN.fullmatch(sender)
            assert PLAIN.fullmatch(identifier)
            assert MOMENT.fullmatch(sent_at)
        return
    children = [child.tag.removeprefix(SPACE) for child in element]
    places = [ORDER[tag].split().index(child) for child in children]
    assert places == sorted(places)
    assert REQUIRED[tag] <= set(children)
    for child in element:
        check_cap(child)


def build_cap_document(notification, sender="p@example.org", at=ONSET):
    channel = CapSettings(url="https://cap.example/", sender=sender, addresses="od")
    return ET.fromstring(
        build_cap(map_notification(notification, channel, public_url="https://p.example", sent=ONSET, attempted_at=at))
    )


def cap_field(root, path):
    return root.findtext("/".join(SPACE + part for part in path.split("/")))


async def test_a_cap_document_keeps_the_schemas_rules_and_refers_to_the_first(secret):
    with WebServer(200) as web:
        for notification in (NOTIFICATION, VOIDED):
            assert (await send(make_channel("cap", web.url, secret), notification)).outcome is DeliveryOutcome.DELIVERED
    first, cancel = (ET.fromstring(body) for _, body in web.requests)
    check_cap(first)
    check_cap(cancel)
    assert (cap_field(first, "msgType"), cap_field(cancel, "msgType")) == ("Alert", "Cancel")
    reference = f"{cap_field(first, 'sender')},{cap_field(first, 'identifier')},{cap_field(first, 'sent')}"
    assert cap_field(cancel, "references") == reference
    assert cap_field(first, "sent") == "2026-11-21T03:03:04+01:00"
    assert cap_field(first, "info/area/circle") == "52.494,4.594 0.5"
    headers = {name.lower(): value for name, value in web.requests[0][0].items()}
    assert headers["content-type"] == "application/cap+xml; charset=utf-8"
    assert headers["authorization"] == f"Bearer {SECRET}"


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=40), st.text(max_size=40), st.sampled_from(list(Change)), st.floats(0, 1), st.integers(0, 3),
)  # fmt: skip
def test_no_name_breaks_a_cap_document(place, event, change, confidence, gathered):
    where = Place(name=place, latitude=52.4, longitude=4.6)
    alert = make_alert(place=where, event_id=event, change=change, confidence=confidence, observed_property=event)
    check_cap(
        build_cap_document(
            structs.replace(NOTIFICATION, alert=alert, id=f"{event}-1", gathered=(alert,) * gathered),
            sender=place + "x",
        )
    )


def test_an_end_has_urgency_past_and_a_data_gap_has_category_infra():
    assert (
        cap_field(build_cap_document(structs.replace(NOTIFICATION, alert=make_ended_alert())), "info/urgency") == "Past"
    )
    silent = build_cap_document(
        structs.replace(NOTIFICATION, alert=make_alert(kind="silent", sentence={"nl": "Geen gegevens"}))
    )
    check_cap(silent)
    assert (cap_field(silent, "status"), cap_field(silent, "info/category")) == ("System", "Infra")
    assert "peak" not in [element.text for element in silent.iter(f"{SPACE}valueName")]


async def receive_on_topic(broker, topic, publish):
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(topic, qos=1)
        done = await publish()
        async with asyncio.timeout(10):
            return done, await anext(aiter(client.messages))


async def test_an_alert_counts_as_delivered_when_the_broker_acknowledged_its_message(broker):
    channel = MqttSettings(host=broker.host, port=broker.port, topic="alerts/{area}/{station}")
    hostile = structs.replace(NOTIFICATION, alert=make_alert(station="a/+/#"))
    done, message = await receive_on_topic(broker, "alerts/#", lambda: send(channel, hostile))
    assert done.outcome is DeliveryOutcome.DELIVERED
    assert str(message.topic) == "alerts/ijmond/a----"
    assert message.payload == done.content
    assert msgspec.json.decode(message.payload)["data"]["event_id"] == make_alert().event_id


async def test_a_stopped_broker_is_retried_and_a_missing_acknowledgement_is_unknown():
    channel = MqttSettings(host="127.0.0.1", port=find_free_port(), topic="alerts", timeout=1)
    assert (await send(channel)).outcome is DeliveryOutcome.FAILED

    async def silent_after_connecting(reader, writer):
        await reader.read(100)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK, and never a PUBACK
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(silent_after_connecting, "127.0.0.1", channel.port):
        done = await send(channel)
    assert done.outcome is DeliveryOutcome.UNKNOWN


@pytest.mark.parametrize("topic", ["", "a/#", "a/+/b", "{river}"])
def test_a_topic_that_cannot_be_published_on_is_refused(topic):
    with pytest.raises(SettingsError, match="topic"):
        MqttSettings(host="localhost", topic=topic)


@OLD_IMPORT
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(("status", "outcome"), [(200, DeliveryOutcome.DELIVERED), (500, DeliveryOutcome.FAILED)])
async def test_apprise_reaches_ntfy(tmp_path, status, outcome, short):
    with WebServer(status) as web:
        (tmp_path / "url").write_text(f"ntfy://127.0.0.1:{web.server.server_port}/pieken")
        done = await send(AppriseSettings(url_file=tmp_path / "url", short=short))
    assert done.outcome is outcome
    payload = json.loads(web.requests[0][1])
    assert payload["title"] == "Piek PM2,5 bij Wijk aan Zee: 84,0 µg/m³ (10× achtergrond), losse meting"
    assert payload["message"] == "https://p.example/events/7ckljx4okjr6urfo" or not short


@OLD_IMPORT
async def test_a_url_that_apprise_does_not_support_is_reported(tmp_path):
    (tmp_path / "url").write_text("carrier-pigeon://home")
    done = await send(AppriseSettings(url_file=tmp_path / "url"))
    assert done.outcome is DeliveryOutcome.FAILED
    assert "no URL that apprise knows" in done.detail


async def test_all_channels_of_a_receiver_deliver_and_are_recorded(database, broker, secret):
    with WebServer(200) as web, ZakenApi(SECRET) as api:
        receiver = ReceiverSettings(
            name="od",
            webhook=[make_channel("webhook", web.url, secret)],
            cap=[make_channel("cap", web.url, secret)],
            notificaties=[make_channel("notificaties", web.url, secret)],
            zaken=[make_channel("zaken", api.url, secret)],
            mqtt=[MqttSettings(host=broker.host, port=broker.port, topic="alerts")],
        )
        chosen = AlertingSettings(receiver=[receiver], route=[Route(receiver="od")], allow_private=True)
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    deliveries = fetch_rows(database, "SELECT channel, state FROM alerting.outbox ORDER BY 1")
    assert deliveries == [(f"{kind}:0", "delivered") for kind in ("cap", "mqtt", "notificaties", "webhook", "zaken")]
