"""Health advice of a receiver: its own text for each severity, with its source, for ongoing peaks only."""

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.decide.routing import Route
from alerting.delivery.cap import map_notification
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.delivery.settings import CapSettings
from alerting.errors import SettingsError
from alerting.message.cap import build_cap
from alerting.message.cloud_event import build_cloud_event
from alerting.message.email_content import render_email
from alerting.message.health import HealthAdvice, describe_advice
from alerting.message.notification import Notification
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.message.test_email_content import parse_mail
from tests.alerting.running_dispatcher import insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import make_alert, make_ended_alert
from tests.alerting.servers import MailServer

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SOURCE = "GGD Kennemerland, maart 2026"
ADVICE = HealthAdvice(
    source=SOURCE,
    minor="Er is niets nodig.",
    moderate="Houd ramen dicht.",
    severe="Blijf\n binnen.",
    extreme="Blijf binnen en bel bij klachten.",
)
TEXTS = {"minor": "Er is niets nodig.", "moderate": "Houd ramen dicht.", "severe": "Blijf binnen.",
         "extreme": "Blijf binnen en bel bij klachten."}  # fmt: skip


@pytest.mark.parametrize("severity", Severity)
def test_each_severity_has_its_own_text_and_source_in_text_and_html(severity):
    alert = make_alert(severity=severity)
    advice = describe_advice(ADVICE, alert, "nl")
    assert advice == f"{TEXTS[severity]} (Bron: {SOURCE}.)"
    content = render_email(Notification(alert=alert, id="n", health=advice), public_url="https://piek.example")
    assert content.template_error is None
    for text in (" ".join(content.text.split()), content.html):
        assert advice in text
        assert [other for other in TEXTS.values() if other in text] == [TEXTS[severity]]


@pytest.mark.parametrize("severity", Severity)
def test_machines_get_the_advice_of_the_mail(severity):
    alert = make_alert(severity=severity)
    advice = describe_advice(ADVICE, alert, "nl")
    gathered = (make_alert(event_id="other", severity=Severity.EXTREME),)
    notification = Notification(alert=alert, id="n", health=advice, gathered=gathered)
    channel = CapSettings(url="https://cap.example", sender="piek@od.example")
    message = map_notification(notification, channel, public_url="https://x.example", sent=NOW, attempted_at=NOW)
    assert [info.instruction for info in message.infos] == [advice, ""], "of a gathered alert it is not"
    assert advice not in message.infos[1].description
    document = build_cap(message).decode()
    assert document.count(f"<instruction>{advice}</instruction>") == 1
    single = structs.replace(notification, gathered=())
    event = msgspec.json.decode(build_cloud_event(single, source="s", public_url="https://x.example", at=NOW))
    assert event["data"]["health"] == advice
    without = structs.replace(single, health=None)
    event = msgspec.json.decode(build_cloud_event(without, source="s", public_url="https://x.example", at=NOW))
    assert "health" not in event["data"]


def test_markup_in_a_text_is_escaped():
    advice = describe_advice(HealthAdvice(source="<b>", minor="<script>alert(1)</script>"), make_alert(), "nl")
    alert = make_alert(severity=Severity.MINOR)
    html = render_email(Notification(alert=alert, id="n", health=advice), public_url="https://piek.example").html
    assert "<script>" not in html


def test_without_a_text_a_message_has_no_advice():
    only_severe = HealthAdvice(source=SOURCE, severe="Blijf binnen.")
    assert describe_advice(only_severe, make_alert(severity=Severity.MINOR), "nl") is None
    assert describe_advice(None, make_alert(), "nl") is None
    for language in ("nl", "en"):
        content = render_email(
            Notification(alert=make_alert(), id="n", language=language), public_url="https://x.example"
        )
        assert "Gezondheid" not in content.text
        assert "Health" not in content.text


def test_only_an_ongoing_peak_has_advice():
    alert = make_alert(severity=Severity.SEVERE)
    silent = [
        make_ended_alert(severity=Severity.SEVERE),
        structs.replace(alert, change=Change.VOIDED),
        structs.replace(alert, kind="no_data"),
        structs.replace(alert, kind="test"),
        structs.replace(alert, peak=alert.background - 1),
    ]
    assert [describe_advice(ADVICE, other, "nl") for other in silent] == [None] * 5
    assert describe_advice(ADVICE, structs.replace(alert, kind="regional"), "nl") is not None


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"source": " ", "minor": "x"}, "write in `source` who states the advice"),
        ({"source": "GGD"}, "write a text for minor, moderate, severe or extreme"),
        ({"minor": "x"}, "source"),
    ],
)
def test_advice_without_source_or_text_is_refused(document, sentence):
    with pytest.raises((SettingsError, msgspec.ValidationError), match=sentence):
        msgspec.convert(document, HealthAdvice)


async def test_the_mail_of_the_ggd_has_advice_and_the_mail_of_the_authority_has_none(database):
    with MailServer() as server:
        settings = AlertingSettings(
            smtp=SmtpSettings(port=server.controller.port, tls="none"),
            receiver=[
                ReceiverSettings(name="ggd", email=[EmailSettings(to=["ggd@od.example"])], health=ADVICE),
                ReceiverSettings(name="od", email=[EmailSettings(to=["piket@od.example"])]),
            ],
            route=[Route(receiver="ggd", go_on=True), Route(receiver="od")],
        )
        await insert_alerts(database, make_alert(severity=Severity.SEVERE))
        async with run_dispatchers(settings, database):
            await wait_until_delivered(database, within=30)
        mails = {envelope.rcpt_tos[0]: parse_mail(envelope) for envelope in server.received}
    texts = {to: mail.get_body(("plain",)).get_content() for to, mail in mails.items()}
    assert f"Gezondheid: Blijf binnen. (Bron: {SOURCE}.)" in " ".join(texts["ggd@od.example"].split())
    assert "Gezondheid" not in texts["piket@od.example"]
