"""Statements of others are stored and shown: on the page of an event, on their own page, and in the API."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from lxml import html

from gateway.__main__ import main
from gateway.model.registry import Site
from gateway.store import stations
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations

WEST = 4.594 - 0.03  # two kilometres west of the station


@pytest.fixture
async def onset(pipeline, node, database):
    """The onset of one stored event, fifteen minutes ago; a steel works lies two kilometres west of its station."""
    start = int(datetime.now(UTC).timestamp() * 1000) - 1_000_000
    await ingest_observations(pipeline, node, 200, start=start)
    with psycopg.connect(database, autocommit=True) as connection:
        stations.put_site(
            connection,
            Site(id="steel", area="ijmond", name="Hoogoven 6", operator="Staal BV", latitude=52.494, longitude=WEST),
        )
    return datetime.fromtimestamp(start / 1000 + 100, UTC)


@pytest.fixture
def run(database, tmp_path, capfd):
    (tmp_path / "piekwacht.toml").write_text(f'[database]\ndsn = "{database}"\n')

    def run_command(command, content, *words):
        path = tmp_path / "file.csv"
        path.write_text(content)
        head = [command, "--config", str(tmp_path / "piekwacht.toml")]
        action, *arguments = map(str, words)
        code = main([*head, action, str(path), *arguments])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run_command


def write_reports(onset, count):
    rows = [
        f"r{n},{(onset + timedelta(minutes=n + 1)).isoformat()},{onset.isoformat()},,Storing {n},https://bedrijf.example/{n}\n"
        for n in range(count)
    ]
    return "id,reported_at,began_at,ended_at,text,source\n" + "".join(rows)


async def test_reports_are_stored_once_and_their_times_are_public_from_five_on(onset, run, database, broker):
    for count in (4, 6):
        code, out, _ = run("statements", write_reports(onset, count), "import-reports", "--site", "steel")
        assert code == 0
        async with running_api(database, broker) as (client, _):
            document = (await client.get("/api/v1/site-reports")).json()
            page = html.fromstring((await client.get("/nl/site-reports")).text)
        (times,) = document["times"]
        assert (times["reports"], times["matched"]) == (count, count)
        if count == 4:
            assert times["medianSeconds"] is None
            assert "minder dan vijf" in page.text_content()
    assert out == "2 reports stored, 4 were stored already\n"
    assert times["medianSeconds"] == pytest.approx(210, abs=5)
    assert times["percentile95Seconds"] == pytest.approx(360, abs=5)
    assert [item["id"] for item in document["items"]] == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert "Staal BV" in page.text_content()
    assert "na het begin van de piek" in page.text_content()


async def test_the_same_report_with_other_times_is_refused_and_nothing_is_stored(onset, run, database):
    run("statements", write_reports(onset, 1), "import-reports", "--site", "steel")
    code, _, error = run(
        "statements", write_reports(onset + timedelta(minutes=1), 2), "import-reports", "--site", "steel"
    )
    assert code == 1
    assert "the report 'r0' is stored with another content, so nothing of the file was stored" in error
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM site_report").fetchone() == (1,)
    later = write_reports(onset + timedelta(minutes=1), 2)
    code, out, _ = run("statements", later, "import-reports", "--site", "steel", "--replace")
    assert (code, out) == (0, "1 reports stored, 1 replaced, 0 were stored already\n")


async def test_an_unknown_site_and_undeclared_commas_are_one_sentence(onset, run):
    del onset
    assert (
        "there is no site 'x'"
        in run("statements", write_reports(datetime.now(UTC), 0), "import-reports", "--site", "x")[2]
    )
    row = "time;stack;substance;value;unit;status;averaging\n2026-11-20T21:00Z;S;NOx;4,5;mg/Nm3;valid;30min\n"
    code, _, error = run("statements", row, "import-values", "--site", "steel")
    assert (code, error.count("\n")) == (1, 1)
    assert "give --decimal-comma" in error
    words = ("import-values", "--site", "steel", "--decimal-comma")
    assert run("statements", row, *words)[1].startswith("1 values stored")
    assert run("statements", row, *words)[1] == "0 values stored, 1 were stored already\n"
    assert "give --replace" in run("statements", row.replace("4,5", "5,5"), *words)[2]
    assert "1 replaced" in run("statements", row.replace("4,5", "5,5"), *words, "--replace")[1]


async def fetch_event(client):
    (event,) = (await client.get("/api/v1/events?kind=peak")).json()["items"]
    path = f"/api/v1/events/{event['id']}/statements"
    page = html.fromstring((await client.get(f"/nl/events/{event['id']}")).text)
    return (await client.get(path)).json(), page


async def test_the_page_of_an_event_shows_statements_of_others_and_hides_small_numbers(onset, run, database, broker):
    half_hour = onset.replace(minute=onset.minute // 30 * 30, second=0, microsecond=0)
    values = (
        "time;stack;substance;value;unit;status;averaging\n"
        f"{half_hour.isoformat()};KGF2;NOx;412.5;mg/Nm3;start_up;30min\n"
        f"{(half_hour - timedelta(days=2)).isoformat()};KGF2;NOx;1;mg/Nm3;valid;30min\n"
    )
    async with running_api(database, broker) as (client, _):
        document, page = await fetch_event(client)
        assert (document["complaints"], document["siteReports"], document["siteValues"]) == (None, [], [])
        assert "Wat anderen melden" not in page.text_content()
    assert run("statements", values, "import-values", "--site", "steel")[0] == 0
    run("statements", write_reports(onset, 1), "import-reports", "--site", "steel")
    days = [(datetime.now(UTC) + timedelta(days=shift)).date().isoformat() for shift in (-1, 2)]
    for persons in (4, 7):
        at = (onset + timedelta(minutes=3)).isoformat()
        complaints = "time,latitude,longitude,person\n" + "".join(f"{at},52.496,4.60,p{n}\n" for n in range(persons))
        code, _, error = run(
            "complaints", complaints, "compare", "--area", "ijmond", "--from", days[0], "--to", days[1],
            "--store", "Signalen Beverwijk",
        )  # fmt: skip
        assert (code, error) == (0, "")
        async with running_api(database, broker) as (client, _):
            document, page = await fetch_event(client)
        text = " ".join(page.text_content().split())
        if persons == 4:
            assert document["complaints"]["persons"] is None
            assert "Minder dan 5 mensen klaagden" in text
    assert (document["complaints"]["persons"], document["complaints"]["afterNotice"]) == (7, None)
    assert "7 mensen klaagden op een plek en tijd die hierbij passen." in text
    assert "Signalen Beverwijk" in text
    ((value,),) = (document["siteValues"],)
    assert (value["value"], value["unit"], value["status"]) == (412.5, "mg/Nm3", "start_up")
    assert "412,5 mg/Nm3" in text
    assert "opstarten" in text
    assert document["siteReports"][0]["seconds"] == pytest.approx(60, abs=5)
    assert "Storing 0" in text
    assert "niet door ons gemeten" in text
    async with running_api(database, broker) as (client, _):
        (event,) = (await client.get("/api/v1/events?kind=peak")).json()["items"]
        plume = html.fromstring((await client.get(f"/nl/plumes/{event['plume']}")).text)
    part = plume.get_element_by_id("others").getparent().text_content()
    assert "7 mensen klaagden" in part
    assert "412,5 mg/Nm3" in part


async def test_stored_counts_hold_nothing_of_a_complaint(onset, run, database):
    at = (onset + timedelta(minutes=3)).isoformat()
    days = [(datetime.now(UTC) + timedelta(days=shift)).date().isoformat() for shift in (-1, 2)]
    words = ["compare", "--area", "ijmond", "--from", days[0], "--to", days[1]]
    content = f"time,latitude,longitude,person,id\n{at},52.496,4.6012,mevrouw Jansen,klacht-77\n"
    run("complaints", content, *words)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM complaint_comparison").fetchone() == (0,)
    run("complaints", content, *words, "--store", "Signalen")
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT c::text, n::text FROM complaint_comparison c, complaint_count n").fetchall()
    assert len(rows) == 1
    for secret in ("Jansen", "klacht-77", "52.49", "4.60"):
        assert secret not in str(rows)
    assert "name where the complaints come from" in run("complaints", content, *words, "--store", " ")[2]
