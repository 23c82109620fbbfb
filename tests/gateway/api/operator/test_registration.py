"""Renew, configure and revoke a node: by form, call and command the same act, with one entry in the audit log."""

import asyncio

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.__main__ import main
from tests.gateway.api.conftest import running_api
from tests.gateway.api.operator.card_tools import make_card_tools
from tests.gateway.api.operator.test_enrolment import CARD

CONFIGURATION = '[batch]\ninterval_seconds = 20\n\n[[sensor]]\ndriver = "sps30"\n'
PEM, KEY = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
PATH = "/api/v1/operator/nodes/ijm-003"


@pytest.fixture
async def site(tmp_path, database, broker, node, keys):
    """(API with an authority beside it, folder): ijm-003 is enrolled."""
    async with running_api(database, broker, operator_tools=make_card_tools(tmp_path)) as (client, _):
        answer = await client.post("/api/v1/operator/nodes", json=CARD, headers=keys["carla"])
        assert answer.status_code == 201, answer.text
        yield client, tmp_path


@pytest.fixture
def run(database, tmp_path, capsys):
    """A function that runs `piekwacht node ...` with the authority of the site."""
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{database}"\n')

    async def run_command(*words):
        code = await asyncio.to_thread(main, ["node", "--config", str(path), *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run_command


def fetch(database, query):
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


def acts(database):
    return fetch(database, "SELECT action, split_part(who, '/', 1), after FROM access.audit WHERE outcome = 'done'")[1:]


async def test_a_certificate_is_renewed_for_the_same_key_by_form_call_and_command(site, database, keys, run):
    client, folder = site
    page = await client.get("/nl/operator/nodes/ijm-003/renew", headers=keys["carla"])
    assert "Vernieuw het certificaat van ijm-003" in page.text
    assert fetch(database, "SELECT count(*) FROM node_desired") == [(0,)], "the page alone changes nothing"
    form = await client.post("/nl/operator/nodes/ijm-003/renew", data={"revision": 1}, headers=keys["carla"])
    assert form.headers["location"] == "/nl/operator/nodes/ijm-003?notice=renewed#main", form.text
    call = await client.post(f"{PATH}/certificates", json={"revision": 2}, headers=keys["carla"])
    assert call.status_code == 201, call.text
    assert (await run("renew", "ijm-003", "--ca", str(folder / "ca")))[0] == 0
    sent = [row for (row,) in fetch(database, "SELECT certificate FROM node_desired ORDER BY version")]
    certificates = [x509.load_pem_x509_certificate(text.encode()) for text in sent]
    assert len({certificate.public_key().public_bytes(PEM, KEY) for certificate in certificates}) == 1
    assert len({certificate.serial_number for certificate in certificates}) == 3
    assert call.json() == {"certificate": sent[1], "version": 2}
    done = acts(database)
    assert [(action, after["version"]) for action, _, after in done] == [("renew", 1), ("renew", 2), ("renew", 3)]
    assert done[0][2]["certificate"].startswith(f"{certificates[0].serial_number:x} until ")


async def test_a_configuration_is_checked_shown_and_only_then_sent(site, database, keys, run, tmp_path):
    client, _ = site
    path = "/nl/operator/nodes/ijm-003/configure"
    fields = {"revision": 1, "configuration": CONFIGURATION.replace("\n", "\r\n")}
    shown = await client.post(path, data=fields, headers=keys["carla"])
    assert "Er is nog niets gestuurd" in shown.text
    assert fetch(database, "SELECT count(*) FROM node_desired") == [(0,)]
    sent = await client.post(path, data={**fields, "confirmed": "true"}, headers=keys["carla"])
    assert sent.headers["location"].endswith("notice=configured#main"), sent.text
    assert CONFIGURATION.strip() in (await client.get(path, headers=keys["carla"])).text.replace("&#34;", '"')
    call = await client.post(f"{PATH}/configurations", json={"toml": CONFIGURATION}, headers=keys["carla"])
    assert (call.status_code, call.json()) == (201, {"version": 2})
    (tmp_path / "wanted.toml").write_text(CONFIGURATION)
    assert (await run("configure", "ijm-003", str(tmp_path / "wanted.toml")))[0] == 0
    assert fetch(database, "SELECT DISTINCT toml FROM node_desired") == [(CONFIGURATION,)]
    assert [action for action, _, _ in acts(database)] == ["configure"] * 3
    for wrong, sentence in ((" ", "Write the configuration"), ("[", "not TOML"), ("[[sensor]]\ndriver='x'", "driver")):
        answer = await client.post(f"{PATH}/configurations", json={"toml": wrong}, headers=keys["carla"])
        assert (answer.status_code, sentence in answer.json()["detail"]) == (400, True), answer.text
    assert len(acts(database)) == 3


@pytest.mark.parametrize("way", ["form", "call", "command"])
async def test_a_revoked_node_is_on_the_list_of_the_authority_and_cannot_be_renewed(site, database, keys, run, way):
    client, folder = site
    if way == "form":
        page = await client.get("/nl/operator/nodes/ijm-003/revoke", headers=keys["carla"])
        assert "Terugdraaien kan niet" in page.text
        answer = await client.post("/nl/operator/nodes/ijm-003/revoke", data={"revision": 1}, headers=keys["carla"])
        assert answer.headers["location"].endswith("notice=revoked-listed#main"), answer.text
    elif way == "call":
        answer = await client.post(f"{PATH}/revocation", json={}, headers=keys["carla"])
        assert (answer.status_code, answer.json()) == (201, {"certificates": 1})
    else:
        code, text = await run("revoke", "ijm-003", "--ca", str(folder / "ca"))
        assert (code, "1 certificate came onto the list" in text) == (0, True), text
    assert fetch(database, "SELECT count(*) FROM node WHERE revoked_at IS NOT NULL") == [(1,)]
    crl = x509.load_pem_x509_crl((folder / "ca/crl.pem").read_bytes())
    assert len(list(crl)) == 1
    assert [(action, after["certificates"]) for action, _, after in acts(database)] == [("revoke", 1)]
    for action in ("certificates", "revocation"):
        again = await client.post(f"{PATH}/{action}", json={}, headers=keys["carla"])
        assert (again.status_code, "revoked already" in again.json()["detail"]) == (409, True)
    page = await client.get("/nl/operator/nodes/ijm-003", headers=keys["carla"])
    assert 'href="/nl/operator/nodes/ijm-003/revoke"' not in page.text


async def test_an_action_on_a_node_that_changed_meanwhile_does_nothing(site, database, keys):
    client, folder = site
    issued = len(list((folder / "ca/issued").iterdir()))
    for action, fields in (
        ("renew", {}), ("revoke", {}), ("configure", {"configuration": CONFIGURATION, "confirmed": "true"}),
    ):  # fmt: skip
        answer = await client.post(
            f"/nl/operator/nodes/ijm-003/{action}", data={"revision": 7, **fields}, headers=keys["carla"]
        )
        assert answer.status_code == 409, action
        assert "intussen veranderd" in answer.text
    assert acts(database) == []
    assert len(list((folder / "ca/issued").iterdir())) == issued
    assert list(x509.load_pem_x509_crl((folder / "ca/crl.pem").read_bytes())) == []


async def test_without_the_authority_a_node_is_revoked_here_and_the_page_names_the_command(api, node, database, keys):
    page = await api.get("/nl/operator/nodes/ijm-001/revoke", headers=keys["carla"])
    assert "piekwacht node revoke ijm-001" in page.text
    page = await api.get("/nl/operator/nodes/ijm-001/renew", headers=keys["carla"])
    assert "piekwacht node renew ijm-001" in page.text
    assert "<form" not in page.text.split("<main")[1]
    refused = await api.post("/api/v1/operator/nodes/ijm-001/certificates", json={}, headers=keys["carla"])
    assert (refused.status_code, "piekwacht node renew" in refused.json()["detail"]) == (404, True)
    answer = await api.post("/api/v1/operator/nodes/ijm-001/revocation", json={}, headers=keys["carla"])
    assert (answer.status_code, answer.json()) == (201, {"certificates": None})
    assert fetch(database, "SELECT count(*) FROM node WHERE revoked_at IS NOT NULL") == [(1,)]


async def test_the_label_is_printed_with_its_code(site, run):
    code, text = await run("label", "ijm-003")
    assert code == 0
    assert "Piekwacht node ijm-003\narea ijmond\nstation wijk-aan-zee\n" in text
    assert len([line for line in text.splitlines() if "\u2588" in line or "\u2580" in line]) > 15, text
    code, text = await run("label", "ijm-009")
    assert (code, "ijm-009" in text) == (1, True)
