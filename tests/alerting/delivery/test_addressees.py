"""Each addressee of a notification has its own outcome: in the retries, in the record, and for the operator."""

import json
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.decide.no_data import NoDataSettings
from alerting.delivery.addressees import build_delivery, combine_outcomes
from alerting.delivery.channel import WAITING_OUTCOMES, AddresseeOutcome, DeliveryOutcome
from alerting.delivery.retry import MAX_RETRY_AFTER, FinalState, NextAttempt, plan_next_attempt
from alerting.delivery.settings import AppriseSettings, EmailSettings, SmtpSettings
from alerting.delivery.smtp import send
from alerting.dispatch import outbox
from alerting.errors import SettingsError
from alerting.record.cases import CaseStore
from alerting.record.history import DeliveryStep, describe_step, describe_step_details
from alerting.settings import ReceiverSettings
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    skip_retry_delay,
    wait_until,
    wait_until_delivered,
)
from tests.alerting.sample_alerts import ONSET, make_alert
from tests.alerting.servers import MailServer, WebServer, serve

ANN, BOB, CAS = "ann@od.example", "bob@od.example", "cas@od.example"
NEWEST = """SELECT addressee, outcome FROM (SELECT DISTINCT ON (addressee) addressee, outcome
            FROM alerting.addressee_outcome ORDER BY addressee, attempt DESC) AS newest ORDER BY 1"""
LAST_ATTEMPT = """UPDATE alerting.outbox SET attempts = 9, next_attempt_at = now() - interval '1 s'
                  WHERE state = 'pending'"""
DELIVERED, REFUSED, FAILED, UNKNOWN = (
    DeliveryOutcome.DELIVERED, DeliveryOutcome.REFUSED, DeliveryOutcome.FAILED, DeliveryOutcome.UNKNOWN,
)  # fmt: skip


def make_settings(settings, **options):
    """Settings with three addressees in one mail channel."""
    chosen = settings(**options)
    receiver = structs.replace(chosen.receiver[0], email=[EmailSettings(to=[ANN, BOB, CAS])])
    return structs.replace(chosen, receiver=[receiver])


async def explain(dsn):
    case = await CaseStore(dsn).get_case(make_alert().event_id)
    return [step for step in case.steps if isinstance(step, DeliveryStep)]


async def test_three_addressees_have_three_outcomes_and_only_the_third_is_tried_again(database, settings):
    answers = {BOB: ["550 5.1.1 no such user"], CAS: ["450 4.2.1 try later", "250 OK"]}
    with MailServer(recipients=answers) as server:
        async with run_dispatchers(make_settings(settings, mail=server), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert [mail.rcpt_tos for mail in server.received] == [[ANN], [CAS]]
    assert fetch_rows(database, NEWEST) == [(ANN, "delivered"), (BOB, "refused"), (CAS, "delivered")]
    assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("partial",)]
    first, second = await explain(database)
    assert (first.outcome, second.outcome) == ("partial", "delivered")
    sentence = describe_step(first, "en")
    assert sentence == (
        f"e-mail to od: partly delivered ({ANN} delivered; {BOB} refused; {CAS} failed, is tried again)"
    )
    assert f"{BOB}: 550 5.1.1 no such user" in describe_step_details(first, "en")


async def test_after_a_worker_died_only_unsettled_addressees_get_the_mail_again(database, settings):
    with MailServer(recipients={BOB: ["550 no"], CAS: ["450 later", "250 OK"]}) as server:
        chosen = make_settings(settings, mail=server)
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, make_alert())
            await wait_until(lambda: fetch_rows(database, "SELECT 1 FROM alerting.delivery"))
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await connection.execute("UPDATE alerting.outbox SET next_attempt_at = now()")
            lease = await outbox.acquire_lease(chosen, connection)
            assert (lease.attempts, lease.may_be_repeat, set(lease.settled)) == (2, False, {ANN, BOB})
            # and dies after the server has answered, before the record
        async with run_dispatchers(chosen, database):
            await wait_until_delivered(database)
    first, last = server.received
    assert (first.rcpt_tos, last.rcpt_tos) == ([ANN], [CAS])
    assert b"Mogelijk een herhaling" in last.content.replace(b"=\r\n", b"")
    assert fetch_rows(database, "SELECT attempt, outcome FROM alerting.delivery ORDER BY 1") == [
        (1, "partial"),
        (3, "delivered"),
    ]


