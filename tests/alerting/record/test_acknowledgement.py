"""The link in a mail is valid only with our signature and until it expires; only the button acknowledges."""

import asyncio
import email
import email.policy
import re
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from alerting.decide.routing import Route
from alerting.delivery.settings import EmailSettings
from alerting.record.acknowledgement import (
    TokenPayload,
    TokenRejection,
    parse_form,
    render_page,
    sign_token,
    verify_token,
)
from alerting.settings import MAX_RECEIVER_NAME, ReceiverSettings
from edge_agent.configuration import ConfigurationError
from gateway.settings import read as read_settings
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer
from tests.gateway.api.conftest import running_api

KEYS = {1: b"k" * 32, 2: b"n" * 32}
EXPIRES = int((ONSET + timedelta(days=1)).timestamp())
INVITATION = TokenPayload(
    event="e1", receiver="od", notification_id="e1-1-od-email-0-0", expires=EXPIRES, language="nl"
)
TOKEN = sign_token(INVITATION, KEYS)


def make_payload(*, event="e1", receiver="od", notification_id="e1-1-od-email-0-0"):
    return TokenPayload(event=event, receiver=receiver, notification_id=notification_id, expires=EXPIRES, language="nl")


@given(st.builds(TokenPayload, event=st.text(), receiver=st.text(), notification_id=st.text(), expires=st.just(EXPIRES),
                 language=st.sampled_from(["nl", "en"])))  # fmt: skip
def test_reading_is_the_inverse_of_signing(invitation):
    try:
        token = sign_token(invitation, KEYS)
    except ValueError:
        assert len(json.encode(invitation)) > 600
    else:
        assert verify_token(token, KEYS, ONSET) == invitation


@pytest.mark.parametrize("length", [1, MAX_RECEIVER_NAME])
def test_a_receiver_of_any_name_that_the_settings_accept_can_answer(length):
    receiver = ReceiverSettings(name="r" * length, email=[EmailSettings(to=["a@b.nl"])])
    event = make_alert().event_id + "-" * 100
    notification_id = f"{event}-{2**31}-{receiver.name}-notificaties-99-{2**31}"
    payload = make_payload(event=event, receiver=receiver.name, notification_id=notification_id)
    assert verify_token(sign_token(payload, KEYS), KEYS, ONSET) == payload


def test_a_receiver_with_a_longer_name_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "piekwacht.toml"
    receiver = f'[[alerting.receiver]]\nname = "{"r" * (MAX_RECEIVER_NAME + 1)}"\nemail = [{{ to = ["a@b.nl"] }}]\n'
    file.write_text(f'[database]\ndsn = ""\n{receiver}')
    with pytest.raises(ConfigurationError, match="write a name of at most 63 characters"):
        read_settings(file)


def test_a_token_that_would_be_refused_is_not_signed():
    with pytest.raises(ValueError, match="at most 1000 are read"):
        sign_token(make_payload(receiver="r" * 700), KEYS)


def test_a_token_expires_at_its_stated_time_and_not_before():
    last = ONSET + timedelta(days=1) - timedelta(seconds=1)
    assert verify_token(TOKEN, KEYS, last) == INVITATION
    assert verify_token(TOKEN, KEYS, last + timedelta(seconds=1)) is TokenRejection.EXPIRED


@given(st.text(max_size=400))
def test_a_token_with_a_false_signature_is_forged_and_raises_nothing(text):
    assert verify_token(text, KEYS, ONSET) is TokenRejection.FORGED


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("AZaz09-_.é"))
def test_no_letter_of_a_token_can_be_changed(at, letter):
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    if changed != TOKEN:
        outcome = verify_token(changed, KEYS, ONSET)
        assert outcome is TokenRejection.FORGED or (
            at == len(TOKEN) - 1 and outcome == INVITATION
        )  # base64's spare bits


def test_a_token_of_a_retired_key_is_rejected():
    assert verify_token(sign_token(INVITATION, {1: KEYS[1]}), KEYS, ONSET) == INVITATION
    assert verify_token(sign_token(INVITATION, {1: KEYS[1]}), {2: KEYS[2]}, ONSET) is TokenRejection.FORGED


@pytest.mark.parametrize("body", [b"", b"x", b"List-Unsubscribe=One-Click", b"acknowledge=no", b"\xff", b"&" * 50])
def test_a_form_without_the_button_acknowledges_nothing(body):
    assert parse_form(body) is None


@given(st.binary(max_size=200))
def test_no_form_raises_an_error(body):
    parse_form(body)


def test_an_answer_is_one_printable_line():
    answer = parse_form(b"acknowledge=yes&name=J%0D%0A%00Jansen&note=" + b"x" * 3000)
    assert answer.name == "J Jansen"
    assert len(answer.note) == 1000


