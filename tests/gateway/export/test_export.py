"""Exports as CSV and Parquet have the same values as the API's JSON pages, with flags and batch keys."""

import csv
import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from gateway.__main__ import main
from gateway.model.timestamps import format_instant
from tests.gateway.api.conftest import api  # noqa: F401 - fixtures
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

START = datetime.fromtimestamp(T0 / 1000, UTC)
PERIOD = {"start": format_instant(START), "end": format_instant(START + timedelta(hours=1))}
PATH = "/api/v1/stations/wijk-aan-zee/observations"


def parse_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


async def test_csv_parquet_and_json_pages_have_the_same_values(api, pipeline, node):  # noqa: F811
    await ingest_observations(pipeline, node)
    for averaging, time, value in (("raw", "observed_at", "value"), ("1min", "start", "mean"), ("1h", "start", "mean")):
        query = {**PERIOD, "averaging": averaging}
        pages = (await api.get(PATH, params=query)).json()["items"][::-1]
        answer = await api.get(PATH, params=query, headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = parse_csv(answer.text)
        assert [float(row[value]) for row in rows] == [item[value] for item in pages]
        assert [row[time] for row in rows] == [item["start" if time == "start" else "observedAt"] for item in pages]
        assert [row["flags"].split() for row in rows] == [item["flags"] for item in pages]
        answer = await api.get(PATH, params={**query, "format": "parquet"})
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        parquet = pq.read_table(io.BytesIO(answer.content))
        assert parquet[value].to_pylist() == [item[value] for item in pages]
        assert [format_instant(at) for at in parquet[time].to_pylist()] == [row[time] for row in rows]
        assert parquet["flags"].to_pylist() == [item["flags"] for item in pages]
        assert parquet.schema.metadata[b"unit"] == b"ug/m3"
        assert parquet.schema.metadata[b"licence"].startswith(b"https://creativecommons.org")


async def test_an_unsupported_accept_header_gets_406_with_the_formats(api, node):  # noqa: F811
    answer = await api.get(PATH, headers={"Accept": "application/xml"})
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["detail"]


async def test_the_command_writes_the_values_of_the_api(pipeline, node, database, tmp_path):
    await ingest_observations(pipeline, node)
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    command = ["export", "--config", str(config), "--station", "wijk-aan-zee", "--property", "pm2_5",
               "--from", PERIOD["start"], "--to", PERIOD["end"]]  # fmt: skip
    assert await run([*command, "--output", str(tmp_path / "a.csv")]) == 0
    rows = parse_csv((tmp_path / "a.csv").read_text())
    assert len(rows) == 170
    assert (rows[0]["station"], rows[0]["unit"], rows[0]["node"], rows[0]["seq"]) == (
        "wijk-aan-zee",
        "ug/m3",
        node.id,
        "1",
    )
    assert await run([*command, "--format", "parquet", "--output", str(tmp_path / "a.parquet")]) == 0
    assert pq.read_table(tmp_path / "a.parquet")["value"].to_pylist() == [float(row["value"]) for row in rows]
    assert list(tmp_path.glob("*.part")) == []


async def run(command):
    import asyncio  # noqa: PLC0415

    return await asyncio.to_thread(main, command)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--station", "nowhere"], "nowhere"),
        (["--property", "moonlight"], "moonlight"),
        (["--to", "2020-01-01T00:00:00Z"], "--from must be before --to"),
        (["--output", "/nowhere/at/all.csv"], "/nowhere/at/all.csv"),
    ],
)
async def test_an_impossible_export_is_one_sentence(  # noqa: PLR0917 - fixtures and parameters
    node, database, tmp_path, capsys, arguments, message
):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    command = ["export", "--config", str(config), "--station", "wijk-aan-zee", "--property", "pm2_5",
               "--from", PERIOD["start"], "--to", PERIOD["end"]]  # fmt: skip
    with redirect_stdout(io.StringIO()):
        assert await run([*command, *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
