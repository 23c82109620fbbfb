"""The doctor checks whether subscribed residents would be notified."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gateway import settings
from gateway.__main__ import main
from gateway.doctor import mail
from gateway.doctor.finding import FindingLevel
from gateway.doctor.subscriptions import check_subscriptions
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.alerting.servers import MailServer

PUSH = """[subscriptions]
[subscriptions.push]
key_file = "vapid.pem"
contact = "mailto:beheer@piekwacht.nl"
"""
ADDRESSES = """[alerting]
public_url = "https://kaart.piekwacht.nl"
[alerting.smtp]
sender = "Piekwacht <post@piekwacht.nl>"
"""


@pytest.fixture
def key(tmp_path):
    assert main(["subscriptions", "key", str(tmp_path / "vapid.pem")]) == 0
    return tmp_path / "vapid.pem"


def write(tmp_path, text, dsn=""):
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{dsn}"\n[api]\nport = {find_free_port()}\n{text}')
    return path


def check(tmp_path, text):
    findings = check_subscriptions(settings.read(write(tmp_path, text)), {})
    return [(finding.level, str(finding)) for finding in findings]


def test_without_the_table_the_only_finding_is_a_note(tmp_path):
    ((level, message),) = check(tmp_path, "")
    assert level is FindingLevel.NOTE
    assert "residents cannot subscribe" in message


def test_a_service_that_does_not_answer_is_a_fault_and_a_missing_port_is_named(tmp_path, key):
    ((level, message),) = check(tmp_path, f"{PUSH}{ADDRESSES}[telemetry]\nsubscriptions_port = {find_free_port()}\n")
    assert level is FindingLevel.FAULT
    assert "does not answer at http://127.0.0.1:" in message
    ((level, message),) = check(tmp_path, PUSH + ADDRESSES)
    assert level is FindingLevel.FAULT
    assert "set [telemetry] subscriptions_port" in message


@pytest.mark.parametrize("content", [None, "", "-----BEGIN PRIVATE KEY-----\nhalf"])
def test_a_key_that_cannot_be_used_is_a_fault_that_names_it(tmp_path, content):
    if content is not None:
        (tmp_path / "vapid.pem").write_text(content)
    (level, message), _service = check(tmp_path, PUSH + ADDRESSES)
    assert level is FindingLevel.FAULT
    assert f"{tmp_path}/vapid.pem: no VAPID key" in message
    assert "every browser must subscribe again" in message


@pytest.mark.parametrize("contact", ["mailto:beheer@YOUR-NAME", "mailto:beheer@example.org", "https://kaart.example"])
def test_a_contact_that_nobody_has_is_a_warning(tmp_path, key, contact):
    text = PUSH.replace("mailto:beheer@piekwacht.nl", contact) + ADDRESSES
    (level, message), _service = check(tmp_path, text)
    assert level is FindingLevel.WARNING
    assert f"the contact {contact} does not exist, and Apple refuses" in message


def test_a_sender_and_a_link_that_nobody_has_are_warnings(tmp_path, key):
    (sender, sender_message), (link, link_message), _service = check(tmp_path, PUSH)
    assert {sender, link} == {FindingLevel.WARNING}
    assert "mails to residents come from Piekwacht <piekwacht@localhost>" in sender_message
    assert "links in notices lead to http://127.0.0.1:8080" in link_message
    own = PUSH.replace("[subscriptions]\n", '[subscriptions]\nsender = "Lucht <lucht@piekwacht.nl>"\n')
    (link, _), _service = check(tmp_path, own)
    assert link is FindingLevel.WARNING


def test_a_mail_server_is_needed_though_no_receiver_has_a_mail_address(tmp_path):
    with MailServer() as server:
        text = f'[alerting.smtp]\nhost = "localhost"\ntls = "none"\nport = {server.controller.port}\n'
        read = settings.read(write(tmp_path, text))
        (finding,) = mail.check_mail(read.alerting, has_subscriptions=True)
    assert finding.level is FindingLevel.OK


def test_a_running_service_is_ok_until_it_stops(tmp_path, key, database):
    port = find_free_port()
    path = write(tmp_path, f"{PUSH}{ADDRESSES}[telemetry]\nsubscriptions_port = {port}\n", database)
    program = Path(sys.executable).with_name("piekwacht")

    def examine():
        command = [program, "doctor", "--config", path, "--only", "subscriptions", "--at", "subscriptions=127.0.0.1"]
        process = subprocess.run([*command, "--json"], capture_output=True, text=True)
        return process.returncode, [(finding["level"], finding["message"]) for finding in json.loads(process.stdout)]

    with Child("subscriptions", [program, "subscriptions", "run", "--config", path], log=tmp_path / "log") as child:
        child.wait_until(lambda: is_port_open("127.0.0.1", port), timeout=60)
        child.wait_until(lambda: answers(port), timeout=60)
        assert examine() == (0, [("ok", "the service of subscriptions answers, 0 notices in its queue")])
    code, ((level, _),) = examine()
    assert (code, level) == (1, "fault")


def answers(port):
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return 'piekwacht_service_answered_timestamp_seconds{service="subscriptions"}' in text
