"""Work on a node: maintenance, replaced sensors and calibrations, by API, by form and by command."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from edge_agent.wire import Flag
from gateway import __main__ as command
from tests.gateway.enrolled_node import enrol_node

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START, END = HOUR - timedelta(hours=200), HOUR
NODE = "/api/v1/operator/nodes/ijm-001"


@pytest.fixture
def store_reference(database, node):
    """store_reference(offset, slope): 200 hours in which the reference is this line of the raw values, nearly."""
    enrol_node(database, "ref-001", "reference", "ijmond")

    def store(offset=1.0, slope=0.8):
        raw = np.random.default_rng(3).gamma(4.0, 3.0, 200)
        reference = offset + slope * raw + np.random.default_rng(4).normal(0, 0.5, 200)
        with psycopg.connect(database, autocommit=True) as connection:
            for node_id, station, values in (("ijm-001", "wijk-aan-zee", raw), ("ref-001", "reference", reference)):
                (datastream,) = connection.execute(
                    """INSERT INTO datastream (station_id, node_id, property_id) VALUES (%s, %s, 'pm2_5')
                       ON CONFLICT DO NOTHING RETURNING id""",
                    [station, node_id],
                ).fetchone()
                connection.cursor().executemany(
                    "INSERT INTO observation VALUES (%s, %s, %s, 0, 1)",
                    [
                        (datastream, START + timedelta(hours=i, minutes=minute), float(value))
                        for i, value in enumerate(values)
                        for minute in (10, 40)
                    ],
                )

    return store


def fit_of(**changes):
    return {
        "observedProperty": "pm2_5", "start": START.isoformat(), "end": END.isoformat(), "station": "reference",
        **changes,
    }  # fmt: skip


def calibration_of(fit=None, **changes):
    return {
        "fit": fit or fit_of(), "validFrom": START.isoformat(), "sensorModel": "Sensirion SPS30", "serial": "8F3A",
        "author": "GGD Amsterdam", **changes,
    }  # fmt: skip


async def test_a_fit_is_applied_from_a_moment_on_and_every_corrected_value_names_it(
    api, database, keys, store_reference
):
    store_reference()
    preview = await api.post(f"{NODE}/fits", json=fit_of(), headers=keys["carla"])
    fit = preview.json()
    assert (fit["hours"], fit["confirmation"]) == (200, "")
    assert fit["slope"] == pytest.approx(0.8, abs=4 * fit["slopeError"])
    assert fit["offset"] == pytest.approx(1.0, abs=4 * fit["offsetError"])
    assert fit["spread"] == pytest.approx(0.5, rel=0.2)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM calibration").fetchone() == (0,)

    applied = await api.post(f"{NODE}/calibrations", json=calibration_of(), headers=keys["carla"])
    assert applied.status_code == 201, applied.text
    assert applied.json()["version"] == 1
    again = await api.post(f"{NODE}/calibrations", json=calibration_of(), headers=keys["carla"])
    assert again.json()["version"] == 2
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT version, hours, reference, slope FROM calibration_fit ORDER BY version"
        ).fetchall()
        assert [(row[0], row[1], row[2]) for row in rows] == [(1, 200, "reference"), (2, 200, "reference")]
        acts = connection.execute(
            "SELECT before -> 'version', after -> 'version' FROM access.audit WHERE action = 'calibrate' ORDER BY id"
        ).fetchall()
    assert acts == [(None, 1), (1, 2)]
    corrections = (await api.get("/api/v1/corrections")).json()["items"]
    (shown,) = [item for item in corrections if item["version"] == 2 and item["node"] == "ijm-001"]
    for part in ("n = 200 hours", "r2 = 0.9", "residual spread", "standard errors", "beside reference"):
        assert part in shown["source"]
    assert shown["uncertainty"] == pytest.approx(2 * fit["spread"])
    page = await api.get("/nl/operator/nodes/ijm-001", headers=keys["carla"])
    assert "versie 2" in page.text


async def test_a_fit_that_changes_values_by_half_needs_a_typed_confirmation(api, database, keys, store_reference):
    store_reference(offset=0.0, slope=0.3)
    preview = (await api.post(f"{NODE}/fits", json=fit_of(), headers=keys["carla"])).json()
    assert re.fullmatch(r"ijm-001 pm2_5 \d+ %", preview["confirmation"])
    for words in ("", "yes", "ijm-001 pm2_5 1 %"):
        body = calibration_of(confirmation=words)
        refused = await api.post(f"{NODE}/calibrations", json=body, headers=keys["carla"])
        assert refused.status_code == 400
        assert preview["confirmation"] in refused.json()["detail"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM calibration").fetchone() == (0,)
    body = calibration_of(confirmation=preview["confirmation"])
    assert (await api.post(f"{NODE}/calibrations", json=body, headers=keys["carla"])).status_code == 201


async def test_the_values_of_another_network_are_a_reference_too(api, keys, store_reference):
    store_reference()
    lines = [f"{(START + timedelta(hours=i)).isoformat()};{10 + i % 7}" for i in range(100)]
    fit = fit_of(station=None, values="tijd;waarde\n" + "\n".join(lines).replace(".", ","), title="NL49570")
    answer = await api.post(f"{NODE}/fits", json=fit, headers=keys["carla"])
    assert answer.status_code == 200, answer.text
    assert (answer.json()["hours"], answer.json()["reference"]) == (100, "NL49570")
    wrong = fit_of(station=None, values=f"{lines[0]}\n{lines[1].replace('+00:00', '')}")
    refused = await api.post(f"{NODE}/fits", json=wrong, headers=keys["carla"])
    assert (refused.status_code, refused.json()["detail"][:6]) == (400, "line 2")


INVALID_FITS = [
    ({"station": "nowhere"}, 404, "does not measure"), ({"end": START.isoformat()}, 400, "after the start"),
    ({"observedProperty": "pm10"}, 404, "does not measure"), ({"station": None}, 400, "either a station or values"),
    ({"end": (START + timedelta(hours=20)).isoformat()}, 400, "at least 72"),
]  # fmt: skip


async def test_an_impossible_fit_is_refused_with_one_sentence(api, keys, store_reference):
    store_reference()
    for changes, status, detail in INVALID_FITS:
        answer = await api.post(f"{NODE}/fits", json=fit_of(**changes), headers=keys["carla"])
        assert answer.status_code == status, (changes, answer.text)
        assert detail in answer.json()["detail"]
    late = calibration_of(validFrom=(START + timedelta(minutes=5)).isoformat())
    answer = await api.post(f"{NODE}/calibrations", json=late, headers=keys["carla"])
    assert "whole hour" in answer.json()["detail"]


async def test_two_operators_at_once_notice_each_other(api, database, keys):
    ends = (HOUR + timedelta(hours=9)).isoformat()
    revision = (await api.get(NODE, headers=keys["carla"])).json()["revision"]
    window = {"endsAt": ends, "reason": "inlaat", "revision": revision}
    first = await api.post(f"{NODE}/maintenance", json=window, headers=keys["carla"])
    second = await api.post(f"{NODE}/maintenance", json=window, headers=keys["ed"])
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["detail"] == "somebody else changed ijm-001 meanwhile: look at it again first"
    form = {"hours": "2", "reason": "inlaat", "revision": str(revision)}
    page = await api.post("/nl/operator/nodes/ijm-001/maintenance", data=form, headers=keys["ed"])
    assert page.status_code == 409
    assert "Iemand anders heeft ijm-001 intussen veranderd" in page.text
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM maintenance_window").fetchone() == (1,)
    current = (await api.get(NODE, headers=keys["ed"])).json()["revision"]
    assert current == revision + 1
    third = await api.post(f"{NODE}/maintenance", json={**window, "revision": current}, headers=keys["ed"])
    assert third.status_code == 201


async def test_readings_in_maintenance_are_stored_flagged_and_make_no_peak(api, database, keys, node, pipeline):
    created = await api.post(
        f"{NODE}/maintenance",
        json={"endsAt": (HOUR + timedelta(hours=9)).isoformat(), "reason": "x"},
        headers=keys["carla"],
    )
    number = created.json()["id"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE maintenance_window SET starts_at = now() - interval '1 hour'")
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    values = {"pm2_5": [8.0] * 200 + [900.0] * 100}
    payload = node.payload(
        1, t0=now_ms - 300_000, dt=[i * 1000 for i in range(300)], values=values, received_at=datetime.now(UTC)
    )
    committed = await pipeline.process([payload])
    assert [message.events for message in committed.live_messages if message.events] == []
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT DISTINCT flags & %s FROM observation", [Flag.MAINTENANCE.value]).fetchall()
        assert rows == [(Flag.MAINTENANCE.value,)]
        assert connection.execute("SELECT count(*), max(valid_count) FROM observation_1min").fetchone()[1] == 0
    ended = await api.delete(f"/api/v1/operator/maintenance/{number}", headers=keys["carla"])
    assert ended.status_code == 200
    assert (await api.delete(f"/api/v1/operator/maintenance/{number}", headers=keys["carla"])).status_code == 409
    later_ms = int(datetime.now(UTC).timestamp() * 1000) + 1_000
    await pipeline.process([node.payload(2, t0=later_ms, values={"pm2_5": [8.0, 8.1]}, received_at=datetime.now(UTC))])
    with psycopg.connect(database) as connection:
        newest = connection.execute("SELECT flags & 4096 FROM observation ORDER BY observed_at DESC LIMIT 2").fetchall()
    assert newest == [(0,), (0,)]


async def test_a_window_does_not_reach_into_the_past_or_beyond_a_month(api, keys):
    for start, end, detail in (
        (HOUR - timedelta(hours=3), HOUR + timedelta(hours=3), "has passed"),
        (None, HOUR - timedelta(hours=3), "after the start"),
        (None, HOUR + timedelta(days=40), "31 days"),
    ):
        body = {"startsAt": start and start.isoformat(), "endsAt": end.isoformat(), "reason": "x"}
        answer = await api.post(f"{NODE}/maintenance", json=body, headers=keys["carla"])
        assert answer.status_code == 400
        assert detail in answer.json()["detail"]


async def test_a_replaced_sensor_ends_the_calibration_of_the_former_one(api, database, keys, store_reference):
    store_reference()
    await api.post(f"{NODE}/calibrations", json=calibration_of(), headers=keys["carla"])
    change = {
        "properties": ["pm2_5"], "changedAt": (HOUR - timedelta(minutes=10)).isoformat(), "model": "Sensirion SPS30",
        "serial": "9AAA", "reason": "ventilator versleten",
    }  # fmt: skip
    answer = await api.post(f"{NODE}/sensor-changes", json=change, headers=keys["carla"])
    assert (answer.status_code, answer.json()) == (201, {"ended": ["calibration/ijm-001/pm2_5@2"]})
    with psycopg.connect(database) as connection:
        ends = connection.execute("SELECT version, valid_until FROM calibration ORDER BY version").fetchall()
        assert ends == [(1, None), (2, HOUR - timedelta(hours=1))]
        assert connection.execute("SELECT former_serial, serial FROM sensor_change").fetchall() == [("8F3A", "9AAA")]
    for changes, detail in (
        ({"properties": ["co2"]}, "does not measure: co2"), ({"properties": []}, "properties"),
        ({"model": " "}, "write 1"), ({"changedAt": START.isoformat()}, "later moment"),
    ):  # fmt: skip
        refused = await api.post(f"{NODE}/sensor-changes", json={**change, **changes}, headers=keys["carla"])
        assert refused.status_code == 400, refused.text
        assert detail in refused.json()["detail"]
    page = await api.get("/nl/operator/nodes/ijm-001", headers=keys["carla"])
    assert "9AAA" in page.text


async def test_the_forms_and_the_api_have_the_same_effect(api, database, keys, store_reference):
    store_reference()
    local = {"start": f"{START.astimezone():%Y-%m-%dT%H:%M%z}", "end": f"{END.astimezone():%Y-%m-%dT%H:%M%z}"}
    query = {"property": "pm2_5", "station": "reference", **local}
    page = await api.get("/nl/operator/nodes/ijm-001/fit", params=query, headers=keys["carla"])
    assert page.status_code == 200, page.text
    assert "200" in page.text
    form = {
        **query, "revision": "0", "valid_from": f"{START:%Y-%m-%dT%H:%M}+00:00", "model": "SPS30", "author": "GGD",
    }  # fmt: skip
    done = await api.post("/nl/operator/nodes/ijm-001/calibration", data=form, headers=keys["carla"])
    assert (done.status_code, done.headers["location"]) == (303, "/nl/operator/nodes/ijm-001#work")
    sensor = {"properties": "pm2_5", "model": "SPS30", "reason": "stuk", "revision": "1"}
    assert (await api.post("/operator/nodes/ijm-001/sensor", data=sensor, headers=keys["carla"])).status_code == 303
    work = {"hours": "2", "reason": "inlaat", "revision": "3"}
    assert (await api.post("/operator/nodes/ijm-001/maintenance", data=work, headers=keys["carla"])).status_code == 303
    assert (await api.post("/operator/maintenance/1/end", headers=keys["carla"])).status_code == 303
    with psycopg.connect(database) as connection:
        actions = connection.execute("SELECT action FROM access.audit WHERE outcome = 'done' ORDER BY id").fetchall()
    names = [action for (action,) in actions]
    assert names == ["calibrate", "calibrate", "replace-sensor", "maintain", "end-maintenance"]


def test_the_commands_and_the_pages_have_the_same_effect(database, node, store_reference, tmp_path, capsys):
    store_reference()
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'database = {{ dsn = "{database}" }}\n')

    def run(*arguments):
        code = command.main([*arguments, "--config", str(config)])
        return code, "".join(capsys.readouterr())

    assert run("node", "history", "ijm-001") == (0, "no operator has changed ijm-001 yet\n")
    period = ["--start", START.isoformat(), "--end", END.isoformat(), "--beside", "reference"]
    code, output = run("calibration", "fit", "ijm-001", "pm2_5", *period)
    assert code == 0
    assert "n = 200 hours" in output
    apply = ["--apply", "--from", START.isoformat(), "--model", "SPS30", "--author", "GGD"]
    assert run("calibration", "fit", "ijm-001", "pm2_5", *period, "--apply")[0] == 2
    assert "@1 holds from" in run("calibration", "fit", "ijm-001", "pm2_5", *period, *apply)[1]
    assert run("node", "maintain", "ijm-001", "--for", "2h", "--reason", "inlaat")[0] == 0
    assert run("node", "end-maintenance", "ijm-001")[0] == 0
    assert "no maintenance that is open" in run("node", "end-maintenance", "ijm-001")[1]
    replaced = run("node", "replace-sensor", "ijm-001", "--property", "pm2_5", "--model", "SPS30", "--reason", "stuk")
    assert "calibration/ijm-001/pm2_5@2" in replaced[1]
    history = run("node", "history", "ijm-001")[1]
    for action in ("calibrate", "maintain", "end-maintenance", "replace-sensor"):
        assert action in history
    shown = run("node", "show", "ijm-001")[1]
    assert "Never heard." in shown
    assert "inlaat" in shown
    assert run("node", "show", "ijm-009")[0] == 1
