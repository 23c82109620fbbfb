"""Notified receivers: the public list counts addressees by outcome, and inspectors read each addressee."""

import psycopg
import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from tests.gateway.api.observation_batches import ingest_observations

ANN, BOB, CAS = "ann@od.example", "bob@od.example", "cas@od.example"


@pytest.fixture
async def event_id(database, pipeline, node):
    """An event whose mail to three addresses was tried twice: delivered, refused, and still failing."""
    await ingest_observations(pipeline, node)
    with psycopg.connect(database, autocommit=True) as connection:
        outbox_id, event = connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state, attempts)
               SELECT id, 1, 'od', 'email:0', 'n-1', 'pending', 2 FROM event RETURNING id, event_id"""
        ).fetchone()
        for attempt, outcome in ((1, "partial"), (2, "failed")):
            connection.execute(
                """INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256)
                   VALUES (%s, %s, now(), %s, '', '')""",
                [outbox_id, attempt, outcome],
            )
        rows = [
            (1, ANN, "delivered", "250 OK"), (1, BOB, "refused", "550 no such user"), (1, CAS, "failed", "450 later"),
            (2, CAS, "failed", "450 later"),
        ]  # fmt: skip
        for row in rows:
            connection.execute("INSERT INTO alerting.addressee_outcome VALUES (%s, %s, %s, %s, %s)", [outbox_id, *row])
    return event


async def test_the_public_list_counts_addressees_by_outcome_and_names_none(api, event_id):
    response = await api.get(f"/api/v1/alerts?event={event_id}")
    (item,) = response.json()["items"]
    assert item["state"] == "pending"
    assert item["addressees"] == {"delivered": 1, "refused": 1, "waiting": 1, "unknown": 0}
    page = (await api.get(f"/nl/events/{event_id}")).text
    assert "(1 bezorgd, 1 geweigerd, 1 wordt opnieuw geprobeerd)" in page
    for text in (response.text, page, (await api.get("/feeds/alerts.atom")).text):
        assert "@od.example" not in text


async def test_a_channel_without_addressees_has_no_counts(api, event_id, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state)
               VALUES (%s, 1, 'od', 'webhook:0', 'n-2', 'delivered')""",
            [event_id],
        )
    items = (await api.get("/api/v1/alerts")).json()["items"]
    assert [item["addressees"] is None for item in items] == [True, False]


async def test_an_inspector_reads_each_addressee_and_its_answer(api, event_id, database):
    accounts = Accounts(database)
    await accounts.put_account("anna", Role.INSPECTOR, ["ijmond"], None)
    key = await accounts.put_key("anna", [Scope.ANSWER_ALERTS], ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}"}
    explanation = (await api.get(f"/api/v1/events/{event_id}/explanation", headers=headers)).json()
    first, second = (step for step in explanation["items"] if step["code"] == "tried")
    assert [(entry["addressee"], entry["outcome"], entry["answer"]) for entry in first["addressees"]] == [
        (ANN, "delivered", "250 OK"), (BOB, "refused", "550 no such user"), (CAS, "failed", "450 later"),
    ]  # fmt: skip
    assert [entry["addressee"] for entry in second["addressees"]] == [CAS]
    page = (await api.get(f"/nl/inspector/events/{event_id}", headers=headers)).text
    assert f"e-mail naar od: deels bezorgd ({ANN} bezorgd; {BOB} geweigerd; {CAS} mislukt" in page