def test_the_page_is_in_the_receivers_language_and_hides_nothing_hostile():
    hostile = TokenPayload(event="e1", receiver="<b>", notification_id="m", expires=1, language="en")
    page = render_page(hostile, make_alert(), [], token=TOKEN, event_ended=False)
    assert '<html lang="en">' in page
    assert "Peak PM2.5 at Wijk aan Zee: 84.0" in page
    assert "<b>" not in page


def link_in(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    text = message.get_body(("plain",)).get_content()
    return re.search(r"https?://\S+/acknowledge/(\S+)", text)[1]


async def test_a_scanner_that_opens_the_link_acknowledges_nothing_and_a_person_does(database, broker, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, route=[Route(receiver="od", remind_minutes=10)]), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    path = f"/acknowledge/{link_in(server.received[0])}"
    query = "SELECT event_id, who, note, receiver, via FROM alerting.acknowledgement"
    async with running_api(database, broker) as (client, _):
        for _ in range(3):
            page = await client.get(path)
            assert page.status_code == 200
            assert "no-store" in page.headers["cache-control"]
            assert "noindex" in page.headers["x-robots-tag"]
        assert (await client.post(path)).status_code == 200  # a scanner that posts what it finds, without the button
        assert fetch_rows(database, query) == []
        form = {"acknowledge": "yes", "name": "Jansen", "note": "ga kijken"}
        for _ in range(2):
            assert (await client.post(path, data=form)).status_code == 303
        assert fetch_rows(database, query) == [(make_alert().event_id, "Jansen", "ga kijken", "od", "link")]
        assert "Jansen" in (await client.get(path)).text
        assert (await client.post(path, data={"acknowledge": "yes"})).status_code == 303  # one click, no name
        assert [row[1] for row in fetch_rows(database, query)] == ["Jansen", "od"]


async def deliver_link(database, settings):
    """Return the token of one alert's mail."""
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    return link_in(server.received[0])


async def count_connections(database, until):
    """Return the most connections of the acknowledgement page at one time, until the event is set."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'piekwacht acknowledgement'"
    counts = [0]
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        while not until.is_set():
            counts.append((await (await connection.execute(query)).fetchone())[0])
            await asyncio.sleep(0.005)
    return max(counts)


async def test_many_simultaneous_requests_for_a_link_use_few_connections_and_are_all_answered(
    database, broker, settings
):
    path = f"/acknowledge/{await deliver_link(database, settings)}"
    async with running_api(database, broker) as (client, _):
        is_over = asyncio.Event()
        counting = asyncio.create_task(count_connections(database, is_over))
        answers = await asyncio.gather(
            *(client.get(path) for _ in range(50)),
            *(client.get(f"/acknowledge/{TOKEN}") for _ in range(50)),
            *(client.post(path, data={"acknowledge": "yes", "name": f"n{number}"}) for number in range(20)),
        )
        is_over.set()
    assert [answer.status_code for answer in answers] == [200] * 50 + [404] * 50 + [303] * 20
    assert 1 <= await counting <= 4


async def test_a_replayed_link_adds_at_most_a_hundred_acknowledgements(database, broker, settings):
    path = f"/acknowledge/{await deliver_link(database, settings)}"
    async with running_api(database, broker) as (client, _):
        for number in range(110):
            form = {"acknowledge": "yes", "name": f"name {number}"}
            assert (await client.post(path, data=form)).status_code == 303
    assert fetch_rows(database, "SELECT count(*) FROM alerting.acknowledgement") == [(100,)]


async def test_a_link_with_a_false_signature_is_404_and_stores_nothing(database, broker):
    async with running_api(database, broker) as (client, _):
        for method in ("GET", "POST"):
            answered = await client.request(method, f"/acknowledge/{TOKEN}", content=b"acknowledge=yes")
            assert (answered.status_code, "Deze link klopt niet" in answered.text) == (404, True)
        assert (await client.post(f"/acknowledge/{TOKEN}", content=b"x" * 10_000)).status_code == 413
    assert fetch_rows(database, "SELECT * FROM alerting.acknowledgement") == []


async def test_one_acknowledgement_covers_all_alerts_gathered_into_the_message(database, broker, settings):
    with MailServer() as server:
        chosen = settings(mail=server, burst=1, gather_seconds=1.0)
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, *[make_alert(event_id=f"event{n}", station=f"s{n}") for n in range(20)])
            await wait_until_delivered(database)
    async with running_api(database, broker) as (client, _):
        for envelope in server.received:
            await client.post(f"/acknowledge/{link_in(envelope)}", data={"acknowledge": "yes"})
    assert fetch_rows(database, "SELECT count(DISTINCT event_id) FROM alerting.acknowledgement") == [(20,)]


async def test_the_message_about_an_end_has_no_acknowledgement_link(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
            await insert_alerts(database, make_ended_alert())
            await wait_until_delivered(database)
    assert b"/acknowledge/" not in server.received[1].content
