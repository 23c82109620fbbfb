"""A post of a guest is committed before it is answered, becomes a signed batch, and is stored once."""

import asyncio
import base64
import json
from datetime import UTC, datetime

import pytest

from edge_agent.wire import ReadingBatch, Verifier, split_note
from gateway.guests.guest import MAX_BODY_BYTES
from gateway.guests.settings import GuestSettings
from tests.gateway.adapters.messages import uplink
from tests.gateway.api.conftest import running_api
from tests.gateway.guests.enrolled_guest import NOTARY, enrol_guest, fetch, post_of_airrohr

STORED = """SELECT d.property_id, o.value, o.flags FROM observation o JOIN datastream d ON d.id = o.datastream_id
            WHERE d.node_id = %s ORDER BY o.observed_at, d.property_id"""


@pytest.fixture
def guest(database, node):
    return enrol_guest(database)


@pytest.fixture
async def api(database, broker, guest):
    async with running_api(database, broker) as (client, _):
        yield client


@pytest.fixture
def refuse(api, guest, notarise):
    """Post a body, and let the notary judge it too."""

    async def run(body):
        answer = await post(api, guest.token, body)
        await notarise()
        return answer

    return run


def basic(token):
    return {"Authorization": "Basic " + base64.b64encode(f"user:{token}".encode()).decode()}


async def post(api, token, body, **headers):
    return await api.post(f"/api/v1/guests/{token}", content=body, headers=headers)


async def test_a_post_becomes_readings_of_a_batch_that_holds_its_exact_bytes(api, guest, database, notarise):
    body = post_of_airrohr(SDS_P1=20.1, BME280_temperature=8.5)
    before = datetime.now(UTC)
    answer = await post(api, guest.token, body, **{"X-Sensor": "esp8266-12345"})
    assert answer.status_code == 200
    assert answer.json() == {"state": "stored", "values": 3}
    await notarise()
    assert fetch(database, STORED, guest.node) == [("pm10", 20.1, 256), ("pm2_5", 12.3, 0), ("temperature", 8.5, 0)]
    ((payload, received_at),) = fetch(database, "SELECT payload, received_at FROM batch")
    batch = ReadingBatch.decode(split_note(payload)[0])
    assert base64.b64decode(batch.received.body) == body
    assert batch.received.headers["x-sensor"] == "esp8266-12345"
    assert before <= received_at
    assert batch.t0 == int(received_at.timestamp() * 1000)
    assert fetch(database, "SELECT count(*) FROM guest_message") == [(0,)]
    ((key,),) = fetch(database, "SELECT verifier_key FROM node WHERE id = %s", guest.node)
    assert key.startswith(f"{guest.node}+")
    assert Verifier.parse(key).public == NOTARY.verifier.public


async def test_the_token_comes_in_the_address_or_as_a_password_or_as_a_bearer(api, guest):
    for path, headers in (
        (f"/api/v1/guests/{guest.token}", {}),
        (f"/api/v1/guests/{guest.token}/sensors/x/measures", {}),
        ("/api/v1/guests", basic(guest.token)),
        ("/api/v1/guests", {"Authorization": f"Bearer {guest.token}"}),
    ):
        answer = await api.post(path, content=post_of_airrohr(pm2_5=len(path)), headers=headers)
        assert answer.status_code == 200, answer.text


async def test_a_repeated_post_is_stored_once_also_if_both_arrive_together(api, guest, database, notarise):
    body = post_of_airrohr()
    answers = await asyncio.gather(*(post(api, guest.token, body) for _ in range(5)))
    assert sorted(answer.json()["state"] for answer in answers) == ["repeated"] * 4 + ["stored"]
    await notarise()
    assert len(fetch(database, STORED, guest.node)) == 1


