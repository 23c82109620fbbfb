"""Cards, pages, feeds, CAP, mail and the pages of inspectors show the same leading event of a plume.

A plume of three properties: of the two kinds of particulates PM10 is the more severe one, and a raw signal falls.
"""

import csv
import html
import io
import re
from datetime import datetime
from xml.etree import ElementTree as ET

import msgspec
import psycopg
import pytest

from alerting.alert import Alert
from alerting.decide.routing import Route
from alerting.delivery import settings as channels
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.message.texts import build_headline
from alerting.plume import event_of_alert, rank_event
from alerting.settings import AlertingSettings, ReceiverSettings
from alerting.vocabulary import LANGUAGES, averaging_text, format_peak, severity_text
from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from tests.gateway.api.routes.test_plumes import ingest
from tests.gateway.api.test_faces import extract_text

ATOM = "{http://www.w3.org/2005/Atom}"
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


@pytest.fixture
async def plume(api, pipeline, node, database):
    """The document of a plume that is over and was decided for one receiver."""
    await ingest(pipeline, node, seconds=400, high=range(200, 230), extra=60.0)
    receivers = [ReceiverSettings(name="od", email=[channels.EmailSettings(to=["a@b.nl"])])]
    settings = AlertingSettings(receiver=receivers, route=[Route(receiver="od", least_confidence=0.0)])
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await InboxWorker(settings).decide_inbox(connection)
    (document,) = (await api.get("/api/v1/plumes")).json()["items"]
    assert len(document["properties"]) == 3
    return document


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_face_leads_with_the_same_event(api, plume, language):
    leading = plume["events"][0]
    value = format_peak(leading["peak"], leading["background"], leading["unit"], language)
    figure = f"{value} {averaging_text('raw', language)}"
    severity = severity_text(plume["severity"], language)
    for path in ("", "events", "stations/wijk-aan-zee?period=month"):
        page = (await api.get(f"/{language}/{path}")).text
        rows = re.findall(r'(?s)<li class="peak .*?</li>', page)
        assert len(rows) == 1, path
        (row,) = rows
        text = " ".join(extract_text(row).split())
        assert figure in text, path
        assert severity in text, path
        assert f"plumes/{plume['id']}" in row, path
        assert "ticks" not in text, path
    page = extract_text((await api.get(f"/{language}/plumes/{plume['id']}")).text)
    assert value in page
    assert severity in page
    assert "ticks" not in page
    (entry,) = ET.fromstring((await api.get(f"/feeds/events.atom?lang={language}")).content).findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title").endswith(f": {value}, {averaging_text('raw', language)}")
    assert value in entry.findtext(f"{ATOM}summary")
    assert entry.findtext(f"{ATOM}id").endswith(f"/plumes/{plume['id']}")
    assert "ticks" not in html.unescape(ET.tostring(entry, encoding="unicode"))
    (item,) = (await api.get(f"/feeds/events.json?lang={language}")).json()["items"]
    assert item["id"] == entry.findtext(f"{ATOM}id")
    assert (item["title"], item["content_text"]) == (entry.findtext(f"{ATOM}title"), entry.findtext(f"{ATOM}summary"))


async def test_the_table_of_plumes_has_the_figures_of_the_api(api, plume):
    leading = plume["events"][0]
    for format_, delimiter in (("csv", ","), ("csv-nl", ";")):
        text = (await api.get(f"/feeds/events.csv?format={format_}")).content.decode("utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        for name in ("peak", "background", "excess"):
            assert float(row[name].replace(",", ".")) == leading[name]
        assert (row["plume"], row["leading_event"], row["severity"]) == (plume["id"], leading["id"], plume["severity"])
        assert row["observed_properties"].split() == plume["properties"]
        assert row["stations"].split() == [station["id"] for station in plume["stations"]]
        if format_ == "csv":
            assert datetime.fromisoformat(row["onset"]) == datetime.fromisoformat(plume["onset"])
    assert (await api.get("/feeds/events.csv?area=nowhere")).status_code == 400


async def test_the_cap_document_of_a_plume_has_the_leading_event_and_grows_with_its_revisions(api, plume):
    document = ET.fromstring((await api.get(f"/feeds/plumes/{plume['id']}.cap")).content)
    leading, (info,) = plume["events"][0], document.findall(f"{CAP}info")
    values = {p.findtext(f"{CAP}valueName"): p.findtext(f"{CAP}value") for p in info.iter(f"{CAP}parameter")}
    assert values["event_id"] == plume["leading"]
    assert values["peak"] == format_peak(leading["peak"], leading["background"], leading["unit"], "en")
    assert info.findtext(f"{CAP}severity").lower() == plume["severity"]
    assert info.findtext(f"{CAP}web").endswith(f"/plumes/{plume['id']}")
    assert document.findtext(f"{CAP}identifier") == f"piekwacht-plume-{plume['id']}-{plume['revision']}"
    references = document.findtext(f"{CAP}references").split()
    assert [reference.split(",")[1] for reference in references] == [
        f"piekwacht-plume-{plume['id']}-{number}" for number in range(1, plume["revision"])
    ]


async def test_the_first_message_is_about_the_leading_event_of_its_transaction(plume, database):
    """Alerts of one transaction are decided in the order of their rank."""
    with psycopg.connect(database) as connection:
        first_decision = connection.execute(
            "SELECT event_id, revision FROM alerting.decision WHERE told ORDER BY decided_at LIMIT 1"
        ).fetchone()
        query = "SELECT alert FROM alerting.inbox WHERE event_id = %s AND revision = %s"
        alert = msgspec.convert(connection.execute(query, first_decision).fetchone()[0], Alert, strict=False)
        together = connection.execute(
            """SELECT b.alert FROM alerting.inbox a JOIN alerting.inbox b ON b.received_at = a.received_at
               WHERE a.event_id = %s AND a.revision = %s""",
            first_decision,
        ).fetchall()
    alerts = [event_of_alert(msgspec.convert(body, Alert, strict=False)) for (body,) in together]
    assert min(alerts, key=rank_event).id == alert.event_id
    assert format_peak(alert.peak, alert.background, alert.unit) in build_headline(alert)


async def test_an_inspector_sees_one_card_that_names_the_notified_receivers(api, plume, database):
    accounts = Accounts(database)
    await accounts.put_account("anna", Role.INSPECTOR, ["ijmond"], None)
    key = await accounts.put_key("anna", [Scope.ANSWER_ALERTS], ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}"}
    page = (await api.get("/nl/inspector", headers=headers)).text
    assert page.count('<li class="peak case') == 1
    leading = plume["events"][0]
    assert format_peak(leading["peak"], leading["background"], leading["unit"], "nl") in page
    assert "Niemand is ingelicht" not in page
    for event in plume["events"]:
        page = (await api.get(f"/nl/inspector/events/{event['id']}", headers=headers)).text
        assert "Niemand is ingelicht" not in page, event["observedProperty"]
