"""The pages of reports over HTTP: the public version, the full one for inspectors, and what is refused."""

import base64
import hashlib
import re
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.api.reports.service import MAX_DAYS, MONTHS, Period, find_problem, list_months
from gateway.reports.request import ReportPublisher
from gateway.reports.worker import ReportWorker
from tests.gateway.api.conftest import running_api
from tests.gateway.reports.conftest import OPERATOR, PUBLISHER

pytestmark = pytest.mark.timeout(300)  # the child loads its libraries
MONTH = f"{list_months(datetime.now(UTC), 'Europe/Amsterdam')[0]:%Y-%m}"
PAGE = f"/reports/ijmond/{MONTH}"


@pytest.fixture
async def keys(database, node):
    """Headers of an inspector of the area, of one of another area, and none."""
    accounts, headers = Accounts(database), {"nobody": {}}
    for name, area in (("anna", "ijmond"), ("bart", "chemelot")):
        await accounts.put_account(name, Role.INSPECTOR, [area], None)
        key = await accounts.put_key(name, list(Scope), ["*"], purpose="test", days=1)
        headers[name] = {"Authorization": f"Bearer {key}"}
    return headers


def audit_rows(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT who, object, outcome FROM access.audit ORDER BY id").fetchall()


async def test_everybody_reads_the_public_version_and_inspectors_of_the_area_the_full_one(database, broker, keys):
    worker = ReportWorker(database, PUBLISHER)
    async with running_api(database, broker, operator=OPERATOR, reports=worker) as (api, _):
        api.timeout = 120  # a child loads its libraries
        public = await api.get(PAGE)
        assert public.status_code == 200, public.text
        assert "Dit is de openbare versie" in public.text
        assert "In dit gebied stond in deze periode geen sensor die pieken meet." in public.text
        assert "0 van" not in public.text
        (style,) = re.findall(r"<style>(.*?)</style>", public.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'self' 'sha256-{digest}';" in public.headers["content-security-policy"]
        assert (await api.get(PAGE)).content == public.content
        assert "This is the public version" in (await api.get(f"/en{PAGE}")).text
        statuses = {
            name: (await api.get(PAGE, params={"audience": "authority"}, headers=headers)).status_code
            for name, headers in keys.items()
        }
        assert statuses == {"nobody": 401, "anna": 200, "bart": 403}
        full = await api.get(PAGE, params={"audience": "authority"}, headers=keys["anna"])
        assert "Dit is de versie voor de toezichthouder" in full.text
        assert full.headers["cache-control"] == "no-store"
    rows = [row for row in audit_rows(database) if row[1].startswith("report")]
    anna = next(row for row in rows if row[0].startswith("anna"))
    assert anna[1:] == (f"report ijmond {MONTH}", "allowed")
    assert {row[2] for row in rows} == {"allowed", "other_area"}


async def test_the_pdf_has_a_file_name_with_area_and_month(database, broker, node):
    async with running_api(database, broker, reports=ReportWorker(database, PUBLISHER)) as (api, _):
        api.timeout = 120
        answer = await api.get(f"/nl{PAGE}.pdf")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-1.7")
        assert f'filename="piekwacht-ijmond-{MONTH}-01-' in answer.headers["content-disposition"]


async def test_the_list_links_every_month_that_can_be_opened(database, broker, keys):
    async with running_api(database, broker, reports=ReportWorker(database, PUBLISHER)) as (api, _):
        page = (await api.get("/reports")).text
        links = re.findall(r'href="(/reports/ijmond/[^"]+)"', page)
        assert len(links) == 2 * MONTHS
        assert 'name="from"' in page
        assert links[:2] == [PAGE, f"{PAGE}.pdf"]
        assert "audience=authority" not in page
        assert "audience=authority" in (await api.get("/reports", headers=keys["anna"])).text
        assert "audience=authority" not in (await api.get("/reports", headers=keys["bart"])).text


async def test_the_form_leads_to_the_report_of_any_period(database, broker, keys):
    months = list_months(datetime.now(UTC), "Europe/Amsterdam")
    first, last = months[1].replace(day=20), months[0].replace(day=9)
    async with running_api(database, broker, reports=ReportWorker(database, PUBLISHER)) as (api, _):
        api.timeout = 120
        days = {"area": "ijmond", "from": str(first), "to": str(last)}
        led = await api.get("/nl/reports", params=days)
        assert (led.status_code, led.headers["location"]) == (303, f"/nl/reports/ijmond/{first}_{last}")
        report = await api.get(led.headers["location"])
        assert report.status_code == 200, report.text
        assert f"{last.day} " in report.text.split("</h1>")[0]
        full = await api.get("/nl/reports", params={**days, "audience": "authority"}, headers=keys["anna"])
        assert full.headers["location"].endswith("?audience=authority")
        for wrong, sentence in (
            ({"from": str(last), "to": str(first)}, "De laatste dag ligt voor de eerste."),
            ({"to": "2999-01-01"}, "De laatste dag is nog niet voorbij."),
            ({"from": str(months[6])}, "Kies hoogstens 92 dagen."),
            ({"from": "2001-01-01", "to": "2001-01-02"}, "te lang geleden"),
            ({"from": "morgen"}, "Kies een eerste en een laatste dag."),
            ({"to": "9999-12-31"}, "Kies een eerste en een laatste dag."),
        ):
            refused = await api.get("/nl/reports", params={**days, **wrong})
            assert (refused.status_code, sentence in refused.text) == (400, True), wrong
            path = f"/reports/ijmond/{({**days, **wrong})['from']}_{({**days, **wrong})['to']}"
            assert (await api.get(path)).status_code == 404, path


DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@given(start=DAYS, end=DAYS, today=DAYS)
def test_a_period_has_a_report_if_it_is_over_short_and_within_the_months(start, end, today):
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    problem = find_problem(Period(start=start, end=end), now, "Europe/Amsterdam")
    oldest = list_months(now, "Europe/Amsterdam")[-1]
    assert (problem is None) == (start < end <= today and end - start <= timedelta(days=MAX_DAYS) and start >= oldest)


@pytest.mark.parametrize(
    "path",
    ["/reports/nowhere/2026-01", "/reports/ijmond/1999-01", "/reports/ijmond/2026-13", "/reports/ijmond/x",
     "/reports/ijmond/9999-12", "/reports/ijmond/2026-01.docx"],
)  # fmt: skip
async def test_an_unknown_report_is_a_page_with_status_404(database, broker, node, path):
    async with running_api(database, broker, reports=ReportWorker(database, PUBLISHER)) as (api, _):
        answer = await api.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


async def test_a_report_that_cannot_be_made_is_a_sentence_without_the_reason(database, broker, node):
    broken = ReportWorker("host=/nowhere dbname=secret", ReportPublisher(operator="x", public_url="x"))
    async with running_api(database, broker, reports=broken) as (api, _):
        answer = await api.get(PAGE)
        assert answer.status_code == 503
        assert "Het verslag kon nu niet worden gemaakt." in answer.text
        assert "nowhere" not in answer.text
        assert answer.headers["retry-after"] == "60"


async def test_without_a_maker_there_are_no_reports(database, broker, node):
    async with running_api(database, broker) as (api, _):
        for path in ("/reports", PAGE):
            assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("now", "zone", "newest"),
    [
        ("2026-11-30T22:59:00Z", "Europe/Amsterdam", "2026-10-01"),
        ("2026-11-30T23:00:00Z", "Europe/Amsterdam", "2026-11-01"),
        ("2026-11-30T23:00:00Z", "America/Curacao", "2026-10-01"),
    ],
)
def test_a_month_is_over_when_its_last_legal_day_is(now, zone, newest):
    months = list_months(datetime.fromisoformat(now), zone)
    assert str(months[0]) == newest
    assert len(months) == MONTHS == len(set(months))
