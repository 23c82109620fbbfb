"""A node is enrolled by the form and by the API, as by the command: the archive is sent once and stored nowhere."""

import io
import zipfile
from base64 import b64decode

import psycopg
import pytest
import segno
from lxml import html

from edge_agent.wire import Signer
from tests.gateway.api.conftest import running_api
from tests.gateway.api.operator.card_tools import make_card_tools

CARD = {"site": "ijmond", "node": "ijm-003", "station": "wijk-aan-zee", "board": "pi4", "kit": "sps30-sgp41"}


@pytest.fixture
async def maker(tmp_path, database, broker, node):
    """(API with an authority beside it, folder of the authority)."""
    tools = make_card_tools(tmp_path)
    async with running_api(database, broker, operator_tools=tools) as (client, _):
        yield client, tmp_path / "ca"


def read_keys(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as card:
        return {name: card.read(f"piekwacht/{name}") for name in ("node.key", "node-tls.key", "node.pem")}


async def test_the_form_enrols_a_node_and_sends_its_card_once(maker, database, keys, caplog):
    client, ca = maker
    form = await client.get("/nl/operator/enrol", headers=keys["carla"])
    assert "Wijk aan Zee" in form.text
    assert 'value="sps30-sgp41"' in form.text
    assert "opcn3-pid" not in form.text, "its sensor needs a calibration file"
    answer = await client.post("/operator/enrol", data=CARD, headers=keys["carla"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    page = html.fromstring(answer.text)
    (link,) = page.xpath("//a[@download]")
    assert link.get("download") == "ijm-003.zip"
    secrets = read_keys(b64decode(link.get("href").removeprefix("data:application/zip;base64,")))
    with psycopg.connect(database) as connection:
        ((key,),) = connection.execute("SELECT verifier_key FROM node WHERE id = 'ijm-003'").fetchall()
        assert key == str(Signer.parse(secrets["node.key"].decode().strip()).verifier)
        ((account, area, before, after),) = connection.execute(
            "SELECT who, area, before, after FROM access.audit WHERE action = 'enrol'"
        ).fetchall()
        everything = str(connection.execute("SELECT * FROM access.audit").fetchall())
    assert (account.split("/")[0], area, before) == ("carla", "ijmond", None)
    assert (after["station"], after["board"], after["key"]) == ("wijk-aan-zee", "pi4", key)
    private = secrets["node.key"].decode().strip()
    (image,) = page.xpath("//*[local-name()='svg' and @class='qr']")
    text = page.xpath("//*[@class='label']/pre")[0].text
    assert segno.make(text, error="m", micro=False).symbol_size(scale=4)[0] == int(image.get("width"))
    assert key in text
    assert private not in text
    assert "ijm-003" in text
    assert "wijk-aan-zee" in text
    files = [path.read_text() for path in ca.rglob("*.pem")]
    for text in (everything, caplog.text, *files):
        assert private not in text
        assert secrets["node-tls.key"].decode() not in text
    for path in ("/operator", "/operator/nodes/ijm-003", "/operator/audit", "/api/v1/operator/nodes/ijm-003"):
        assert private not in (await client.get(path, headers=keys["carla"])).text


async def test_an_enrolled_node_gets_new_keys_only_on_request(maker, database, keys):
    client, ca = maker
    first = await client.post("/api/v1/operator/nodes", json=CARD, headers=keys["carla"])
    assert first.status_code == 201
    issued = len(list((ca / "issued").iterdir()))
    again = await client.post("/api/v1/operator/nodes", json=CARD, headers=keys["carla"])
    assert again.status_code == 400
    assert "is enrolled already" in again.json()["detail"]
    assert len(list((ca / "issued").iterdir())) == issued, "no certificate is issued for what is refused"
    replaced = await client.post("/api/v1/operator/nodes", json={**CARD, "replace": True}, headers=keys["carla"])
    assert read_keys(replaced.content)["node.key"] != read_keys(first.content)["node.key"]
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT before, after FROM access.audit WHERE outcome = 'done' ORDER BY id"
        ).fetchall()
    assert rows[1][0]["key"] == rows[0][1]["key"] != rows[1][1]["key"]


FORGED = [
    ("bob", {}, 403, "area that is not yours"),
    ("anna", {}, 403, "your role"),
    ("carla", {"site": "../ijmond"}, 400, "choose one of the list"),
    ("carla", {"board": "../../etc/passwd"}, 400, "choose one of the list"),
    ("carla", {"kit": "none"}, 400, "choose one of the list"),
    ("carla", {"node": "../ijm"}, 400, "is no id"),
    ("carla", {"node": ""}, 400, "is no id"),
    ("carla", {"station": "geleen"}, 400, "no such station"),
    ("carla", {"site": "chemelot"}, 403, "area that is not yours"),
    ("carla", {"extra": 1}, 400, "extra"),
]


async def test_a_forged_request_for_a_card_is_refused_and_issues_nothing(maker, database, keys):
    client, ca = maker
    for account, changes, status, detail in FORGED:
        answer = await client.post("/api/v1/operator/nodes", json={**CARD, **changes}, headers=keys[account])
        assert answer.status_code == status, (account, changes, answer.text)
        assert detail in answer.json()["detail"], (account, changes, answer.text)
    assert (await client.post("/api/v1/operator/nodes", json=CARD)).status_code == 401
    assert list((ca / "issued").iterdir()) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM node").fetchone() == (1,)
        outcomes = connection.execute("SELECT outcome FROM access.audit WHERE action = 'enrol'").fetchall()
    assert {"other_area", "invalid"} <= {outcome for (outcome,) in outcomes}
    assert "done" not in {outcome for (outcome,) in outcomes}


async def test_without_an_authority_the_page_names_the_command(api, keys):
    page = await api.get("/nl/operator/enrol", headers=keys["carla"])
    assert "piekwacht node enrol" in page.text
    assert "<form" not in page.text.split("<main")[1]
    answer = await api.post("/api/v1/operator/nodes", json=CARD, headers=keys["carla"])
    assert answer.status_code == 404
    assert "piekwacht node enrol" in answer.json()["detail"]
