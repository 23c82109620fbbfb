"""Records of decisions, deliveries and acknowledgements are only added, never changed."""

import hashlib
import json

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.errors import AlertingError
from alerting.record import evidence
from alerting.record.cases import CaseStore
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer, WebServer


@pytest.fixture
async def sent_body(database, settings):
    with WebServer() as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO alerting.acknowledgement (event_id, who, note) VALUES ('e', 'Jansen', '')")
        connection.execute(
            """INSERT INTO alerting.silence (match, author, reason, ends_at, changed_by)
               VALUES (ARRAY['area="a"'], 'Jansen', 'onderhoud', now() + interval '1 hour', 'Jansen')"""
        )
    return web.requests[0][1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerting.delivery SET outcome = 'failed'",
        "DELETE FROM alerting.delivery",
        "TRUNCATE alerting.delivery CASCADE",
        "UPDATE alerting.decision SET told = false",
        "DELETE FROM alerting.decision WHERE event_id = 'nothing'",
        "UPDATE alerting.acknowledgement SET who = 'somebody else'",
        "DELETE FROM alerting.acknowledgement",
        "UPDATE alerting.inbox SET alert = '{}'",
        "DELETE FROM alerting.inbox",
        "DELETE FROM alerting.outbox",
        "UPDATE alerting.silence SET reason = 'another'",
        "DELETE FROM alerting.silence",
        "UPDATE alerting.sent SET content = ''",
    ],
)
async def test_recorded_rows_cannot_be_changed_or_removed(database, sent_body, statement):
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege, match="record"):
        connection.execute(statement)


async def test_a_delivery_stores_hash_size_and_rules_of_the_sent_message(database, sent_body):
    ((sha256, size, rules),) = fetch_rows(database, "SELECT sha256, bytes, rules FROM alerting.delivery")
    assert (sha256, size) == (hashlib.sha256(sent_body).digest(), len(sent_body))
    assert fetch_rows(database, "SELECT rules FROM alerting.decision") == [(rules,)]
    assert len(rules) == 12


async def test_a_record_holds_every_message_and_each_change_of_it_is_an_error(database, settings):
    with MailServer() as server, WebServer() as web:
        async with run_dispatchers(settings(mail=server, web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
            await insert_alerts(database, make_ended_alert())
            await wait_until_delivered(database)
    await CaseStore(database).acknowledge(make_alert().event_id, "anna", "gezien")
    record = evidence.decode_record(
        evidence.encode_record(await CaseStore(database).build_record(make_alert().event_id))
    )
    assert list(evidence.find_errors(record)) == []
    sent = dict(evidence.extract_contents(record)).values()
    assert {body for _, body in web.requests} <= set(sent)
    assert [b"Piek voorbij" in content or b"voorbij" in content for content in sent].count(True) >= 1
    assert len(sent) == 4
    seen_entries = [entry for entry in record.entries if entry["step"] == "seen"]
    assert [entry["alert"]["revision"] for entry in seen_entries] == [1, 2]
    assert record.entries[-1]["sentence"]["nl"] == "anna is ermee bezig (ingelogd): gezien"
    assert await CaseStore(database).build_record("nothing") is None

    head = ""  # the check of docs/alerting-evidence.md, which needs no code of ours
    for entry in json.loads(evidence.encode_record(record))["entries"]:
        entry_hash = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        head = hashlib.sha256((head + text).encode()).hexdigest()
        assert head == entry_hash
    assert head == record.head

    for number, entry in enumerate(record.entries):
        for changed in (
            [*record.entries[:number], {**entry, "at": "2020-01-01T00:00:00Z"}, *record.entries[number + 1 :]],
            record.entries[:number] + record.entries[number + 1 :],
            [*record.entries[:number], entry, *record.entries[number:]],
        ):
            assert list(evidence.find_errors(structs.replace(record, entries=changed))) != []


def test_a_file_that_is_no_record_is_refused_in_one_sentence():
    for content in (
        b"",
        b"{}",
        b"[1]",
        b'{"form":"x","event":"e","made_at":"2026-11-21T00:00:00Z","entries":[],"head":""}',
    ):
        with pytest.raises(AlertingError, match="a record of alerts"):
            evidence.decode_record(content)


@given(st.text(max_size=10))
def test_a_forged_message_never_passes(text):
    entry = {"step": "tried", "sha256": hashlib.sha256(b"the one that was sent").hexdigest(), "content": text}
    forged = evidence.build_record("e", [], {}, {}, ONSET)
    head = evidence._hash_entry("", entry)
    forged = structs.replace(forged, entries=[{**entry, "hash": head}], head=head)
    assert list(evidence.find_errors(forged)) == ["entry 1: the content is not the one that was sent"]
