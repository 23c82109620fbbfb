"""Operators enrol guests on the page and by the API, give them a new token and revoke them."""

import re

import pytest

from gateway.store.connection import Store
from tests.gateway.guests.enrolled_guest import NOTARY, fetch, make_notary, post_of_airrohr

GUEST = {
    "id": "guest-duin",
    "area": "ijmond",
    "name": "Duinweg",
    "latitude": 52.4951234,
    "longitude": 4.5961234,
    "format": "airrohr",
    "sender": "esp8266-12345",
    "owner": "Jan de Vries",
    "consentOn": "2026-11-01",
    "consentText": "2026-1",
}
FORM = {
    "node": "guest-duin",
    "area": "ijmond",
    "name": "Duinweg",
    "place": "52.4951234, 4.5961234",
    "format": "airrohr",
    "sender": "esp8266-12345",
    "owner": "Jan de Vries",
    "consent_on": "2026-11-01",
    "consent_text": "2026-1",
}
PATH = "/api/v1/operator/guests"


async def ignore(payloads):
    """Nothing is stored here."""


@pytest.fixture
async def operators(database, node, keys):
    """The keys; a gateway with a notary has run: its public key is in the database, and no private one."""
    store = Store(database)
    await make_notary(store).run_turn(ignore)
    await store.close()
    ((text,),) = fetch(database, "SELECT verifier_key FROM notary")
    assert text == str(NOTARY.verifier)
    return keys


async def send(api, token):
    return await api.post("/api/v1/guests", content=post_of_airrohr(), headers={"Authorization": f"Bearer {token}"})


async def test_a_guest_is_enrolled_changed_and_revoked_by_the_api(api, database, operators):
    created = await api.post(PATH, json=GUEST, headers=operators["carla"])
    assert created.status_code == 201, created.text
    first = created.json()["token"]
    assert (await send(api, first)).status_code == 200
    assert fetch(database, "SELECT verifier_key FROM node WHERE id = 'guest-duin'") == [
        (str(NOTARY.verifier.under_name("guest-duin")),)
    ]
    second = (await api.post(f"{PATH}/guest-duin/token", headers=operators["carla"])).json()["token"]
    assert second != first
    assert (await api.post(f"{PATH}/guest-duin/revocation", headers=operators["carla"])).status_code == 201
    (item,) = (await api.get(PATH, headers=operators["carla"])).json()["items"]
    assert item["revokedAt"] is not None
    acts = fetch(database, "SELECT action FROM access.audit WHERE object = 'node guest-duin' ORDER BY at")
    assert [action for (action,) in acts] == ["enrol", "rotate-token", "revoke"]
    assert first not in str(fetch(database, "SELECT * FROM access.audit"))


async def test_a_guest_is_enrolled_changed_and_revoked_on_the_page(api, database, operators):
    page = await api.get("/nl/operator/guests", headers=operators["carla"])
    assert 'action="/nl/operator/guests"' in page.text
    enrolled = await api.post("/nl/operator/guests", data=FORM, headers=operators["carla"])
    assert enrolled.status_code == 200
    token = re.search(r"<dd><code>([^<]+)</code>", enrolled.text)[1]
    assert enrolled.headers["Cache-Control"] == "no-store"
    assert (await send(api, token)).status_code == 200
    shown = await api.get("/nl/operator/guests/guest-duin", headers=operators["carla"])
    assert "Nieuw geheim woord" in shown.text
    assert token not in shown.text
    rotated = await api.post("/nl/operator/guests/guest-duin/token", headers=operators["carla"])
    assert re.search(r"<dd><code>([^<]+)</code>", rotated.text)[1] != token
    revoked = await api.post("/nl/operator/guests/guest-duin/revocation", headers=operators["carla"])
    assert revoked.status_code == 303
    assert "ingetrokken op" in (await api.get("/nl/operator/guests/guest-duin", headers=operators["carla"])).text


async def test_without_a_notary_one_sentence_names_the_remedy(api, node, keys):
    refused = await api.post(PATH, json=GUEST, headers=keys["carla"])
    assert refused.status_code == 404
    assert "notary_key_file" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "status", "part"),
    [
        ({"id": "ijm-9"}, 400, "begins with guest-"),
        ({"area": "nowhere"}, 403, "area"),
        ({"format": "fax"}, 400, "there are airrohr"),
        ({"format": "json"}, 400, "needs a mapping file"),
        ({"latitude": 91}, 400, "latitude"),
        ({"consentOn": "2999-01-01"}, 400, "in the future"),
        ({"consentOn": "yesterday"}, 400, "consentOn"),
        ({"colour": "red"}, 400, "colour"),
        ({"topic": "#"}, 400, "#"),
    ],
)
async def test_a_wrong_guest_gets_one_sentence_and_stores_nothing(api, database, operators, changes, status, part):  # noqa: PLR0917 - fixtures
    refused = await api.post(PATH, json={**GUEST, **changes}, headers=operators["carla"])
    assert refused.status_code == status, refused.text
    assert part in refused.json()["detail"]
    assert fetch(database, "SELECT count(*)::int FROM guest") == [(0,)]


@pytest.mark.parametrize(("name", "status"), [("dirk", 403), ("anna", 403), ("bob", 403)])
async def test_only_operators_of_the_area_manage_guests(api, database, operators, name, status):
    assert (await api.post(PATH, json=GUEST, headers=operators[name])).status_code == status
    assert (await api.post("/nl/operator/guests", data=FORM, headers=operators[name])).status_code == status
    assert (await api.post(PATH, json=GUEST)).status_code == 401
    assert fetch(database, "SELECT count(*)::int FROM guest") == [(0,)]


@pytest.mark.parametrize(("field", "value"), [("place", "Duinweg 3"), ("consent_on", "1-11-2026"), ("node", "duin")])
async def test_a_wrong_field_of_the_form_is_answered_on_a_page(api, database, operators, field, value):
    page = await api.post("/nl/operator/guests", data={**FORM, field: value}, headers=operators["carla"])
    assert page.status_code == 400
    assert "</html>" in page.text
    assert fetch(database, "SELECT count(*)::int FROM guest") == [(0,)]
