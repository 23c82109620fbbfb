"""The texts of a notification for inspectors, and its CloudEvent for programs."""

from datetime import UTC, datetime

import msgspec
import pytest

from alerting.alert import Alert, AlertWind, Change, Corroboration, NearSite, Place, Severity
from alerting.delivery.address_check import is_public
from alerting.delivery.email import EmailSettings, SmtpSettings, compose
from alerting.message.cloud_event import build_cloud_event
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.vocabulary import LANGUAGES, format_number, format_ratio
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

URL = "https://piekwacht.example"


def text_of(alert, **options):
    return render_email(Notification(alert=alert, id="x", **options), public_url=URL)


def test_the_subject_names_property_place_and_peak():
    assert text_of(make_alert()).subject == "Piek PM2,5 bij Wijk aan Zee: 84,0 µg/m³ (10× achtergrond), losse meting"
    assert text_of(make_ended_alert()).subject.startswith("Piek voorbij: PM2,5 bij Wijk aan Zee")
    assert text_of(make_alert(2, change=Change.VOIDED)).subject.startswith("Correctie: geen piek")


def test_times_are_local_with_their_offset():
    assert "za 21-11-2026 03:03:04 (CET, UTC+0100)" in text_of(make_alert()).text


def test_the_text_has_all_facts_of_the_html():
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_links_to_the_page_of_the_plume(language):
    notification = Notification(alert=make_alert(plume="r7zq4ogyzxa5hm3t"), id="x", language=language)
    contents = render_email(notification, public_url=URL)
    page = f"{URL}{'' if language == 'nl' else '/en'}/plumes/r7zq4ogyzxa5hm3t"
    assert page in contents.text
    assert page in contents.html
    assert "/events/7ckljx4okjr6urfo" not in contents.text.replace("/inspector/events/", "")


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
    notification = Notification(alert=make_alert(), id="x")
    event = msgspec.json.decode(
        build_cloud_event(notification, source="urn:nld:oin:1:systeem:p", public_url=URL, at=ONSET)
    )
    assert event["specversion"] == "1.0"
    assert event["id"] == "7ckljx4okjr6urfo-1"
    assert event["type"] == "nl.piekwacht.pieken.gedetecteerd.v1"
    assert event["source"].startswith("urn:nld:oin:")
    assert msgspec.convert(event["data"], Alert, strict=False) == make_alert()


@pytest.mark.parametrize(("value", "words"), [(84.0, "84,0"), (0.156, "0,16"), (458.2, "458"), (-12.34, "-12,3")])
def test_figures_have_the_dutch_notation(value, words):
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


def test_the_offset_is_written_once_and_again_only_where_it_differs():
    assert text_of(make_ended_alert()).text.count("UTC+0100") == 1
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # summer time ends half an hour later
    ended = make_ended_alert(onset=night, peak_at=night, detected_at=night, end=night.replace(hour=2))
    text = text_of(ended).text
    assert "zo 25-10-2026 02:30:00 (CEST, UTC+0200)" in text
    assert "zo 25-10-2026 03:30:00 (CET, UTC+0100)" in text


def test_a_falling_signal_is_never_described_as_rising():
    facts = {
        "peak": 28842.0,
        "background": 30597.0,
        "excess": -1755.0,
        "unit": "{ticks}",
        "observed_property": "voc_raw",
    }
    contents = text_of(make_alert(**facts, property_name={"nl": "VOC", "en": "VOC"}))
    assert contents.subject == "Piek VOC bij Wijk aan Zee: daalde naar 94 % van de achtergrond, losse meting"
    for words in ("Laagste waarde", "94 % van de achtergrond", "Dit ruwe signaal daalt"):
        assert words in contents.text
        assert words in contents.html
    assert "ticks" not in contents.text + contents.html
    assert "Hoogste waarde" not in contents.text
    assert "×" not in contents.text
    english = render_email(Notification(alert=make_alert(**facts), id="x", language="en"), public_url=URL)
    assert "fell to 94 % of its background" in english.subject


def test_a_message_names_wind_neighbours_and_facilities():
    site = NearSite(name="Tata Steel", bearing=251.4, distance=1830.0, is_upwind=True)
    neighbours = Corroboration(risen=3, total=9, window=200)
    alert = make_alert(sites=(site,), wind=AlertWind(direction=250.0, speed=4.24), neighbours=neighbours)
    contents = text_of(alert, also_told=("provincie", "ggd"))
    for words in (
        "Tata Steel, 1,8 km naar het westen (251°), de wind kwam daarvandaan",
        "uit het westen, 4,2 m/s",
        "3 van 9 stations in de buurt stegen ook binnen 4 min.",
        "provincie, ggd",
    ):
        assert words in contents.text
        assert words in contents.html
    assert "binnen" not in text_of(make_alert(neighbours=Corroboration(risen=0, total=2))).text


@pytest.mark.parametrize(
    ("severity", "colour"), [(Severity.MINOR, "#c79a2b"), (Severity.MODERATE, "#d97228"), (Severity.SEVERE, "#b3261e")]
)
def test_the_bar_of_a_mail_has_the_colour_of_its_severity_on_the_pages(severity, colour):
    assert f"border-top:6px solid {colour}" in text_of(make_alert(severity=severity)).html
    assert "border-top:6px solid #4a6b57" in text_of(make_ended_alert(severity=severity)).html


@pytest.mark.parametrize(
    ("peak", "background", "ratio"),
    [(34.0, 10.0, "3,4"), (35.0, 10.0, "3,5"), (14.9, 10.0, ""), (125.0, 10.0, "13"), (5.0, 0.0, ""), (5.0, -1.0, "")],
)
def test_a_multiple_is_rounded_once_for_all(peak, background, ratio):
    assert format_ratio(peak, background, "ug/m3") == ratio
    assert format_ratio(peak, background, "dB(A)") == ""


@pytest.mark.parametrize(("value", "words"), [(100.5, "101"), (0.125, "0,13"), (-0.125, "-0,13"), (2.25, "2,3")])
def test_halves_are_rounded_as_browsers_do(value, words):
    assert format_number(value) == words
