"""Topics of areas on an ntfy server: their messages, their records, and that they follow the settings."""

import json

import pytest

from alerting.alert import Change, Severity
from alerting.subscriptions.settings import NtfySettings
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, wait_until
from tests.alerting.sample_alerts import make_alert, make_ended_alert
from tests.alerting.subscriptions.conftest import run_service, wait_until_settled

RESULTS = "SELECT channel, reason, outcome, answer FROM subscriptions.delivery ORDER BY ended_at"
TOPICS = "SELECT address FROM subscriptions.contact WHERE kind = 'ntfy' ORDER BY address"


def make_ntfy(server, **changes):
    return NtfySettings(
        **{"server": server.origin, "topics": {"ijmond": "lucht-ijmond"}, "per_second": 1_000, **changes}
    )


async def test_a_topic_gets_a_plume_its_end_and_its_correction(database, settings, alerting, push_service, tmp_path):
    (tmp_path / "token").write_text("tk_secret\n")
    ntfy = make_ntfy(push_service, token_file=tmp_path / "token")
    async with run_service(settings(ntfy=ntfy), alerting(), database):
        await wait_until(lambda: fetch_rows(database, TOPICS))
        for alert in (
            make_alert(severity=Severity.SEVERE),
            make_alert(2, change=Change.UPDATED, severity=Severity.SEVERE),
            make_ended_alert(3, severity=Severity.SEVERE),
            make_alert(4, change=Change.VOIDED),
        ):
            await insert_alerts(database, alert)
            await wait_until_settled(database)
    assert fetch_rows(database, RESULTS) == [
        ("ntfy", reason, "delivered", "HTTP 201") for reason in ("first", "ended", "corrected")
    ]
    assert {(push.path, push.headers["authorization"]) for push in push_service.pushes} == {("/", "Bearer tk_secret")}
    messages = [json.loads(push.body) for push in push_service.pushes]
    assert [(message["topic"], message["priority"]) for message in messages] == [
        ("lucht-ijmond", 4), ("lucht-ijmond", 2), ("lucht-ijmond", 3),
    ]  # fmt: skip
    assert messages[0]["title"] == "Piek PM2,5 bij Wijk aan Zee: ernstig"
    assert messages[0]["click"] == "https://lucht.example/nl/plumes/7ckljx4okjr6urfo"
    assert "µg/m³" in messages[0]["message"]
    assert "tk_secret" not in str(fetch_rows(database, "SELECT * FROM subscriptions.contact"))


async def test_a_peak_below_the_level_or_in_another_area_gives_no_message(database, settings, alerting, push_service):
    ntfy = make_ntfy(push_service, topics={"ijmond": "a", "chemelot": "b"}, level=Severity.SEVERE)
    async with run_service(settings(ntfy=ntfy), alerting(), database):
        await wait_until(lambda: len(fetch_rows(database, TOPICS)) == 2)
        await insert_alerts(database, make_alert(severity=Severity.MODERATE))
        await insert_alerts(database, make_alert(event_id="other", area="chemelot", severity=Severity.EXTREME))
        await wait_until_settled(database)
    assert [json.loads(push.body)["topic"] for push in push_service.pushes] == ["b"]


async def test_a_server_that_refuses_is_tried_again(database, settings, alerting, push_service):
    push_service.answers["/"] = [429, 201]
    async with run_service(settings(ntfy=make_ntfy(push_service)), alerting(), database):
        await wait_until(lambda: fetch_rows(database, TOPICS))
        await insert_alerts(database, make_alert(severity=Severity.SEVERE))
        await wait_until(lambda: len(push_service.pushes) == 2, 30)
        await wait_until_settled(database)
    assert [row[2:] for row in fetch_rows(database, RESULTS)] == [("failed", "HTTP 429"), ("delivered", "HTTP 201")]


async def test_topics_follow_the_settings(database, settings, alerting, push_service):
    for topics, expected in (
        ({"ijmond": "a", "chemelot": "b"}, ["a", "b"]),
        ({"ijmond": "c", "chemelot": "b"}, ["b", "c"]),
        ({}, []),
    ):
        addresses = [(f"{push_service.origin}/{topic}",) for topic in expected]
        ntfy = make_ntfy(push_service, topics=topics) if topics else None
        async with run_service(settings(ntfy=ntfy), alerting(), database):
            await wait_until(lambda: fetch_rows(database, TOPICS) == addresses)  # noqa: B023 - used in this round


async def test_a_topic_moves_to_another_area_with_its_contact(database, settings, alerting, push_service):
    places = "SELECT place, level FROM subscriptions.subscription"
    for area, level in (("ijmond", Severity.MINOR), ("chemelot", Severity.EXTREME)):
        ntfy = make_ntfy(push_service, topics={area: "a"}, level=level)
        async with run_service(settings(ntfy=ntfy), alerting(), database):
            await wait_until(lambda: fetch_rows(database, places) == [(area, level.value)])  # noqa: B023 - as above


@pytest.mark.parametrize("server", ["ftp://ntfy.sh", "https://ntfy.sh/", "https://user@ntfy.sh", "ntfy.sh"])
def test_an_address_that_is_no_server_is_refused(server):
    import msgspec  # noqa: PLC0415 - of this test alone

    with pytest.raises(msgspec.ValidationError, match="server"):
        msgspec.convert({"server": server, "topics": {}}, NtfySettings)