async def test_a_mail_accepted_by_all_addressees_is_delivered_with_all_names_in_its_header(database, settings):
    with MailServer() as server:
        async with run_dispatchers(make_settings(settings, mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    (mail,) = server.received
    assert mail.rcpt_tos == [ANN, BOB, CAS]
    assert f"To: {ANN}, {BOB}, {CAS}".encode() in mail.content.replace(b"\r\n ", b" ")
    assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("delivered",)]


async def test_the_operator_is_notified_of_a_refusing_addressee_and_of_the_end_of_the_refusal(database, settings):
    answers = {BOB: ["550 5.1.1 no such user", "250 OK"]}
    with MailServer(recipients=answers) as server, WebServer() as web:
        chosen = make_settings(settings, mail=server, web=web)
        network = ReceiverSettings(name="network", webhook=chosen.receiver[0].webhook)
        receivers = [structs.replace(chosen.receiver[0], webhook=[]), network]
        chosen = structs.replace(chosen, receiver=receivers, no_data=NoDataSettings(receiver="network"))
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, make_alert())
            await wait_until(lambda: fetch_rows(database, "SELECT 1 FROM alerting.refusal"))
        async with run_dispatchers(chosen, database):  # a new worker checks the network at once
            await wait_until(lambda: len(web.requests) == 1)
            await insert_alerts(database, make_alert(event_id="second", station="velsen"))
            await wait_until(lambda: not fetch_rows(database, "SELECT 1 FROM alerting.refusal"))
        async with run_dispatchers(chosen, database):
            await wait_until(lambda: len(web.requests) == 2)
    refused, over = (json.loads(body)["data"] for _, body in web.requests)
    assert refused["sentence"]["nl"].startswith(f"Berichten aan {BOB} worden geweigerd (ontvanger od, e-mail, sinds ")
    assert refused["sentence"]["nl"].endswith("550 5.1.1 no such user")
    assert (over["change"], over["event_id"]) == ("ended", refused["event_id"])


async def test_the_operator_is_notified_of_a_webhook_with_410_and_of_an_abandoned_webhook(database, settings):
    for status, outcome in ((410, "gone"), (500, "abandoned")):
        with WebServer(status) as web:
            async with run_dispatchers(settings(web=web), database):
                await insert_alerts(database, make_alert(event_id=outcome, station=outcome))
                if outcome == "abandoned":
                    await wait_until(
                        lambda: fetch_rows(
                            database, "SELECT 1 FROM alerting.outbox WHERE attempts = 1 AND state = 'pending'"
                        )
                    )
                    with psycopg.connect(database, autocommit=True) as connection:
                        connection.execute(LAST_ATTEMPT)
                await wait_until_delivered(database)
        newest = "SELECT outcome FROM alerting.delivery ORDER BY ended_at DESC LIMIT 1"
        assert fetch_rows(database, newest) == [(outcome,)]
        assert fetch_rows(database, "SELECT receiver, channel, addressee FROM alerting.refusal") == [
            ("od", "webhook:0", "")
        ]
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DELETE FROM alerting.refusal")


async def test_an_addressee_that_was_removed_from_the_settings_is_no_fault(database, settings):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO alerting.refusal VALUES ('od', 'email:0', 'gone@od.example', now(), '550')")
    with MailServer() as server:
        chosen = make_settings(settings, mail=server, no_data=NoDataSettings(receiver="od"))
        async with run_dispatchers(chosen, database):
            await wait_until(lambda: not fetch_rows(database, "SELECT 1 FROM alerting.refusal"))
    assert server.received == []


