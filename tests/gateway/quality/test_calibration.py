"""Calibrations: versions that are added and never changed, and which every corrected value names."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.__main__ import main
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import CalibrationVersion, calibrate, find_calibration
from gateway.quality.humidity_correction import AirHumidity, MissingCorrection
from gateway.store.calibrations import CalibrationError, add_calibration
from gateway.transparency.leaf import LeafKind, hash_content
from tests.gateway.api.conftest import api  # noqa: F401 - fixtures
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0
from tests.gateway.transparency.logs import open_log

START = datetime.fromtimestamp(T0 / 1000, UTC)
HOUR = START.replace(minute=0, second=0, microsecond=0)
PERIOD = {"start": format_instant(HOUR), "end": format_instant(HOUR + timedelta(hours=1))}
PATH = "/api/v1/stations/wijk-aan-zee/observations"
LINE = CalibrationVersion(
    node="ijm-001",
    observed_property="pm2_5",
    version=1,
    valid_from=HOUR,
    sensor_model="SPS30",
    serial="A1",
    offset=-1.5,
    slope=0.8,
    humidity_slope=0.02,
    source="beside the reference station for 30 days",
    author="GGD",
)


def calibrate_naively(raw, humidity, c):
    """The formula of the module, written out."""
    water = humidity / 100
    growth = 1 + c.kappa / 1.65 / (1 / water - 1) if c.kappa else 1
    return c.offset + c.slope * raw / growth + c.humidity_slope * humidity


@given(
    st.floats(0, 2_000),
    st.floats(0.01, 95),
    st.fixed_dictionaries(
        {
            "offset": st.floats(-50, 50),
            "slope": st.floats(0.1, 10),
            "humidity_slope": st.floats(-1, 1),
            "kappa": st.sampled_from([0.0, 0.3]),
        }
    ),
)
def test_the_corrected_value_is_that_of_the_formula(raw, humidity, coefficients):
    calibration = replace(LINE, **coefficients)
    corrected, reason = calibrate(raw, AirHumidity(percent=humidity, flags=0), calibration)
    assert corrected == pytest.approx(calibrate_naively(raw, humidity, calibration), rel=1e-9, abs=1e-9)
    assert reason is None


def test_a_term_of_humidity_needs_the_humidity_and_a_straight_line_does_not():
    assert calibrate(10.0, None, LINE) == (None, MissingCorrection.NO_HUMIDITY)
    assert calibrate(10.0, AirHumidity(percent=112.0, flags=0), LINE) == (None, MissingCorrection.HUMIDITY_FLAGGED)
    assert calibrate(10.0, AirHumidity(percent=99.0, flags=0), LINE)[0] == pytest.approx(8.48)
    growing = replace(LINE, kappa=0.3)
    assert calibrate(10.0, AirHumidity(percent=99.0, flags=0), growing) == (None, MissingCorrection.TOO_HUMID)
    straight = replace(LINE, humidity_slope=0.0)
    assert calibrate(10.0, None, straight) == (6.5, None)
    assert calibrate(None, None, straight) == (None, None)


HOURS = st.integers(0, 5)


@given(st.lists(st.tuples(HOURS, st.none() | st.integers(1, 5)), max_size=6), HOURS)
def test_the_newest_version_that_has_begun_holds_and_none_after_its_end(spans, hour):
    versions = [
        replace(
            LINE,
            version=number,
            valid_from=HOUR + timedelta(hours=begin),
            valid_until=None if length is None else HOUR + timedelta(hours=begin + length),
        )
        for number, (begin, length) in enumerate(spans, 1)
    ]
    at = HOUR + timedelta(hours=hour)
    expected = None
    for version in versions:  # in the order in which they were added, each replaces the one before
        if version.valid_from <= at:
            expected = version if version.valid_until is None or version.valid_until > at else None
    assert find_calibration(versions[::-1], at) == expected


def add(dsn, calibration):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return add_calibration(connection, calibration)


async def test_every_way_out_names_the_calibration_that_was_used(api, pipeline, node, database):  # noqa: F811
    await ingest_observations(pipeline, node, 180, humidity=lambda _: 80.0)
    add(database, replace(LINE, offset=0.0, valid_until=HOUR + timedelta(hours=1)))
    label = add(database, LINE).label
    assert label == "calibration/ijm-001/pm2_5@2"
    newest = (await api.get("/api/v1/stations/wijk-aan-zee")).json()["properties"]["newest"]["pm2_5"]
    assert newest["correction"] == label
    assert newest["corrected"] == pytest.approx(-1.5 + 0.8 * newest["mean"] + 0.02 * 80)
    for averaging in ("raw", "1min", "1h", "1day"):
        query = {**PERIOD, "averaging": averaging}
        if averaging == "1day":
            query |= {
                "start": format_instant(START - timedelta(days=1)),
                "end": format_instant(START + timedelta(days=1)),
            }
        items = (await api.get(PATH, params=query)).json()["items"][::-1]
        assert {item["correction"] for item in items} == {label}
        for item in items:
            raw = item["value"] if averaging == "raw" else item["mean"]
            assert item["corrected"] == pytest.approx(-1.5 + 0.8 * raw + 0.02 * 80)
        rows = csv.DictReader(io.StringIO((await api.get(PATH, params={**query, "format": "csv"})).text))
        assert [(row["corrected"], row["correction"]) for row in rows] == [
            (repr(item["corrected"]), label) for item in items
        ]
        table = pq.read_table(io.BytesIO((await api.get(PATH, params={**query, "format": "parquet"})).content))
        assert table["correction"].to_pylist() == [label] * len(items)
    (rule, *versions) = (await api.get("/api/v1/corrections")).json()["items"]
    assert (rule["name"], rule["node"]) == ("kappa-koehler", None)
    assert [(v["name"], v["version"], v["author"]) for v in versions] == [
        ("calibration/ijm-001/pm2_5", 1, "GGD"), ("calibration/ijm-001/pm2_5", 2, "GGD")
    ]  # fmt: skip
    page = (await api.get("/stations/wijk-aan-zee?property=pm2_5")).text
    assert label in page
    assert "na kalibratie" in page


async def test_the_command_export_names_it_too(pipeline, node, database, tmp_path):
    await ingest_observations(pipeline, node, 180, humidity=lambda _: 80.0)
    label = add(database, LINE).label
    (tmp_path / "piekwacht.toml").write_text(f"[database]\ndsn = {json.dumps(database)}\n")
    command = [
        "export",
        "--station",
        "wijk-aan-zee",
        "--property",
        "pm2_5",
        "--config",
        str(tmp_path / "piekwacht.toml"),
        "--averaging",
        "1min",
    ]
    period = ["--from", PERIOD["start"], "--to", PERIOD["end"], "--output", str(tmp_path / "out.csv")]
    assert await asyncio.to_thread(main, [*command, *period]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert {row["correction"] for row in rows} == {label}


async def test_an_hour_before_the_calibration_has_the_general_rule(api, pipeline, node, database):  # noqa: F811
    await ingest_observations(pipeline, node, 120, humidity=lambda _: 80.0)
    add(database, replace(LINE, valid_from=HOUR + timedelta(hours=1)))
    items = (await api.get(PATH, params={**PERIOD, "averaging": "1min"})).json()["items"]
    assert {item["correction"] for item in items} == {"kappa-koehler@2"}


async def test_a_property_without_a_rule_has_a_corrected_value_by_its_calibration(api, pipeline, node, database):  # noqa: F811
    await ingest_observations(pipeline, node, 120, humidity=lambda _: 80.0)
    add(database, replace(LINE, observed_property="humidity", humidity_slope=0.0, offset=2.0, slope=1.0))
    query = {**PERIOD, "averaging": "1min"}
    path = PATH + "?property=humidity"
    items = (await api.get(path, params={**query, "property": "humidity"})).json()["items"]
    assert [(item["corrected"], item["correction"]) for item in items] == [
        (82.0, "calibration/ijm-001/humidity@1")
    ] * len(items)


def test_each_version_is_a_leaf_with_its_document(database, node, tmp_path):
    log = open_log(database, tmp_path / "log")
    for version in (1, 2):
        added = add(database, replace(LINE, node=node.id, uncertainty=float(version)))
        assert added.version == version
        while log.step().has_more:
            pass
    leaves = [leaf for leaf in log.leaves() if leaf.kind is LeafKind.CALIBRATION]
    assert [leaf.fields for leaf in leaves] == [
        (node.id, "pm2_5", "1", format_instant(HOUR)), (node.id, "pm2_5", "2", format_instant(HOUR))
    ]  # fmt: skip
    with psycopg.connect(database) as connection:
        ((text,),) = connection.execute(
            "SELECT document FROM log_leaf WHERE entry = %s", [leaves[1].encode().decode()]
        ).fetchall()
    assert hash_content(text.encode()) == leaves[1].content
    document = json.loads(text)
    assert document["parameters"] == LINE.parameters
    assert (document["name"], document["uncertainty"], document["serial"]) == (LINE.name, 2.0, "A1")


def test_a_stored_version_is_never_changed(database, node):
    add(database, replace(LINE, node=node.id))
    for change in ("UPDATE calibration SET slope = 2", "DELETE FROM calibration", "TRUNCATE calibration CASCADE"):
        with (
            psycopg.connect(database) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="is a record"),
        ):
            connection.execute(change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"node": "nobody"}, "no node 'nobody' is enrolled"),
        ({"observed_property": "gold"}, "no property 'gold' is registered"),
        ({"observed_property": "wind_direction"}, "is a direction"),
        ({"observed_property": "humidity"}, "cannot be corrected by itself"),
    ],
)
def test_a_calibration_that_has_no_meaning_is_refused_with_a_sentence(database, node, change, sentence):
    with pytest.raises(CalibrationError, match=sentence):
        add(database, replace(LINE, **{"node": node.id, **change}))


ARGUMENTS = {
    "--from": "2026-11-01T00:00:00Z", "--model": "SPS30", "--source": "report 12", "--author": "GGD", "--slope": "0.8"
}  # fmt: skip


def run_command(tmp_path, database, *arguments):
    (tmp_path / "piekwacht.toml").write_text(f"[database]\ndsn = {json.dumps(database)}\n")
    return main(["calibration", "--config", str(tmp_path / "piekwacht.toml"), *arguments])


def list_arguments(**changes):
    changed = {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [text for pair in (ARGUMENTS | changed).items() for text in pair]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"from": "2026-11-01T00:30:00Z"}, "must be a whole hour in UTC"),
        ({"until": "2026-10-01T00:00:00Z"}, "--until must be after --from"),
        ({"slope": "0"}, "--slope 0.0: its size must be between"),
        ({"kappa": "-1"}, "--kappa -1.0: must be between 0 and 10"),
        ({"uncertainty": "-1"}, "--uncertainty -1.0: must be 0 or more"),
        ({"author": " "}, "--author: 1 to 500 printable characters in one line"),
        ({"source": "a\nb"}, "--source: 1 to 500 printable characters in one line"),
    ],
)
def test_a_wrong_argument_is_one_sentence(tmp_path, capsys, changes, sentence):
    assert run_command(tmp_path, "", "add", "ijm-001", "pm2_5", *list_arguments(**changes)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("number", ["nan", "inf", "1e300", "much"])
def test_a_text_that_is_no_number_is_refused(tmp_path, capsys, number):
    with pytest.raises(SystemExit):
        run_command(tmp_path, "", "add", "ijm-001", "pm2_5", *list_arguments(offset=number))
    assert "--offset" in capsys.readouterr().err


def test_the_command_adds_lists_and_shows(database, node, tmp_path, capsys):
    assert run_command(tmp_path, database, "list") == 0
    assert "no calibration is registered" in capsys.readouterr().out
    assert run_command(tmp_path, database, "add", node.id, "pm2_5", *list_arguments()) == 0
    assert run_command(tmp_path, database, "add", node.id, "pm2_5", *list_arguments(slope="0.9", serial="A1")) == 0
    assert f"calibration/{node.id}/pm2_5@2 holds from 2026-11-01T00:00:00.000Z" in capsys.readouterr().out
    assert run_command(tmp_path, database, "list") == 0
    assert capsys.readouterr().out == f"{node.id}/pm2_5: version 2, from 2026-11-01T00:00:00.000Z, SPS30 A1\n"
    assert run_command(tmp_path, database, "show", node.id, "pm2_5") == 0
    shown = capsys.readouterr().out
    assert "slope 0.8," in shown
    assert "slope 0.9," in shown
    assert run_command(tmp_path, database, "show", node.id, "no2") == 1
    assert f"{node.id} has no calibration of no2" in capsys.readouterr().err
