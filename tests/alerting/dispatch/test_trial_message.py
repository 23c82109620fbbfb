"""A test message goes to real servers, has an outcome for each addressee and contains no measurement."""

import json
from email import message_from_bytes, policy

import psycopg
import pytest
from msgspec import structs

from alerting.delivery.channel import DeliveryOutcome
from alerting.delivery.settings import CapSettings, EmailSettings, ZakenSettings
from alerting.dispatch.trial_message import send_test
from alerting.errors import AlertingError
from alerting.settings import ReceiverSettings
from gateway.__main__ import main
from tests.alerting.servers import MailServer, WebServer

FIRST, SECOND = "piket@od.example", "gone@od.example"


async def collect(settings, *arguments):
    return {channel: delivery async for channel, delivery in send_test(settings, *arguments)}


async def test_each_channel_and_addressee_has_its_outcome(settings):
    with MailServer(recipients={SECOND: ["550 unknown"]}) as mail, WebServer(500) as web:
        trial = settings(mail=mail, web=web)
        trial = structs.replace(
            trial, receiver=[structs.replace(trial.receiver[0], email=[EmailSettings(to=[FIRST, SECOND])])]
        )
        outcomes = await collect(trial, "od")
        only_mail = await collect(trial, "od", "email")
    assert {entry.addressee: entry.outcome for entry in outcomes["email:0"].addressees} == {
        FIRST: DeliveryOutcome.DELIVERED, SECOND: DeliveryOutcome.REFUSED,
    }  # fmt: skip
    assert outcomes["webhook:0"].outcome is DeliveryOutcome.FAILED
    assert list(only_mail) == ["email:0"]
    event = json.loads(web.requests[0][1])
    assert (event["type"], event["data"]["kind"]) == ("nl.piekwacht.proef.v1", "test")
    message = message_from_bytes(mail.received[0].content, policy=policy.default)
    assert message["Subject"] == "Proefbericht van Piekwacht aan od: u hoeft niets te doen"
    text = message.get_body(("plain",)).get_content()
    assert "Er is geen piek gemeten" in text
    assert "µg/m³" not in text
    assert "acknowledge" not in text


async def test_a_cap_server_gets_a_test_and_a_zaken_api_gets_no_zaak(settings, tmp_path):
    secret = tmp_path / "zaken"
    secret.write_text("s" * 40)
    with MailServer() as mail, WebServer(200) as cap, WebServer((200, {"body": '{"results": []}'})) as zaken:
        receiver = ReceiverSettings(
            name="od",
            email=[EmailSettings(to=[FIRST])],
            cap=[CapSettings(url=cap.url, sender="od@od.example", timeout=2)],
            zaken=[
                ZakenSettings(
                    url=zaken.url, client_id="piekwacht", secret_file=secret, bronorganisatie="000000000",
                    verantwoordelijke_organisatie="000000000", zaaktype="https://zaken.example/zaaktype", timeout=2,
                )
            ],
        )  # fmt: skip
        outcomes = await collect(structs.replace(settings(mail=mail), receiver=[receiver]), "od")
    assert {
        name: delivery.detail
        for name, delivery in outcomes.items()
        if delivery.outcome is not DeliveryOutcome.DELIVERED
    } == {}
    assert b"<status>Test</status>" in cap.requests[0][1]
    assert [body for _, body in zaken.requests] == [b""], "one question, and no zaak"


async def test_an_unknown_receiver_or_channel_is_named(settings):
    with MailServer() as mail:
        with pytest.raises(AlertingError, match="there is no receiver 'ggd'; the settings have: od"):
            await collect(settings(mail=mail), "ggd")
        with pytest.raises(AlertingError, match="od has no channel 'cap'; it has: email:0"):
            await collect(settings(mail=mail), "od", "cap")
        assert mail.received == []


def test_the_command_prints_each_outcome_and_stores_no_alert(database, tmp_path, capsys):
    with MailServer(recipients={SECOND: ["550 unknown"]}) as mail:
        config = tmp_path / "piekwacht.toml"
        config.write_text(
            f"""[database]
dsn = "{database}"
[alerting.smtp]
host = "127.0.0.1"
port = {mail.controller.port}
tls = "none"
[[alerting.receiver]]
name = "od"
email = [{{ to = ["{FIRST}", "{SECOND}"] }}]
"""
        )
        assert main(["alerts", "test", "od", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"email:0      {FIRST}: delivered (")
    assert lines[1].startswith(f"email:0      {SECOND}: refused (")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM alerting.inbox").fetchone() == (0,)
