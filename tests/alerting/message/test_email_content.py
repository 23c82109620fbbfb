"""The content of a mail to an inspector; it is sent only to a mail server with a valid certificate."""

import email
import email.policy
import io
import ssl
from contextlib import nullcontext
from datetime import timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs
from PIL import Image

from alerting.alert import Change, NearSite, Place, Severity
from alerting.averaging import AveragingRule
from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings, compose
from alerting.message.chart import draw_chart
from alerting.message.email_content import render_email
from alerting.message.notification import Notification, OriginalNotification
from alerting.message.time_series import FLAG_NAMES, TimeSeries, TimeSeriesPoint, select_window
from alerting.settings import AlertingSettings, ReceiverSettings
from edge_agent.wire import Flag
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer
from tests.alerting.stored_observations import insert_observations

URL = "https://piekwacht.example"
VALUES = [8.0] * 300 + [84.0] * 60 + [20.0] * 60
CURVE = TimeSeries(
    points=tuple(
        TimeSeriesPoint(at=ONSET + timedelta(seconds=n - 300), value=v, flags=64) for n, v in enumerate(VALUES)
    )
)


def parse_mail(envelope):
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def settings_for(server, **smtp):
    return AlertingSettings(
        smtp=SmtpSettings(host="localhost", port=server.controller.port, timeout=3, **smtp),
        receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=["piket@od.example"])])],
        route=[Route(receiver="od")],
    )


