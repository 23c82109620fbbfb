"""Reports of a recorded week: numbers as in the API, the same bytes again, and what the public must not read."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pikepdf
import psycopg
import pytest
from lxml import html
from msgspec import structs

from gateway.api.schemas.events import build_false_alarm
from gateway.assessment.assess import assess_substance
from gateway.documents.snapshot import open_snapshot
from gateway.export.assessed import build_period
from gateway.reports.build import build_report, render_report
from gateway.reports.document import ReportDocument
from gateway.reports.errors import ReportError
from gateway.reports.loading import QUERIES, load_contents
from gateway.reports.request import Audience, ReportRequest
from tests.gateway.api.conftest import running_api
from tests.gateway.dossier.conftest import fill
from tests.gateway.reports.conftest import NOTE, OPERATOR, PERIOD, PUBLISHER
from tests.gateway.reports.test_statistics import make_row

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event
REPO = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def read_tables(report):
    """Heading -> rows of cells of every table of a report."""
    document = html.fromstring(report.html)
    return {
        region.get("aria-label"): [
            [" ".join(cell.text_content().split()) for cell in row.iter("td", "th")] for row in region.iter("tr")
        ][1:]
        for region in document.iter("div")
        if region.get("role") == "region"
    }


def read_text(report):
    return " ".join(html.fromstring(report.html).text_content().split())


async def follow(api, address):
    """The document at an address of the list of sources."""
    answer = await api.get(address.removeprefix(PUBLISHER.public_url))
    assert answer.status_code == 200, address
    return answer.json()


async def test_every_number_is_that_of_the_address_beside_it(reported, reports, broker):
    tables = read_tables(reports[Audience.AUTHORITY])
    document = html.fromstring(reports[Audience.AUTHORITY].html)
    addresses = [link.get("href") for link in document.xpath("//section[last()]//li/a")]
    async with running_api(reported[0], broker, operator=OPERATOR) as (api, _):
        plumes = (await follow(api, addresses[0]))["items"]
        await follow(api, addresses[1])
        readings = tables["Metingen en niveaus per station"]
        assert len(readings) == len(addresses) - 3 == 3
        for row, address in zip(readings, addresses[2:-1], strict=True):
            days = (await follow(api, address))["items"]
            valid = sum(day["validCount"] for day in days)
            assert row[1].split("/")[0].replace(" ", "") == str(valid)
            highest = max(day["max"] for day in days)
            assert row[7].startswith(f"{highest:.1f}".replace(".", ","))
    counted = [plume for plume in plumes if plume["state"] != "voided"]
    assert len(tables["De pieken"]) == len(counted) == int(tables["Pieken per week"][0][1])
    for row, plume in zip(tables["De pieken"], reversed(counted), strict=True):
        assert row[2].startswith(f"{plume['events'][0]['peak']:.1f}".replace(".", ","))
        assert f"{plume['confidence'] * 100:.0f} %" in row[3]
    assert tables["Wie is gewaarschuwd, en hoe snel"] == [["Omgevingsdienst", "2", "1 min 30 s", "1 min 30 s", "0"]]


def test_the_public_version_has_no_note_author_or_legal_basis(reports):
    public, full = read_text(reports[Audience.RESIDENTS]), read_text(reports[Audience.AUTHORITY])
    for secret in (NOTE, "anna@od.example", "vergunning 2021-17"):
        assert secret in full
        assert secret not in public
    assert "bekende bron, volgens de toezichthouder" in public
    assert (
        read_tables(reports[Audience.RESIDENTS])["Pieken per week"]
        == read_tables(reports[Audience.AUTHORITY])["Pieken per week"]
    )


async def test_a_false_alarm_stands_with_its_cause_among_the_corrections(reported):
    async with open_snapshot(reported[0], QUERIES) as snapshot:
        contents = await load_contents(snapshot, ReportRequest(audience=Audience.RESIDENTS, **PERIOD), PUBLISHER, NOW)
    judgement = build_false_alarm("work", datetime(2026, 11, 20, 9, 30, tzinfo=UTC))
    first, *remaining = contents.plumes
    judged = structs.replace(first, state="voided", false_alarm=judgement)
    text = read_text(render_report(replace(contents, plumes=[judged, *remaining]), PUBLISHER))
    assert "er werd bij het station gewerkt" in text
    assert "Meldingen die geen piek bleken: 1" in text


def test_no_cause_is_guessed(reports):
    causes = [row[4] for row in read_tables(reports[Audience.AUTHORITY])["De pieken"]]
    assert sorted(causes) == ["niet vastgelegd", "vergunning 2021-17"]
    assert not re.search(
        r"overtred|overschrijd|dader|schuldig|vervuiler", reports[Audience.AUTHORITY].html, re.IGNORECASE
    )


def test_missing_days_are_stated_and_no_mean_stands_over_them(reports):
    for row in read_tables(reports[Audience.RESIDENTS])["Metingen en niveaus per station"]:
        assert row[3:6] == ["0 / 7", "6", "te weinig metingen"]
        assert row[6] == "–"


async def test_the_same_data_give_the_same_bytes_and_a_later_change_another_identifier(reported, reports):
    request = ReportRequest(audience=Audience.AUTHORITY, **PERIOD)
    again = await build_report(reported[0], request, PUBLISHER)
    assert again == reports[Audience.AUTHORITY]
    assert again.to_pdf() == reports[Audience.AUTHORITY].to_pdf()
    async with open_snapshot(reported[0], QUERIES) as snapshot:
        contents = await load_contents(snapshot, request, PUBLISHER, NOW)
    plume, *remaining = contents.plumes
    changed = structs.replace(plume, state="voided")
    other = render_report(replace(contents, plumes=[changed, *remaining]), PUBLISHER)
    kenmerk = re.compile(r'class="event-id"><code>(\w{16})')
    assert kenmerk.search(other.html)[1] != kenmerk.search(again.html)[1]
    assert "Dit bleken geen pieken" in other.html
    assert "Gewaarschuwd waren: Omgevingsdienst." in read_text(other)


def run_command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gateway", "report", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPO), **environment},
        capture_output=True,
        text=True,
        cwd=REPO,
    )


@pytest.fixture
def configuration(reported, tmp_path):
    path = tmp_path / "piekwacht.toml"
    path.write_text(
        f'[database]\ndsn = "{reported[0]}"\n[api]\noperator = "{OPERATOR}"\npublic_url = "https://piek.example"\n'
    )
    return path


PERIOD_ARGUMENTS = ("--area", "ijmond", "--from", "2026-11-16", "--to", "2026-11-23")


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_and_time_zones_write_the_same_pdf(configuration, tmp_path):
    contents = []
    for seed, zone in (("1", "Asia/Tokyo"), ("2", "America/Lima")):
        output = tmp_path / f"{seed}.pdf"
        done = run_command(*PERIOD_ARGUMENTS, "--config", configuration, "-o", output, PYTHONHASHSEED=seed, TZ=zone)
        assert done.returncode == 0, done.stderr
        contents.append(output.read_bytes())
    assert contents[0] == contents[1]
    with pikepdf.open(io.BytesIO(contents[0])) as pdf:
        assert str(pdf.Root.Lang) == "nl"
        assert pdf.Root.MarkInfo.Marked


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--area", "nergens", "--from", "2026-11-16", "--to", "2026-11-23"),
            "no area 'nergens'; `piekwacht site show`",
        ),
        (("--area", "ijmond", "--from", "2026-11-23", "--to", "2026-11-16"), "--from must be a day before --to"),
        (("--area", "ijmond", "--from", "2024-11-23", "--to", "2026-11-16"), "at most 366 days"),
        (("--area", "ijmond", "--from", "2026-11-16", "--to", "2099-11-17"), "at most 366 days"),
        (("--area", "ijmond", "--from", "gisteren", "--to", "2099-11-17"), "write it as 2026-10-01"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_sentence_and_no_file(configuration, tmp_path, arguments, sentence):
    done = run_command(*arguments, "--config", configuration, "-o", tmp_path / "r.html")
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("r.html*"))


def test_another_ending_is_refused(configuration, tmp_path):
    done = run_command(*PERIOD_ARGUMENTS, "--config", configuration, "-o", tmp_path / "r.docx")
    assert "the name must end with .pdf or .html" in done.stderr


async def test_a_period_that_is_not_over_is_refused(reported):
    request = ReportRequest(area="ijmond", start=date(2026, 11, 16), end=date(2026, 11, 23))
    with pytest.raises(ReportError, match="the period must be over"):
        await build_report(reported[0], request, PUBLISHER, datetime(2026, 11, 22, 22, 59, tzinfo=UTC))


async def test_both_languages_have_the_same_numbers(reported, reports):
    request = ReportRequest(audience=Audience.RESIDENTS, language="en", **PERIOD)
    english = await build_report(reported[0], request, PUBLISHER)
    assert "Peaks in IJmond, 16 November 2026 to 22 November 2026" in english.html
    numbers = [re.findall(r"\d+", row[1]) for row in read_tables(english)["Readings and levels by station"]]
    dutch = read_tables(reports[Audience.RESIDENTS])["Metingen en niveaus per station"]
    assert numbers == [re.findall(r"\d+", row[1]) for row in dutch]


async def test_a_week_before_the_first_reading_has_no_peaks_and_no_readings(reported):
    request = ReportRequest(area="ijmond", start=date(2026, 11, 2), end=date(2026, 11, 9))
    async with open_snapshot(reported[0], QUERIES) as snapshot:
        contents = await load_contents(snapshot, request, PUBLISHER, NOW)
    report = render_report(contents, PUBLISHER)
    assert "In deze periode zijn geen pieken gevonden." in report.html
    document = ReportDocument(contents=contents, formats=None, public_url="")
    assert [(row.capture.valid, row.capture.expected, row.capture.empty_days) for row in document.streams] == [
        (0, None, 7)
    ] * 3
    assert "onbekend" in read_text(report)


async def test_days_at_or_above_a_published_level_are_counted_over_complete_days_with_its_source(reported):
    request = ReportRequest(**PERIOD)
    async with open_snapshot(reported[0], QUERIES) as snapshot:
        contents = await load_contents(snapshot, request, PUBLISHER, NOW)
    id_ = contents.registry.datastreams_of("wijk-aan-zee", "pm2_5")[0]
    rows = [make_row(day, 86_400, mean=mean) for day, mean in zip(contents.days, (14.9, 15, 24, 25, 40), strict=False)]
    rows.append(make_row(contents.days[5], 1_000, mean=400.0))
    period = build_period(PERIOD["start"], PERIOD["end"], contents.area.time_zone)
    series = np.repeat([14.9, 15.0, 24.0, 25.0, 40.0, 400.0, np.nan], 24)
    series[5 * 24 + 17 : 6 * 24] = np.nan  # the sixth day has seventeen hours: too few
    assessments = {id_: assess_substance("pm2_5", series, period, None)}
    report = render_report(replace(contents, means={id_: rows}, assessments=assessments), PUBLISHER)
    levels = read_tables(report)["Gemiddelden op of boven het niveau van een norm of advies"]
    assert [row[1:] for row in levels] == [
        ["advieswaarde van de WHO, 2021, gemiddelde over een dag", "15 µg/m³", "4 / 5"],
        ["EU-grenswaarde, vanaf 2030, gemiddelde over een dag", "25 µg/m³", "2 / 5"],
        ["EU-informatiedrempel, gemiddelde over een dag", "50 µg/m³", "0 / 5"],
        ["EU-alarmdrempel, gemiddelde over een dag", "50 µg/m³", "0 / 5"],
    ]
    assert "Directive (EU) 2024/2881" in report.html
    assert "WHO global air quality guidelines" in report.html
    readings = read_tables(report)["Metingen en niveaus per station"]
    assert readings[2][3:5] == ["5 / 7", "1"]
    assert readings[2][5:7] == ["te weinig metingen", "40,0 µg/m³20-11"], "five of seven days are too few for a mean"


def test_a_database_that_is_away_is_one_sentence(tmp_path):
    path = tmp_path / "piekwacht.toml"
    path.write_text('[database]\ndsn = "host=/nowhere dbname=x"\n')
    done = run_command(*PERIOD_ARGUMENTS, "--config", path, "-o", tmp_path / "r.html")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def insert_comparison(connection, *, fitting):
    connection.execute(
        """INSERT INTO complaint_comparison (area_id, starts_at, ends_at, source, persons, fitting, after_notice,
               slots_both, slots_event, slots_complaint, slots_neither, expected, chance)
           VALUES ('ijmond', '2026-11-16', '2026-11-30', 'Signalen', 12, %s, 0, 4, 6, 8, 318, 1.5, 0.024)""",
        [fitting],
    )


async def test_a_report_has_the_statements_of_others_and_hides_small_numbers_from_residents(postgres, reported):
    del reported  # its fixture fills the same kind of database; this one is changed
    dsn = postgres.create_database("reported_statements", template="migrated")
    await fill(dsn, begin=1_500, minutes=2, after=100)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO site VALUES ('steel', 'ijmond', 'Hoogoven', 'Staal BV', 52.494, 4.594)")
        for number in range(6):
            connection.execute(
                """INSERT INTO site_report (site_id, id, reported_at, began_at, summary, source)
                   SELECT 'steel', %s, min(onset) + interval '40 minutes', min(onset), 'storing', 'brief'
                   FROM event WHERE kind = 'peak'""",
                [f"r{number}"],
            )
        insert_comparison(connection, fitting=4)
    for audience, fitting in ((Audience.RESIDENTS, "minder dan vijf"), (Audience.AUTHORITY, "4")):
        report = await build_report(dsn, ReportRequest(audience=audience, **PERIOD), PUBLISHER, NOW)
        tables = read_tables(report)
        (times,) = tables["Tijd van het begin van een piek tot de melding van het bedrijf"]
        assert times == ["Hoogoven (Staal BV)", "6", "6", "40 min 0 s", "40 min 0 s"]
        (row,) = tables["Klachten naast pieken"]
        assert row[1:] == ["12", fitting, "minder dan vijf" if fitting != "4" else "0",
                           "minder dan vijf" if fitting != "4" else "4", "6", "8", "318", "2,4 %"]  # fmt: skip
