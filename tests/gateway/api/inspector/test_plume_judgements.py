"""False alarm and known source as a call and as a command: the same rules, rows and audit entries as the buttons."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.__main__ import main
from tests.alerting.running_dispatcher import fetch_rows

UNTIL = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
SOURCE = {"name": "Fakkel", "legalBasis": "vergunning 12-34", "until": UNTIL, "level": 250.5}
AUDITED = "SELECT split_part(who, '/', 1), object, address, outcome FROM access.audit ORDER BY id"
JUDGED = "SELECT cause, note, stations, severities FROM alerting.false_alarm ORDER BY id"
NAMED = "SELECT name, match, legal_basis, until::text, level FROM alerting.known_source ORDER BY id"


@pytest.fixture
def run(database, tmp_path, capsys):
    """A function that runs `piekwacht alerts ...` and returns exit code and output."""
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{database}"\n')

    async def run_command(*words):
        code = await asyncio.to_thread(main, ["alerts", "--config", str(path), *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run_command


async def test_a_program_states_and_withdraws_a_false_alarm_as_the_button_does(api, plume, keys, database):
    path = f"/api/v1/plumes/{plume}"
    answers = (await api.get(f"{path}/answers", headers=keys["anna"])).json()
    assert (answers["falseAlarms"], answers["knownSources"], answers["notes"]) == ([], [], [])
    body = {"cause": "sensor_fault", "note": "natte\nsensor", "seen": answers["seen"]}
    changed = await api.post(f"{path}/false-alarms", json={**body, "seen": "minor.closed"}, headers=keys["anna"])
    assert changed.status_code == 409
    assert fetch_rows(database, JUDGED) == []
    stated = await api.post(f"{path}/false-alarms", json=body, headers=keys["anna"])
    assert stated.status_code == 201, stated.text
    (statement,) = stated.json()["falseAlarms"]
    assert (statement["cause"], statement["note"], statement["withdrawnAt"]) == ("sensor_fault", "natte sensor", None)
    second = await api.post(f"{path}/false-alarms", json={"cause": "work"}, headers=keys["carla"])
    assert second.status_code == 409
    assert statement["author"] in second.json()["detail"]
    assert (await api.delete(f"{path}/false-alarms", headers=keys["anna"])).status_code == 204
    assert (await api.delete(f"{path}/false-alarms", headers=keys["anna"])).status_code == 404
    audited = fetch_rows(database, AUDITED)
    assert [act for account, act, _, outcome in audited if (account, outcome) == ("anna", "allowed")] == [
        f"false alarm {plume}", f"withdraw false alarm {plume}", f"withdraw false alarm {plume}",
    ]  # fmt: skip


async def test_a_program_names_and_ends_a_known_source(api, plume, keys, database):
    path = f"/api/v1/plumes/{plume}/known-sources"
    for wrong in ({"until": "2020-01-01"}, {"until": "morgen"}, {"level": -1}, {"name": " "}, {"scope": "country"}):
        refused = await api.post(path, json={**SOURCE, **wrong}, headers=keys["anna"])
        assert refused.status_code == 400, wrong
        assert next(iter(wrong)) in refused.json()["detail"], refused.text
    named = await api.post(path, json=SOURCE, headers=keys["anna"])
    assert named.status_code == 201, named.text
    (source,) = named.json()["knownSources"]
    assert source["match"] == ['area="ijmond"', 'property="pm2_5"', 'station="wijk-aan-zee"']
    assert (await api.post(path, json=SOURCE, headers=keys["carla"])).status_code == 409
    assert (await api.get("/api/v1/known-sources", headers=keys["anna"])).json()["items"] == [source]
    assert (await api.get("/api/v1/known-sources", headers=keys["bob"])).json()["items"] == []
    assert (await api.delete(f"/api/v1/known-sources/{source['id']}", headers=keys["bob"])).status_code == 403
    assert (await api.delete(f"/api/v1/known-sources/{source['id']}", headers=keys["anna"])).status_code == 204
    for number in (source["id"], "x", "9" * 30):
        assert (await api.delete(f"/api/v1/known-sources/{number}", headers=keys["anna"])).status_code == 404


async def test_only_an_inspector_of_the_area_judges(api, plume, keys, database):
    path = f"/api/v1/plumes/{plume}"
    for headers, status in (({}, 401), (keys["bob"], 403), (keys["dirk"], 403)):
        assert (await api.get(f"{path}/answers", headers=headers)).status_code == status
        assert (await api.post(f"{path}/false-alarms", json={"cause": "work"}, headers=headers)).status_code == status
        assert (await api.post(f"{path}/known-sources", json=SOURCE, headers=headers)).status_code == status
        assert (await api.delete(f"{path}/false-alarms", headers=headers)).status_code == status
    assert fetch_rows(database, JUDGED) == fetch_rows(database, NAMED) == []


async def test_the_command_stores_what_the_call_stores(api, plume, keys, database, run):
    event = (await api.get(f"/api/v1/plumes/{plume}")).json()["leading"]
    rows = []
    for judge in ("command", "call"):
        if judge == "call":
            body = {"cause": "work", "note": "dak gemaaid"}
            await api.post(f"/api/v1/plumes/{plume}/false-alarms", json=body, headers=keys["anna"])
            await api.delete(f"/api/v1/plumes/{plume}/false-alarms", headers=keys["anna"])
            named = await api.post(f"/api/v1/plumes/{plume}/known-sources", json=SOURCE, headers=keys["anna"])
            number = named.json()["knownSources"][0]["id"]
            await api.delete(f"/api/v1/known-sources/{number}", headers=keys["anna"])
        else:
            words = ("false-alarm", event, "--who", "jansen")
            code, text = await run(*words, "--cause", "work", "--reason", "dak gemaaid")
            assert (code, "corrections go out" in text) == (0, True), text
            code, text = await run(*words, "--cause", "work", "--reason", "weer")
            assert (code, "jansen stated a false alarm" in text) == (1, True), text
            assert (await run(*words, "--withdraw"))[0] == 0
            assert (await run(*words, "--withdraw"))[0] == 1
            words = ("--name", "Fakkel", "--legal-basis", "vergunning 12-34", "--until", UNTIL, "--level", "250.5")
            code, text = await run("known-source", event, *words, "--who", "jansen")
            assert code == 0, text
            assert (await run("end-known-source", text.split()[2], "--who", "jansen"))[0] == 0
            assert (await run("end-known-source", text.split()[2]))[0] == 1
        rows.append((fetch_rows(database, JUDGED)[-1], fetch_rows(database, NAMED)[-1]))
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM alerting.false_alarm").fetchone() == (len(rows),)
    assert rows[0] == rows[1]
    acts = {}
    for account, act, _, _ in fetch_rows(database, AUDITED):
        acts.setdefault(account, []).append(act)
    assert set(acts["jansen"]) >= {act for act in acts["anna"] if not act.startswith("end")}
    answered = "SELECT DISTINCT who, via FROM alerting.acknowledgement"
    assert fetch_rows(database, answered) == [("jansen", "command")], "the first one counts"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("false-alarm", "nothing", "--reason", "x"), "alerting has no event 'nothing'"),
        (("false-alarm", "EVENT"), "--reason: write why"),
        (("false-alarm", "EVENT", "--withdraw"), "has no false alarm to withdraw"),
        (("known-source", "EVENT", "--until", "morgen"), "year-month-day"),
        (("known-source", "EVENT", "--until", "2020-01-01"), "passed already"),
        (("known-source", "EVENT", "--until", UNTIL, "--level", "nan"), "level: write the excess"),
        (("end-known-source", "0"), "no known source 0"),
    ],
)
async def test_an_impossible_command_gives_the_reason_and_stores_nothing(  # noqa: PLR0917 - fixtures
    api, plume, database, run, words, sentence
):
    event = (await api.get(f"/api/v1/plumes/{plume}")).json()["leading"]
    words = [event if word == "EVENT" else word for word in words]
    if words[0] == "known-source":
        words += ["--name", "x", "--legal-basis", "x", *([] if "--level" in words else ["--level", "1"])]
    code, text = await run(*words)
    assert (code, sentence in text) == (1, True), text
    assert fetch_rows(database, JUDGED) == fetch_rows(database, NAMED) == []