@pytest.fixture
def authority(tmp_path):
    certificate_authority = trustme.CA()
    certificate_authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def shown_by(name):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate_authority.issue_cert(name).configure_cert(context)
        return context

    return tmp_path / "ca.pem", shown_by


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_goes_over_tls_to_a_server_with_a_good_certificate(database, authority, tls):
    ca, shown_by = authority
    with MailServer(tls=tls, certificate=shown_by("localhost")) as server:
        async with run_dispatchers(settings_for(server, tls=tls, ca_file=ca), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert len(server.received) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize(("name", "believed"), [("elsewhere.example", True), ("localhost", False)])
async def test_no_mail_is_sent_to_a_server_with_a_wrong_certificate(database, authority, tls, name, believed):
    ca, shown_by = authority
    with MailServer(tls=tls, certificate=shown_by(name)) as server:
        async with run_dispatchers(settings_for(server, tls=tls, ca_file=ca if believed else None), database):
            await insert_alerts(database, make_alert())
            await wait_until_present(database, "SELECT 1 FROM alerting.delivery")
    assert server.received == []
    ((outcome, detail),) = fetch_rows(database, "SELECT outcome, detail FROM alerting.delivery")
    assert outcome == "failed"
    assert "certificate" in detail.lower()


async def test_a_server_that_offers_no_tls_gets_nothing(database):
    with MailServer() as server:
        async with run_dispatchers(settings_for(server, tls="starttls"), database):
            await insert_alerts(database, make_alert())
            await wait_until_present(database, "SELECT 1 FROM alerting.delivery")
    assert server.received == []


async def test_the_chart_shows_the_stored_measurements(database, settings):
    insert_observations(database, VALUES, first_at=ONSET - timedelta(seconds=300), flags=64)
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    message = parse_mail(server.received[0])
    (image,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    html = message.get_body(("html",)).get_content()
    assert f"cid:{image['Content-ID'].strip('<>')}" in html
    assert Image.open(io.BytesIO(image.get_content())).size == (1040, 440)
    text = message.get_body(("plain",)).get_content()
    for words in ("elke seconde; geen uurgemiddelde", "vochtige lucht", "10× achtergrond", "52,0 µg/m³"):
        assert words in text
        assert words in html


async def test_end_and_correction_are_replies_to_the_first_message(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            for alert in (make_alert(), make_alert(2, change=Change.VOIDED)):
                await insert_alerts(database, alert)
                await wait_until_delivered(database)
    first, correction = map(parse_mail, server.received)
    assert correction["In-Reply-To"] == correction["References"] == first["Message-ID"]
    assert "hoort bij ons bericht van" in correction.get_body(("plain",)).get_content()
    assert first["In-Reply-To"] is None


def test_the_english_mail_has_the_facts_of_the_dutch_mail():
    site = NearSite(name="Tata Steel", bearing=251.4, distance=1830.0)
    notification = Notification(
        alert=make_ended_alert(sites=(site,), reasons=("far_above_noise",)),
        id="x",
        language="en",
        time_series=CURVE,
        original=OriginalNotification(id="first", sent_at=ONSET, received_at=ONSET),
        acknowledge_url=f"{URL}/acknowledge/t",
    )
    contents = render_email(notification, public_url=URL)
    assert contents.subject == "Peak over: PM2.5 at Wijk aan Zee: 84.0 µg/m³ (10× background), single reading"
    dutch = render_email(structs.replace(notification, language="nl"), public_url=URL)
    for words in (
        "Mean",
        "humid air",
        "far above the usual noise",
        "12 minutes",
        "Nearby",
        f"{URL}/en/events/",
        "Lasted",
    ):
        assert words in contents.text
        assert words in contents.html
    assert not {"achtergrond", "Zekerheid", "Opgemerkt"} & set(contents.text.replace(":", " ").split())
    assert not {"background", "Confidence", "Noticed"} & set(dutch.text.split())


@pytest.mark.parametrize(
    ("rule", "unit", "mean"),
    [
        (AveragingRule.ENERGY, "dB[SPL]", "72,5"),
        (AveragingRule.QUADRATIC, "mm/s", "60,6"),
        (AveragingRule.ARITHMETIC, "ug/m3", "60,5"),
    ],
)
def test_mean_of_an_event_follows_the_rule_of_its_property(rule, unit, mean):
    values = [60.0] * 59 + [90.0]
    points = tuple(TimeSeriesPoint(at=ONSET + timedelta(seconds=n), value=v) for n, v in enumerate(values))
    alert = make_ended_alert(averaging=rule, unit=unit, end=points[-1].at, peak=90.0, background=40.0)
    notification = Notification(alert=alert, id="x", time_series=TimeSeries(points=points))
    text = compose(notification, channel=EmailSettings(to=["a@b.nl"]), smtp=SmtpSettings(), public_url=URL, at=ONSET)
    assert f" {mean} " in text.get_body(("plain",)).get_content().replace("\u202f", " ").replace("\xa0", " ")


def test_flags_are_those_of_the_wire():
    assert [flag.name.lower() for flag in sorted(Flag)] == list(FLAG_NAMES)


def test_the_window_is_bounded_however_long_an_event_lasts():
    since, until = select_window(make_alert(), ONSET + timedelta(days=9))
    assert since <= make_alert().peak_at <= until <= since + timedelta(hours=3)
    since, until = select_window(make_alert(peak_at=ONSET + timedelta(days=2)), ONSET + timedelta(days=9))
    assert since <= ONSET + timedelta(days=2) <= until <= since + timedelta(hours=3)
    assert select_window(make_ended_alert(), ONSET + timedelta(days=9))[1] == ONSET + timedelta(minutes=17)


@pytest.mark.parametrize("points", [(), CURVE.points[:1]])
def test_a_time_series_with_too_few_points_is_a_value_error(points):
    with pytest.raises(ValueError, match="too few"):
        draw_chart(Notification(alert=make_alert(), id="x", time_series=TimeSeries(points=points)))


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=3, max_size=50))
def test_any_curve_is_drawn_or_refused(values):
    points = tuple(TimeSeriesPoint(at=ONSET + timedelta(seconds=n), value=v) for n, v in enumerate(values))
    value_count = sum(value is not None for value in values)
    with pytest.raises(ValueError, match="too few") if value_count < 2 else nullcontext():
        assert draw_chart(Notification(alert=make_alert(), id="x", time_series=TimeSeries(points=points))).startswith(
            b"\x89PNG"
        )


ANY = st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    [
        "a\r\nBcc: all@example.org",
        "a\nSubject: x",
        "\x00",
        "a\r\n\r\n<script>",
        "\u2028Bcc: x",
        "\x0bBcc: x",
        "\x85Bcc: x",
    ]
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.tuples(ANY, ANY, ANY, ANY, ANY, ANY))
def test_no_field_can_add_a_header_or_a_tag(hostile):
    place, observed_property, unit, reason, detector, event = hostile
    alert = make_alert(
        place=Place(name=place, latitude=52, longitude=4), observed_property=observed_property, unit=unit,
        reasons=(reason,), detector=detector, event_id=event, severity=Severity.MINOR,
    )  # fmt: skip
    notification = Notification(
        alert=alert, id="e-1-od", gathered=(alert,) * (len(place) % 2), acknowledge_url=f"{URL}/{event}"
    )
    message = compose(notification, channel=EmailSettings(to=["a@b.nl"]), smtp=SmtpSettings(), public_url=URL, at=ONSET)
    sent = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert sorted(sent.keys()) == sorted([
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language", "MIME-Version",
        "Content-Type",
    ])  # fmt: skip
    assert "<script" not in sent.get_body(("html",)).get_content()
