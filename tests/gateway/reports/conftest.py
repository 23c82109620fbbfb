"""Fixtures: a database with a recorded event, an acknowledgement, a known source and a delivered notification."""

import asyncio
from datetime import date

import psycopg
import pytest

from gateway.reports.build import build_report
from gateway.reports.request import Audience, ReportPublisher, ReportRequest
from tests.gateway.dossier.conftest import OPERATOR, fill

PUBLISHER = ReportPublisher(operator=OPERATOR, public_url="https://piek.example")
NOTE = "gebeld met de havendienst"
PERIOD = {"area": "ijmond", "start": date(2026, 11, 16), "end": date(2026, 11, 23)}


def answer(dsn, peak):
    """An inspector answers, the authority has a known source, and the mail is delivered 90 s after the detection."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO alerting.acknowledgement (event_id, who, note, via) "
            "VALUES (%s, 'anna@od.example', %s, 'account')",
            [peak, NOTE],
        )
        connection.execute(
            "INSERT INTO alerting.decision (event_id, revision, receiver, told, reason, detail, rules) "
            "SELECT event_id, revision, 'provincie', false, 'known_source', 'vergunning 2021-17', rules "
            "FROM alerting.decision WHERE event_id = %s ORDER BY revision LIMIT 1",
            [peak],
        )
        connection.execute("""
            UPDATE alerting.outbox o SET state = 'delivered', finished_at = p.detected_at + interval '90 seconds'
            FROM event e,
                 LATERAL (SELECT min(m.detected_at) AS detected_at FROM event m WHERE m.plume_id = e.plume_id) p
            WHERE e.id = o.event_id""")


@pytest.fixture(scope="session")
def reported(postgres):
    """(dsn, id of the peak). Tests only read from it."""
    dsn = postgres.create_database("reported", template="migrated")
    peak = asyncio.run(fill(dsn, begin=1_500, minutes=12, after=1_500))
    answer(dsn, peak)
    return dsn, peak


@pytest.fixture(scope="session")
def reports(reported):
    """Audience -> the report of the week, in Dutch."""
    return {
        audience: asyncio.run(build_report(reported[0], ReportRequest(audience=audience, **PERIOD), PUBLISHER))
        for audience in Audience
    }
