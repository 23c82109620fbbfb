"""A dossier has the values of API and exports, the same bytes each time, and names what is not on record."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.record.evidence import decode_record, find_errors
from gateway.api.pages.event_texts import choose_chart_period
from gateway.dossier.bag import write_bag
from gateway.dossier.build import build_dossier
from gateway.dossier.errors import DossierError
from gateway.dossier.exhibits import read_verifier
from gateway.dossier.request import EventRequest, PeriodRequest
from gateway.dossier.stored_file import FileWriter, StoredFile
from gateway.errors import StartError
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import CalibrationVersion
from gateway.store.calibrations import add_calibration
from gateway.verification.dossier_files import MAX_FILE_BYTES
from tests.gateway.api.conftest import running_api
from tests.gateway.dossier.conftest import PUBLISHER, read_json, unpack
from tests.gateway.enrolled_node import T0

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event


REPO = Path(__file__).resolve().parents[3]
FORBIDDEN = re.compile(
    r"overtred|overschrijd|exceed|offen[cs]e|offender|violat|dader|schuldig|guilty|culprit|vervuiler|polluter",
    re.IGNORECASE,
)


def run_command(*arguments, environment=None):
    return subprocess.run(
        [sys.executable, "-m", "gateway", "dossier", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPO), **(environment or {})},
        capture_output=True,
        text=True,
        cwd=REPO,
    )


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_and_time_zones_write_the_same_bytes(recorded, configuration, tmp_path):
    contents = []
    for seed, zone, language in (("1", "Asia/Tokyo", "C"), ("2", "America/Lima", "nl_NL.UTF-8")):
        output = tmp_path / f"{seed}.zip"
        environment = {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language}
        done = run_command(recorded[1], "--config", configuration, "-o", output, environment=environment)
        assert done.returncode == 0, done.stderr
        contents.append(output.read_bytes())
    assert contents[0] == contents[1]


async def test_a_second_build_in_one_process_has_the_same_bytes(recorded, dossier):
    assert await build_dossier(recorded[0], EventRequest(event=recorded[1]), PUBLISHER) == dossier


async def test_another_plan_of_the_database_gives_the_same_bytes(postgres, recorded, dossier):
    """The last binary digit of a mean depends on the order in which the database adds."""
    dsn = postgres.create_database("other_plan", template=recorded[0].rpartition("dbname=")[2])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CREATE TABLE moved AS SELECT * FROM observation ORDER BY md5(observed_at::text)")
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE observation")
        connection.execute("INSERT INTO observation SELECT * FROM moved")
        for method in ("indexscan", "indexonlyscan", "bitmapscan", "sort"):
            connection.execute(f"ALTER DATABASE other_plan SET enable_{method} = off")
    assert await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER) == dossier


async def test_event_revisions_and_readings_are_those_of_the_api(recorded, files, broker):
    dsn, peak = recorded
    async with running_api(dsn, broker, operator=PUBLISHER.operator) as (api, _):
        event = (await api.get(f"/api/v1/events/{peak}")).json()
        assert read_json(files, "event.json") == event
        revisions = (await api.get(f"/api/v1/events/{peak}/revisions")).json()
        assert read_json(files, "revisions.json")["items"] == revisions["items"]
        assert read_json(files, "corrections.json") == (await api.get("/api/v1/corrections")).json()
        for averaging in ("raw", "1min"):
            (path,) = (path for path in files if f"pm2_5-{averaging}" in path and path.endswith(".csv"))
            start, end = find_period(event)
            query = {"start": start, "end": end, "averaging": averaging, "property": "pm2_5"}
            address = "/api/v1/stations/wijk-aan-zee/observations"
            assert (await api.get(address, params=query, headers={"Accept": "text/csv"})).content == files[path]


def period(station, first_day, last_day):
    """A request of days in January."""
    start, end = (datetime(2026, 1, day, tzinfo=UTC) for day in (first_day, last_day))
    return PeriodRequest(station=station, start=start, end=end)


def find_period(event):
    """Start and end of the readings around an event that the API describes."""
    onset, end = (datetime.fromisoformat(event[name]) for name in ("onset", "end"))
    charted = choose_chart_period(onset, end, datetime.fromisoformat(event["changedAt"]))
    return format_instant(charted.start), format_instant(charted.end)


async def test_a_false_alarm_stands_above_the_event_that_stays_as_it_is(postgres, recorded, files):
    dsn = postgres.create_database("judged", template=recorded[0].rpartition("dbname=")[2])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO alerting.false_alarm (plume, cause, note, author, stations, severities) "
            "SELECT plume_id, 'work', 'steiger', 'anna', ARRAY[station_id], ARRAY[severity] FROM event WHERE id = %s",
            [recorded[1]],
        )
    judged = unpack((await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER)).content)
    page = judged["data/dossier.html"].decode()
    assert "er werd bij het station gewerkt" in page
    assert "anna" not in page
    assert judged["data/event.json"] == files["data/event.json"]


def test_csv_and_parquet_have_the_same_values(files):
    for path in (path for path in files if path.endswith(".parquet")):
        rows = list(csv.DictReader(io.StringIO(files[path.replace(".parquet", ".csv")].decode())))
        table = pq.read_table(io.BytesIO(files[path]))
        name = "value" if "value" in table.column_names else "mean"
        assert [None if row[name] == "" else float(row[name]) for row in rows] == table[name].to_pylist()


def test_the_batches_are_the_bytes_that_the_node_signed(recorded, files):
    with psycopg.connect(recorded[0]) as connection:
        stored = {
            f"data/batches/{node}-{incarnation}-{number}.note": payload
            for node, incarnation, number, payload in connection.execute(
                "SELECT node_id, incarnation, seq, payload FROM batch"
            )
        }
    notes = {path: content for path, content in files.items() if path.endswith(".note")}
    assert len(notes) > 50
    assert notes.items() <= stored.items()
    listed = list(csv.DictReader(io.StringIO(files["data/batches.csv"].decode())))
    assert len(listed) == len(notes)


def test_the_record_of_deliveries_verifies(files):
    record = decode_record(files["data/deliveries.json"])
    assert list(find_errors(record)) == []
    assert record.entries


def test_the_dossier_has_the_detector_with_its_parameters(files):
    detector = read_json(files, "detector.json")
    assert detector["name"] == read_json(files, "event.json")["detector"]
    assert detector["parameters"]["property"]["pm2_5"]["threshold"] > 0


def read_text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style.*?</style>", " ", html.decode())))


def test_the_document_has_the_fourteen_sections_and_names_missing_parts(files):
    html = files["data/dossier.html"].decode()
    assert re.findall(r'<h2 id="s(\d+)">', html) == [str(number) for number in range(1, 15)]
    text = read_text(files["data/dossier.html"])
    assert text.count("Geen meldingen geregistreerd in Piekwacht.") == 1
    assert "Geen kalibratie geregistreerd in Piekwacht." in text
    assert "Hier is geen openbaar logboek ingericht." in text
    assert "Het model van de sensor staat niet in de gegevens" in text


def test_a_gap_and_a_flag_are_visible_in_the_table_of_minutes(files):
    text = read_text(files["data/dossier.html"])
    assert "0 / 60 0 – – – geen metingen" in text


async def test_no_text_judges_or_names_an_offender(recorded, files):
    english = await build_dossier(recorded[0], EventRequest(event=recorded[1], language="en"), PUBLISHER)
    texts = [
        *(REPO / "gateway/dossier").rglob("*.py"),
        *(REPO / "gateway/dossier/templates").iterdir(),
        *(REPO / "gateway/locale").glob("*/LC_MESSAGES/gateway.po"),
    ]
    outputs = [content for path, content in files.items() if path.endswith((".html", ".txt"))]
    outputs += [content for path, content in unpack(english.content).items() if path.endswith((".html", ".txt"))]
    for text in (*(path.read_text(encoding="utf-8") for path in texts), *(output.decode() for output in outputs)):
        assert FORBIDDEN.findall(text) == []


def test_every_text_of_the_catalogue_is_used():
    paths = (path for path in (REPO / "gateway/dossier").rglob("*.*") if path.suffix in {".py", ".html", ".txt"})
    source = "".join(path.read_text(encoding="utf-8") for path in paths)
    catalogue = (REPO / "gateway/locale/nl/LC_MESSAGES/gateway.po").read_text(encoding="utf-8")
    keys = re.findall(r'msgctxt "dossier"\nmsgid "(\w+)"', catalogue)
    unused = [key for key in keys if not key.startswith("kind_") and not re.search(rf"\b{key}\b", source)]
    assert unused == []


async def test_a_dossier_of_an_earlier_revision_names_the_newest(recorded):
    dsn, peak = recorded
    early = unpack((await build_dossier(dsn, EventRequest(event=peak, revision=1), PUBLISHER)).content)
    event = read_json(early, "event.json")
    assert (event["revision"], event["change"]) == (1, "opened")
    text = read_text(early["data/dossier.html"])
    assert re.search(r"er is een nieuwere versie van deze piek \(\d+\)\. Dit dossier gaat over versie 1", text)
    with psycopg.connect(dsn) as connection:
        query = """SELECT body ->> 'peak', alert ->> 'severity' FROM event_revision
                   JOIN alerting.inbox USING (event_id, revision) WHERE event_id = %s AND revision = 1"""
        peak_value, severity = connection.execute(query, [peak]).fetchone()
    assert (event["peak"], event["severity"]) == (float(peak_value), severity)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (EventRequest(event="nowhere"), "no event 'nowhere'"),
        (period("nowhere", 1, 2), "no station 'nowhere'"),
        (period("velsen", 1, 3), "at most 25 hours"),
        (period("velsen", 2, 1), "--from must be before --to"),
        (period("velsen", 1, 2), "no readings"),
    ],
)
async def test_an_impossible_dossier_is_one_sentence(recorded, request_, sentence):
    with pytest.raises(DossierError, match=re.escape(sentence)):
        await build_dossier(recorded[0], request_, PUBLISHER)


async def test_an_unknown_revision_names_the_newest(recorded):
    with pytest.raises(DossierError, match=r"has no revision 999; its newest is \d+"):
        await build_dossier(recorded[0], EventRequest(event=recorded[1], revision=999), PUBLISHER)


async def test_a_database_that_is_away_is_one_sentence():
    with pytest.raises(StartError, match="no database"):
        await build_dossier("host=127.0.0.1 port=1 dbname=x", EventRequest(event="x"), PUBLISHER)


async def test_a_period_has_its_events_and_every_watched_property(recorded):
    dsn, peak = recorded
    start, end = (datetime.fromtimestamp(T0 / 1000 + seconds, UTC) for seconds in (600, 3_000))
    dossier = await build_dossier(dsn, PeriodRequest(station="wijk-aan-zee", start=start, end=end), PUBLISHER)
    files = unpack(dossier.content)
    assert peak in [event["id"] for event in read_json(files, "events.json")["items"]]
    assert f"data/events/{peak}/deliveries.json" in files
    text = read_text(files["data/dossier.html"])
    assert "Dossier van een periode: 21 november 2026, Wijk aan Zee" in text
    assert peak in text


async def test_a_fault_of_the_sensor_has_no_level(recorded):
    dsn, _ = recorded
    start, end = (datetime.fromtimestamp(T0 / 1000 + seconds, UTC) for seconds in (2_700, 3_600))
    files = unpack((await build_dossier(dsn, PeriodRequest(station="velsen", start=start, end=end), PUBLISHER)).content)
    kinds = [event["kind"] for event in read_json(files, "events.json")["items"]]
    assert kinds == ["sensor"]
    text = read_text(files["data/dossier.html"])
    assert "Dit was geen piek (storing van de sensor). De niveaus gelden niet." in text
    assert "zeer ernstig" not in text


def test_without_pango_the_command_ends_with_the_remedy(recorded, configuration, tmp_path):
    (tmp_path / "weasyprint.py").write_text('raise OSError("cannot load library libpango-1.0-0")\n')
    environment = {"PYTHONPATH": f"{tmp_path}:{REPO}"}
    output = tmp_path / "a.zip"
    done = run_command(recorded[1], "--config", configuration, "-o", output, environment=environment)
    assert done.returncode == 1
    assert done.stderr == "piekwacht: Pango is missing: apt-get install libpango-1.0-0 libpangoft2-1.0-0\n"
    assert list(tmp_path.glob("a.zip*")) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give an EVENT, or --station with --from and --to"),
        (["x", "--station", "y"], "give an EVENT, or --station with --from and --to"),
        (["--station", "y", "--from", "2026-01-01T00:00:00Z"], "give an EVENT, or --station with --from and --to"),
        (["nowhere"], "no event 'nowhere'"),
    ],
)
def test_a_wrong_command_is_one_sentence(configuration, tmp_path, arguments, sentence):
    done = run_command(*arguments, "--config", configuration, "-o", tmp_path / "a.zip")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_light_command_line_loads_neither_pango_nor_matplotlib():
    code = (
        "import sys, gateway.cli.dossier, gateway.service.run\n"
        "print(sorted({'weasyprint', 'matplotlib', 'numba', 'fastapi'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=REPO)
    assert json.loads(done.stdout.replace("'", '"')) == []


class LogOfSomeBatches:
    """A public log that holds every second batch."""

    async def build_batch_evidence(self, snapshot, batches):
        return {batch.name: b'{"batch": %d}\n' % batch.number for batch in batches if batch.number % 2}

    async def build_value_evidence(self, snapshot, registry, station, observed_property, at):
        return json.dumps({"claim": [station, observed_property, format_instant(at)]}).encode()

    async def build_detections(self, snapshot, registry, events, folder):
        return []

    async def read_policy(self, area):
        return "quorum none\n"


async def test_evidence_of_the_log_is_in_the_bag_and_in_the_pdf(recorded):
    dsn, peak = recorded
    files = unpack((await build_dossier(dsn, EventRequest(event=peak), PUBLISHER, LogOfSomeBatches())).content)
    claim = read_json(files, f"evidence/peak-{peak}.piekwacht.json")["claim"]
    assert claim == ["wijk-aan-zee", "pm2_5", read_json(files, "event.json")["peakAt"]]
    assert files["data/policy.txt"] == b"quorum none\n"
    proofs = [path for path in files if path.startswith("data/evidence/")]
    text = read_text(files["data/dossier.html"])
    assert f"De map evidence heeft {len(proofs)} bewijsbestanden" in text
    missing = sum(path.endswith(".note") for path in files) - (len(proofs) - 1)
    assert f"Van {missing} reeksen is er geen bewijs" in text
    assert "Hier is geen openbaar logboek ingericht" not in text


def test_the_stand_alone_verifier_is_in_the_bag_if_it_is_installed(files):
    assert files.get("data/verify.py") == read_verifier()


NAMES = st.text("abcdefghij-_./", min_size=1, max_size=20).filter(lambda name: "//" not in name)


@settings(deadline=None)  # of the tests, not of the code: the machine may be busy
@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=8), st.integers(1_000_000_000, 4_000_000_000))
def test_the_order_of_files_does_not_change_the_bag(contents, seconds):
    moment = datetime.fromtimestamp(seconds, UTC)
    reverse = dict(reversed(contents.items()))
    assert pack(contents, {"A": "b"}, moment) == pack(reverse, {"A": "b"}, moment)
    unpacked = unpack(pack(contents, {}, moment))
    assert {f"data/{path}": content for path, content in contents.items()}.items() <= unpacked.items()
    with TemporaryDirectory() as folder:
        stored = {path: store(Path(folder), content) for path, content in contents.items()}
        assert pack(stored, {"A": "b"}, moment) == pack(contents, {"A": "b"}, moment)


def pack(files, facts, moment):
    output = io.BytesIO()
    write_bag(output, "b", files, facts, moment)
    return output.getvalue()


def store(folder, content):
    writer = FileWriter(folder / str(len(list(folder.iterdir()))))
    writer.write([content[:3], content[3:]])
    return writer.close()


def test_a_full_disk_is_one_sentence():
    with pytest.raises(DossierError, match="No space left on device; set TMPDIR"):
        FileWriter(Path("/dev/full")).write([b"0" * 100_000])
    writer = FileWriter(Path("/dev/full"))
    writer.write([b"0"])  # stays in the buffer
    with pytest.raises(DossierError, match="No space left on device; set TMPDIR"):
        writer.close()


def test_a_dossier_that_no_verifier_would_read_is_refused(tmp_path):
    files = {f"{number}": StoredFile(path=tmp_path, size=MAX_FILE_BYTES, sha256="0" * 64) for number in range(2)}
    with pytest.raises(DossierError, match="make a dossier of a shorter period"):
        pack(files, {}, datetime(2026, 1, 1, tzinfo=UTC))


async def test_a_calibration_is_in_the_history_of_its_node_and_in_every_corrected_value(recorded, postgres):
    source = psycopg.conninfo.conninfo_to_dict(recorded[0])["dbname"]
    dsn = postgres.create_database("calibrated_dossier", template=source)
    with psycopg.connect(dsn, autocommit=True) as connection:
        ((node,),) = connection.execute(
            "SELECT DISTINCT d.node_id FROM event e JOIN datastream d ON d.id = e.datastream_id WHERE e.id = %s",
            [recorded[1]],
        ).fetchall()
        calibration = CalibrationVersion(
            node=node, observed_property="pm2_5", version=0, valid_from=datetime(2020, 1, 1, tzinfo=UTC),
            sensor_model="SPS30", serial="8F3A", slope=0.5, source="thirty days beside a reference", author="GGD",
        )  # fmt: skip
        label = add_calibration(connection, calibration).label
    files = unpack((await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER)).content)
    (page,) = (files[path].decode() for path in files if path.endswith(".html"))
    assert f"{label} (SPS30 8F3A)" in page
    assert "thirty days beside a reference" in page
    assert [item["author"] for item in read_json(files, "corrections.json")["items"]] == [None, "GGD"]
    (path,) = (path for path in files if "pm2_5-1min" in path and path.endswith(".csv"))
    rows = list(csv.DictReader(io.StringIO(files[path].decode())))
    assert {row["correction"] for row in rows if row["corrected"]} == {label}
