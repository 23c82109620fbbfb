"""The duty page: alerting's own decisions now and tonight, hand-overs, and test messages with their outcomes."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from alerting.alert import Severity
from alerting.decide.inhibition import KnownSource
from alerting.decide.on_call import Roster, Shift
from alerting.decide.outlook import build_sample_alert, list_outlook, list_turns
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import Route
from alerting.decide.silence import Silence
from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.running_dispatcher import fetch_rows
from tests.alerting.servers import MailServer
from tests.gateway.api.conftest import running_api
from tests.gateway.api.inspector.test_inbox import plumes  # noqa: F401 - a fixture
from tests.gateway.api.inspector.test_inspector import silence

NOW = datetime(2026, 11, 28, 22, 7, tzinfo=UTC)  # 23:07 on a Saturday
SAMPLE = build_sample_alert(
    area="ijmond", station="wijk-aan-zee", name="Wijk aan Zee", latitude=52.5, longitude=4.6,
    observed_property="pm2_5", severity=Severity.SEVERE, at=NOW,
)  # fmt: skip


def test_the_outlook_is_the_policy_at_every_quarter_of_an_hour_and_names_only_changes():
    night, day = Route(receiver="piket", hours=["18:00-08:00"]), Route(receiver="kantoor")
    mute = Silence(
        id=1, match=['station="wijk-aan-zee"'], author="anna", reason="onderhoud",
        starts_at=NOW + timedelta(hours=1, minutes=8), ends_at=NOW + timedelta(hours=2, minutes=8),
    )  # fmt: skip
    policy = NotificationPolicy([night, day], [], [mute])
    steps = list_outlook(policy, SAMPLE, NOW, NOW + timedelta(hours=24))
    described = [
        (f"{step.at:%H:%M}", [(d.receiver, d.notify, d.reason.value) for d in step.decisions if d.receiver])
        for step in steps
    ]
    assert [at for at, _ in described] == ["22:07", "23:15", "00:15", "07:00", "17:00"]
    assert ("piket", False, "silenced") in described[1][1]
    assert ("piket", True, "routed") in described[0][1]
    assert ("kantoor", True, "routed") in described[3][1]
    for step in steps:
        assert list(step.decisions) == policy.decide(SAMPLE, {}, step.at)


def test_turns_of_a_roster_have_their_exchanges():
    begins = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    exchange = Shift(receiver="bob", begins=NOW + timedelta(hours=2), ends=NOW + timedelta(hours=10))
    roster = Roster(name="piket", otherwise="od", turn=["anna", "bob"], begins=begins, shift=[exchange])
    turns = list_turns(roster, NOW, NOW + timedelta(days=7))
    assert [turn.receiver for turn in turns] == ["anna", "bob", "anna", "bob"]
    assert turns[3].at == begins + timedelta(days=7)


@pytest.fixture
def mail_server():
    with MailServer(recipients={"b@od.example": ["550 unknown"]}) as server:
        yield server


def make_settings(server):
    receiver = ReceiverSettings(name="od", email=[EmailSettings(to=["a@od.example", "b@od.example"])])
    source = KnownSource(
        name="Hoogoven 6", match=['station="geleen"'], legal_basis="v-1", owner="x", until=date(2099, 1, 1), level=9
    )
    return AlertingSettings(
        receiver=[receiver],
        route=[Route(receiver="piket")],
        roster=[Roster(name="piket", otherwise="od")],
        known_source=[source],
        smtp=SmtpSettings(port=server.controller.port, tls="none", timeout=5),
    )


async def test_the_page_shows_what_the_policy_decides_with_the_silences_of_now(
    database, broker, node, keys, mail_server
):
    async with running_api(database, broker, alerting=make_settings(mail_server)) as (api, _):
        page = (await api.get("/nl/inspector/duty", headers=keys["anna"])).text
        assert "od krijgt bericht: een regel leidt naar deze ontvanger (dienst volgens rooster piket)" in " ".join(
            page.split()
        )
        assert "Hoogoven 6" in page
        await api.post("/api/v1/silences", json=silence(), headers=keys["anna"])
        page = (await api.get("/nl/inspector/duty", headers=keys["anna"])).text
        assert re.search(r"od krijgt geen bericht: .*onweer", page)
        assert "station Wijk aan Zee" in page
        for query in ("?station=nothing", "?severity=nothing&property=x", "?station=%00"):
            assert (await api.get(f"/nl/inspector/duty{query}", headers=keys["anna"])).status_code == 200, query


async def test_a_test_message_goes_out_and_the_page_has_the_outcome_of_every_addressee(
    database, broker, node, keys, mail_server
):
    async with running_api(database, broker, alerting=make_settings(mail_server)) as (api, _):
        answer = await api.post("/nl/inspector/duty/test", data={"receiver": "od"}, headers=keys["anna"])
        assert answer.status_code == 200
        assert "e-mail, a@od.example: bezorgd" in answer.text
        assert re.search(r"e-mail, b@od\.example: geweigerd \(550", answer.text)
        assert len(mail_server.received) == 1
        soon = await api.post("/nl/inspector/duty/test", data={"receiver": "od"}, headers=keys["anna"])
        assert soon.status_code == 429
        unknown = await api.post("/nl/inspector/duty/test", data={"receiver": "x"}, headers=keys["anna"])
        assert unknown.status_code == 404
        for account, status in (("dirk", 403), (None, 401)):
            path = "/nl/inspector/duty/test"
            refused = await api.post(path, data={"receiver": "od"}, headers=keys.get(account, {}))
            assert refused.status_code == status
    assert ("test message od",) in fetch_rows(database, "SELECT object FROM access.audit")


async def test_a_hand_over_names_both_inspectors_and_the_open_plumes(api, plumes, keys, database):  # noqa: F811
    form = {"successor": "Bob <b>", "text": "let op de fakkel"}
    answer = await api.post("/nl/inspector/duty/handover", data=form, headers=keys["anna"])
    assert answer.headers["location"] == "/nl/inspector/duty#handover"
    page = (await api.get("/nl/inspector/duty", headers=keys["anna"])).text
    assert re.search(r"<strong>anna[^<]* → Bob &lt;b&gt;</strong>", page)
    assert "let op de fakkel" in page
    assert '<a href="/nl/inspector/plumes/open">1</a>' in page
    assert "fakkel" not in (await api.get("/nl/inspector/duty", headers=keys["bob"])).text
    assert "fakkel" in (await api.get("/nl/inspector/duty", headers=keys["carla"])).text
    empty = await api.post("/nl/inspector/duty/handover", data={"successor": " "}, headers=keys["anna"])
    assert empty.status_code == 400
    assert fetch_rows(database, "SELECT successor, plumes FROM alerting.handover") == [("Bob <b>", ["open"])]
