"""What an inspector reads at three in the morning, and what a machine gets."""

from datetime import UTC, datetime

import msgspec
import pytest

from alerting.alert import Alert, Change, NearSite, Place
from alerting.delivery.address_check import is_public
from alerting.delivery.email import EmailSettings, SmtpSettings, compose
from alerting.message.cloud_event import build_cloud_event
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.vocabulary import format_number
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

URL = "https://piekwacht.example"


def text_of(one, **options):
    return render_email(Notification(alert=one, id="x", **options), public_url=URL)


def test_the_subject_says_what_where_and_how_high():
    assert text_of(make_alert()).subject == "Piek PM2,5 bij Wijk aan Zee: 84,0 µg/m³ (10× achtergrond)"
    assert text_of(make_ended_alert()).subject.startswith("Piek voorbij: PM2,5 bij Wijk aan Zee")
    assert text_of(make_alert(2, change=Change.VOIDED)).subject.startswith("Correctie: geen piek")


def test_times_are_local_with_their_offset():
    assert "za 21-11-2026 03:03:04 (CET, UTC+0100)" in text_of(make_alert()).text


def test_the_text_says_all_that_the_html_says():
    contents = text_of(make_alert(sites=(NearSite(name="Tata Steel", bearing=251.4, distance=1830.0),)))
    for words in (
        "75,6 µg/m³",
        "8,4",
        "93 %",
        "Tata Steel, 1,8 km naar het westen (251°)",
        f"{URL}/events/7ckljx4okjr6urfo",
        "peak@1#0123abcd",
    ):
        assert words in contents.text
        assert words in contents.html


def test_no_claim_of_a_legal_exceedance_is_made():
    contents = text_of(make_alert())
    assert "overschr" not in contents.text + contents.html
    assert "wettelijke norm" in contents.text


def test_a_possible_repeat_is_marked():
    assert "Mogelijk een herhaling" in text_of(make_alert(), repeat=True).text
    assert "Mogelijk een herhaling" not in text_of(make_alert()).text


def test_a_hostile_place_name_is_only_text():
    hostile = Place(name='<script>alert("x")</script>\r\nBcc: all@example.org', latitude=52.0, longitude=4.0)
    message = compose(
        Notification(alert=make_alert(place=hostile), id="x"),
        channel=EmailSettings(to=["piket@od.example"]),
        smtp=SmtpSettings(),
        public_url=URL,
        at=ONSET,
    )
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    assert "<script>" not in message.get_body(("html",)).get_content()


def test_the_cloud_event_keeps_the_nl_gov_profile_and_carries_the_whole_alert():
    told = Notification(alert=make_alert(), id="x")
    event = msgspec.json.decode(build_cloud_event(told, source="urn:nld:oin:1:systeem:p", public_url=URL, at=ONSET))
    assert event["specversion"] == "1.0"
    assert event["id"] == "7ckljx4okjr6urfo-1"
    assert event["type"] == "nl.piekwacht.pieken.gedetecteerd.v1"
    assert event["source"].startswith("urn:nld:oin:")
    assert msgspec.convert(event["data"], Alert, strict=False) == make_alert()


@pytest.mark.parametrize(("value", "words"), [(84.0, "84,0"), (0.156, "0,16"), (458.2, "458"), (-12.34, "-12,3")])
def test_figures_are_written_as_the_dutch_write_them(value, words):
    assert format_number(value) == words


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_webhooks_go_to_the_open_internet_only(address, public):
    assert is_public(address) is public


def test_a_local_summer_time_is_named_so():
    summer = datetime(2026, 7, 1, 1, 2, 3, tzinfo=UTC)
    assert "wo 01-07-2026 03:02:03 (CEST, UTC+0200)" in text_of(make_alert(onset=summer)).text