async def test_the_next_channel_is_used_only_if_no_addressee_is_reached(database, settings):
    for answers, calls in (({ANN: ["550 no"], BOB: ["450 no"], CAS: ["550 no"]}, 1), ({ANN: ["550 no"]}, 0)):
        with MailServer(recipients=answers) as server, WebServer() as web:
            chosen = make_settings(settings, mail=server, web=web)
            receiver = structs.replace(chosen.receiver[0], order=["email:0", "webhook:0"])
            async with run_dispatchers(structs.replace(chosen, receiver=[receiver]), database):
                await insert_alerts(database, make_alert(event_id=f"calls{calls}", station=f"s{calls}"))
                await wait_until_delivered(database)
            assert len(web.requests) == calls


@asynccontextmanager
async def scripted_smtp(*answers):
    """An SMTP server that sends these answers in turn, one per line it gets; None: hangs up."""

    async def talk(reader, writer):
        remaining, is_data = list(answers), False
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            if is_data and line != b".\r\n":
                continue
            answer = b"250 OK" if line.startswith(b"EHLO") else remaining.pop(0) if remaining else b"221 bye"
            is_data = answer is not None and answer.startswith(b"354")
            if answer is None:
                break
            writer.write(answer + b"\r\n")

    async with serve(talk) as port:
        yield port


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ([b"250", b"250", b"550 no", b"450 no", b"354", b"250 q"], [DELIVERED, REFUSED, FAILED]),
        ([b"250", b"250", b"550 no", b"450 no", b"354", b"554 spam"], [REFUSED, REFUSED, FAILED]),
        ([b"250", b"250", b"550 no", b"250", b"354", b"451 later"], [FAILED, REFUSED, FAILED]),
        ([b"250", b"250", b"550 no", b"250", b"354", None], [UNKNOWN, REFUSED, UNKNOWN]),
        ([b"250", b"250", b"550 no", b"250", None], [FAILED, REFUSED, FAILED]),
        ([b"250", b"550 no", None], [REFUSED, FAILED, FAILED]),
        ([b"550 who are you"], [FAILED, FAILED, FAILED]),
        ([b"250", b"250", b"421 busy"], [FAILED, FAILED, FAILED]),
        ([b"250", b"251 forwarded", b"550 no", b"552 too many", b"354", b"250 q"], [DELIVERED, REFUSED, FAILED]),
        ([b"250", b"530 log in", b"503 order", b"501 no address"], [FAILED, FAILED, REFUSED]),
        ([b"250", b"250", b"250", b"250", b"554 no"], [FAILED, FAILED, FAILED]),
        ([b"250", b"250", b"250", b"250", b"354", b"252 perhaps"], [DELIVERED, DELIVERED, DELIVERED]),
        ([b"250", b"250", b"250", b"250", b"354", b"what"], [UNKNOWN, UNKNOWN, UNKNOWN]),
        ([b"250", b"250", b"250", b"250", b"354", b"150 wait"], [UNKNOWN, UNKNOWN, UNKNOWN]),
        ([b"250", b"250", b"250", b"250", b"354", b"421 full"], [FAILED, FAILED, FAILED]),
        ([b"250", b"250", b"250", b"250", b"354", b"250 q", None], [DELIVERED, DELIVERED, DELIVERED]),
        ([b"450 busy"], [FAILED, FAILED, FAILED]),
        ([b"250", b"550 no", b"550 no", b"550 no"], [REFUSED, REFUSED, REFUSED]),
    ],
)  # fmt: skip
async def test_an_smtp_conversation_that_breaks_anywhere_gives_each_addressee_its_outcome(answers, outcomes):
    async with scripted_smtp(*answers) as port:
        smtp = SmtpSettings(host="127.0.0.1", port=port, tls="none", timeout=2)
        done = await send(b"Subject: x\r\n\r\nx\r\n", sender="p@p.example", addressees=[ANN, BOB, CAS], smtp=smtp)
    assert [entry.outcome for entry in done.addressees] == outcomes


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
async def test_each_service_of_apprise_has_its_own_outcome(database, settings, tmp_path):
    with WebServer(200) as good, WebServer(500, 200) as bad, MailServer() as mail:
        urls = "\n".join(f"ntfy://127.0.0.1:{web.server.server_port}/pieken" for web in (good, bad))
        (tmp_path / "urls").write_text(urls)
        chosen = settings(mail=mail)
        receiver = ReceiverSettings(name="od", apprise=[AppriseSettings(url_file=tmp_path / "urls")])
        async with run_dispatchers(structs.replace(chosen, receiver=[receiver]), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert (len(good.requests), len(bad.requests)) == (1, 2)
    assert fetch_rows(database, "SELECT outcome FROM alerting.delivery ORDER BY attempt") == [
        ("partial",),
        ("delivered",),
    ]


@pytest.mark.parametrize("sender", ["nonsense", "", "a\nBcc: x <a@b.nl>", "P <p@>"])
def test_a_sender_that_is_no_address_is_refused_in_one_sentence(sender):
    with pytest.raises(SettingsError, match="sender"):
        SmtpSettings(sender=sender)


@pytest.mark.parametrize("addresses", [["ann@od.example", "Ann@od.example"], ["änn@od.example"], ["nobody"]])
def test_addresses_that_cannot_work_are_refused_in_one_sentence(addresses):
    with pytest.raises(SettingsError, match="address"):
        EmailSettings(to=addresses)


OUTCOMES = st.sampled_from([DELIVERED, REFUSED, FAILED, UNKNOWN])


def make_delivery(outcomes):
    entries = [AddresseeOutcome(addressee=str(n), outcome=o, detail="") for n, o in enumerate(outcomes)]
    return build_delivery(entries, "", b"")


@given(st.lists(OUTCOMES, min_size=1, max_size=5), st.lists(OUTCOMES, max_size=5), st.integers(1, 12))
def test_a_notification_is_retried_while_an_addressee_waits_and_then_has_its_final_state(latest, settled, attempts):
    earlier = {f"s{n}": o for n, o in enumerate(settled) if o not in WAITING_OUTCOMES}
    step = plan_next_attempt(make_delivery(latest), attempts=attempts, now=ONSET, settled=earlier)
    waits = any(outcome in WAITING_OUTCOMES for outcome in latest)
    assert isinstance(step, NextAttempt) == (waits and attempts <= 9)
    if isinstance(step, FinalState):
        everyone = [*latest, *earlier.values()]
        assert (step.state is DELIVERED) == all(outcome is DELIVERED for outcome in everyone)
        assert (step.state is DeliveryOutcome.PARTIAL) == (DELIVERED in everyone and set(everyone) != {DELIVERED})
        assert step.state not in WAITING_OUTCOMES - {UNKNOWN}


@given(st.lists(OUTCOMES, min_size=1, max_size=6), st.randoms())
def test_the_order_of_addressees_changes_nothing(outcomes, chance):
    shuffled = outcomes.copy()
    chance.shuffle(shuffled)
    assert combine_outcomes(outcomes) is combine_outcomes(shuffled)


@given(st.integers(-10, 10_000_000), st.integers(1, 9))
def test_a_requested_pause_is_obeyed_up_to_its_limit(seconds, attempts):
    delayed = structs.replace(make_delivery([FAILED]), retry_after=ONSET + timedelta(seconds=seconds))
    plain = plan_next_attempt(make_delivery([FAILED]), attempts=attempts, now=ONSET).at
    at = plan_next_attempt(delayed, attempts=attempts, now=ONSET).at
    assert at == max(plain, ONSET + min(timedelta(seconds=seconds), MAX_RETRY_AFTER))
