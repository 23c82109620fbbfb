"""A part of a table that cannot be read is a row with `not_read`; the other parts are complete, in every format."""

import asyncio
import csv
import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow.parquet as pq
import pytest

from gateway.__main__ import main
from gateway.export.selection import Averaging, TableFormat
from gateway.model.timestamps import format_instant
from tests.gateway.api.conftest import api  # noqa: F401 - fixtures
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

START = datetime.fromtimestamp(T0 / 1000, UTC)
LATER_MS = T0 + 9_000_000  # two and a half hours later: another part of a table of readings
PATH = "/api/v1/stations/wijk-aan-zee/observations"
DAMAGE_READING = "UPDATE observation SET stamped_at = 'infinity' WHERE observed_at = to_timestamp(%s)"
# Of all means the database cannot compute those of the first day.
DAMAGE_MEANS = """
CREATE OR REPLACE FUNCTION expected_count(starts_at timestamptz, ends_at timestamptz, seconds double precision)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT exp(CASE WHEN starts_at < '2026-11-22T00:00Z' THEN 1000 ELSE 0 END::float8)::bigint
$$"""


def read_rows(content: bytes, format_: TableFormat) -> list[tuple[str, str, str]]:
    """Time, number and flags of each row, as text; an empty text is no number."""
    if format_ is TableFormat.PARQUET:
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
        for row in rows:
            row["flags"] = " ".join(row["flags"])
    else:
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if format_ is TableFormat.CSV_NL else ","))
    names = ("observed_at", "value") if "value" in rows[0] else ("start", "mean")
    return [(str(row[names[0]]), "" if row[names[1]] is None else str(row[names[1]]), row["flags"]) for row in rows]


async def export(database, tmp_path, format_, averaging, days):
    """Exit code and content of `piekwacht export`."""
    config, output = tmp_path / "piekwacht.toml", tmp_path / "table"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    command = ["export", "--config", str(config), "--station", "wijk-aan-zee", "--property", "pm2_5",
               "--from", format_instant(START), "--to", format_instant(START + days), "--format", format_,
               "--averaging", averaging, "--output", str(output)]  # fmt: skip
    with redirect_stdout(io.StringIO()):
        code = await asyncio.to_thread(main, command)
    return code, output.read_bytes()


@pytest.mark.parametrize("format_", list(TableFormat))
async def test_a_damaged_reading_costs_its_part_of_an_export(  # noqa: PLR0917 - fixtures and parameters
    api, pipeline, node, database, tmp_path, capsys, format_  # noqa: F811
):  # fmt: skip
    await ingest_observations(pipeline, node, 30)
    await ingest_observations(pipeline, node, 20, start=LATER_MS, first_seq=1000)
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute(DAMAGE_READING, [T0 / 1000 + 5]).rowcount == 1
    period = timedelta(hours=3)
    code, content = await export(database, tmp_path, format_, Averaging.RAW, period)
    assert code == 1
    error = capsys.readouterr().err
    assert "parts that could not be read: 1; their rows have the flag not_read" in error
    assert len(error.splitlines()) == 1
    query = {"averaging": "raw", "start": format_instant(START), "end": format_instant(START + period)}
    response = await api.get(PATH, params={**query, "format": format_})
    assert response.status_code == 200
    for table in (content, response.content):
        marker, *values = read_rows(table, format_)
        assert marker[1:] == ("", "not_read")
        assert len(values) == 20
        assert all(value and not flags for _, value, flags in values)


async def test_a_damaged_reading_is_a_fault_of_the_server_and_not_of_the_client(api, pipeline, node, database):  # noqa: F811
    await ingest_observations(pipeline, node, 30)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(DAMAGE_READING, [T0 / 1000 + 5])
    query = {"averaging": "raw", "start": format_instant(START), "end": format_instant(START + timedelta(hours=1))}
    response = await api.get(PATH, params=query)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 500


@pytest.mark.parametrize("averaging", [Averaging.MINUTE])
@pytest.mark.parametrize("format_", list(TableFormat))
async def test_means_that_cannot_be_computed_cost_their_part(  # noqa: PLR0917 - fixtures and parameters
    pipeline, node, database, tmp_path, capsys, averaging, format_
):  # fmt: skip
    await ingest_observations(pipeline, node, 60)
    await ingest_observations(pipeline, node, 60, start=T0 + 86_400_000, first_seq=1000)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(DAMAGE_MEANS)
    code, content = await export(database, tmp_path, format_, averaging, timedelta(days=2))
    assert (code, "not_read" in capsys.readouterr().err) == (1, True)
    marker, *values = read_rows(content, format_)
    assert marker[1:] == ("", "not_read")
    assert values
    assert all(value and not flags for _, value, flags in values)


async def test_an_export_from_a_database_that_goes_away_leaves_no_file(database, tmp_path):
    (tmp_path / "table").write_text("an earlier file")
    code, content = await export(f"{database}_missing", tmp_path, TableFormat.CSV, Averaging.RAW, timedelta(hours=3))
    assert (code, content) == (1, b"an earlier file")