async def test_a_message_with_an_id_is_stored_once_whatever_else_differs(api, database, notarise):
    mapping = '[values.pm2_5]\npath = "$.pm25"\n'
    device = enrol_guest(database, "guest-lora", format="things-stack", sender="70b3d57ed0001234", mapping=mapping)
    first = uplink({"pm25": 7.5})
    second = json.dumps({**json.loads(first), "received_at": "2026-11-29T10:00:09Z", "more": 1}).encode()
    assert (await post(api, device.token, first)).json()["state"] == "stored"
    assert (await post(api, device.token, second)).json()["state"] == "repeated"
    await notarise()
    ((payload,),) = fetch(database, "SELECT payload FROM batch")
    batch = ReadingBatch.decode(split_note(payload)[0])
    assert batch.received.body == ""  # it can hold the place of a home
    assert fetch(database, "SELECT body FROM guest_original") == [(first,)]
    fetch(database, "UPDATE batch SET payload = ''")  # as retention and a removal on request do
    assert fetch(database, "SELECT body FROM guest_original") == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (post_of_airrohr().replace(b"12345", b"999"), "this message is of the device 999"),
        (b"no json at all", "no message of airRohr"),
        (b"", "no message of airRohr"),
        (b'{"esp8266id":"12345","sensordatavalues":[]}', "sensordatavalues has no quantity"),
    ],
)
async def test_a_refused_message_gets_one_sentence_and_is_not_lost(refuse, guest, database, body, sentence):
    answer = await refuse(body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert sentence in answer.json()["detail"]
    assert fetch(database, "SELECT topic, payload FROM quarantine") == [("pw/v1/ijmond/guest-duin/foreign", body)]
    assert fetch(database, STORED, guest.node) == []


async def test_an_invalid_value_costs_no_other_value(api, guest, database, notarise):
    assert (await post(api, guest.token, post_of_airrohr(pm2_5="nan", SDS_P1="7"))).status_code == 200
    await notarise()
    assert fetch(database, STORED, guest.node) == [("pm10", 7.0, 256), ("pm2_5", None, 512)]


async def test_wrong_tokens_get_401_and_delay_only_their_address(api, guest):
    for _ in range(20):
        answer = await post(api, "0" * 40, post_of_airrohr())
        assert answer.status_code == 401
        assert "no guest has this token" in answer.json()["detail"]
    limited = await post(api, guest.token, post_of_airrohr(), **{"X-Forwarded-For": "127.0.0.1"})
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) >= 1
    elsewhere = await post(api, guest.token, post_of_airrohr(), **{"X-Forwarded-For": "192.0.2.7"})
    assert elsewhere.status_code == 200


async def test_a_body_is_bounded(api, guest, database):
    answer = await post(api, guest.token, b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert fetch(database, "SELECT count(*) FROM guest_message") == [(0,)]


async def test_a_guest_has_a_rate_limit_of_its_own(database, broker, guest):
    other = enrol_guest(database, "guest-strand", sender="esp8266-12345")
    async with running_api(database, broker, guest_settings=GuestSettings(messages_per_minute=3)) as (client, _):
        statuses = [(await post(client, guest.token, post_of_airrohr(pm2_5=i))).status_code for i in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert (await post(client, other.token, post_of_airrohr())).status_code == 200


async def test_without_the_database_a_post_gets_503_with_retry_after(database, broker, guest, postgres):
    async with running_api(database, broker) as (client, _):
        assert (await post(client, guest.token, post_of_airrohr())).status_code == 200
        fetch(postgres.dsn(), f"ALTER DATABASE {database.rsplit('dbname=', 1)[-1].split()[0]} ALLOW_CONNECTIONS false")
        fetch(
            postgres.dsn(),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'piekwacht guests'",
        )
        refused = await post(client, guest.token, post_of_airrohr(pm2_5=9))
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        fetch(postgres.dsn(), f"ALTER DATABASE {database.rsplit('dbname=', 1)[-1].split()[0]} ALLOW_CONNECTIONS true")
        assert (await post(client, guest.token, post_of_airrohr(pm2_5=9))).json()["state"] == "stored"
        assert len(fetch(database, "SELECT 1 FROM guest_message")) == 2
