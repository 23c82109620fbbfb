"""A station's property over a period as a file: the same figures as the API's pages, with flags and evidence."""

import csv
import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from gateway.__main__ import main
from gateway.api.schemas.schema import format_instant
from tests.gateway.api.conftest import api, pipeline  # noqa: F401 - fixtures
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

START = datetime.fromtimestamp(T0 / 1000, UTC)
PERIOD = {"start": format_instant(START), "end": format_instant(START + timedelta(hours=1))}
PATH = "/api/v1/stations/wijk-aan-zee/observations"


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


async def test_csv_and_parquet_and_pages_hold_the_same_figures(api, pipeline, node):  # noqa: F811
    await ingest_observations(pipeline, node)
    for averaging, time, value in (("raw", "observed_at", "value"), ("1min", "start", "mean"), ("1h", "start", "mean")):
        query = {**PERIOD, "averaging": averaging}
        pages = (await api.get(PATH, params=query)).json()["items"][::-1]
        answer = await api.get(PATH, params=query, headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = table(answer.text)
        assert [float(row[value]) for row in rows] == [item[value] for item in pages]
        assert [row[time] for row in rows] == [item["start" if time == "start" else "observedAt"] for item in pages]
        assert [row["flags"].split() for row in rows] == [item["flags"] for item in pages]
        answer = await api.get(PATH, params={**query, "format": "parquet"})
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        found = pq.read_table(io.BytesIO(answer.content))
        assert found[value].to_pylist() == [item[value] for item in pages]
        assert [format_instant(at) for at in found[time].to_pylist()] == [row[time] for row in rows]
        assert found["flags"].to_pylist() == [item["flags"] for item in pages]
        assert found.schema.metadata[b"unit"] == b"ug/m3"
        assert found.schema.metadata[b"licence"].startswith(b"https://creativecommons.org")


async def test_a_client_that_wants_none_of_our_kinds_is_told_which_there_are(api, node):  # noqa: F811
    answer = await api.get(PATH, headers={"Accept": "application/xml"})
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["detail"]


async def test_the_command_writes_what_the_api_says(pipeline, node, database, tmp_path):  # noqa: F811
    await ingest_observations(pipeline, node)
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    command = ["export", "--config", str(config), "--station", "wijk-aan-zee", "--property", "pm2_5",
               "--from", PERIOD["start"], "--to", PERIOD["end"]]  # fmt: skip
    assert await run([*command, "--output", str(tmp_path / "a.csv")]) == 0
    rows = table((tmp_path / "a.csv").read_text())
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


async def run(arguments):
    import asyncio  # noqa: PLC0415

    return await asyncio.to_thread(main, arguments)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--station", "nowhere"], "nowhere"),
        (["--property", "moonlight"], "moonlight"),
        (["--to", "2020-01-01T00:00:00Z"], "--from must be before --to"),
        (["--output", "/nowhere/at/all.csv"], "/nowhere/at/all.csv"),
    ],
)
async def test_what_cannot_be_exported_is_one_sentence(  # noqa: PLR0917 - fixtures and a table
    node, database, tmp_path, capsys, change, words
):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    command = ["export", "--config", str(config), "--station", "wijk-aan-zee", "--property", "pm2_5",
               "--from", PERIOD["start"], "--to", PERIOD["end"]]  # fmt: skip
    with redirect_stdout(io.StringIO()):
        assert await run([*command, *change]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
