"""Pages with levels, the region and statements of others: accessible, on a phone and dark, in both languages."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.context.settings import ContextStation
from gateway.context.values import ContextSource, ContextValue
from gateway.model.registry import Site
from gateway.reconciliation.event_counts import EventCount
from gateway.reconciliation.fit import ComplaintReconciliation, FourCounts
from gateway.reconciliation.site_statements import SiteReport, SiteValue
from gateway.store import stations
from gateway.store.context import store_context, store_station
from gateway.store.statements import ComparedPeriod, store_comparison, store_reports, store_values
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.store.stored_readings import store_readings


def store_past(connection, now):
    """Five days of a reading every ten minutes, one of them dirty."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(6, 0, -1):
        start = midnight - timedelta(days=back)
        store_readings(connection, start, [(60.0 if back == 3 else 12.0, 0)] * 144, step=600)


def store_statements(connection, onset, event):
    """A company west of the station reports six times; seven people complained."""
    site = Site(id="steel", area="ijmond", name="Hoogoven 6", operator="Staal BV", latitude=52.494, longitude=4.564)
    stations.put_site(connection, site)
    store_values(connection, "steel", [
        SiteValue(stack=stack, substance="NOx", start=onset - timedelta(minutes=10), seconds=1_800, value=value,
                  unit="mg/Nm3", status=status)
        for stack, value, status in (
            ("Kooksgasfabriek 2, schoorsteen 21", 412.5, "start_up"), ("Sinterfabriek", 88.0, "valid")
        )
    ])  # fmt: skip
    store_reports(connection, "steel", [
        SiteReport(id=f"r{n}", reported_at=onset + timedelta(minutes=1, seconds=n), start=onset, end=None,
                   summary="Storing aan de gasreiniging", source="https://bedrijf.example/meldingen")
        for n in range(6)
    ])  # fmt: skip
    period = ComparedPeriod(
        area="ijmond", start=onset - timedelta(days=1), end=onset + timedelta(days=1), source="Signalen"
    )
    counts = FourCounts(both=1, event_only=0, complaint_only=2, neither=93)
    result = ComplaintReconciliation(events_by_complaint=[], counts=counts, persons=9, fitting=7, after_notice=0,
                                     expected=None, chance=None)  # fmt: skip
    store_comparison(connection, period, result, [EventCount(event=event, persons=7, after_notice=0)])


def store_region(connection, now):
    """A day of Luchtmeetnet, and the wind of KNMI at the peak."""
    for source, id_, name in (
        (ContextSource.LUCHTMEETNET, "NL49551", "IJmuiden-Kanaaldijk"), (ContextSource.KNMI, "06225", "IJmuiden (KNMI)")
    ):  # fmt: skip
        store_station(connection, ContextStation(source=source, id=id_, name=name, area="ijmond"))
    hour = now.replace(minute=0, second=0, microsecond=0)
    store_context(connection, ContextSource.LUCHTMEETNET, [
        ContextValue(station="NL49551", observed_property="pm2_5", start=hour - timedelta(hours=back + 1),
                     seconds=3_600, value=9.0 + back, unit="ug/m3")
        for back in range(24)
    ])  # fmt: skip
    store_context(connection, ContextSource.KNMI, [
        ContextValue(station="06225", observed_property=name, start=now - timedelta(minutes=10 * n + 9), seconds=600,
                     value=value, unit=unit)
        for name, value, unit in (("wind_speed", 6.2, "m/s"), ("wind_direction", 260.0, "deg")) for n in range(3)
    ])  # fmt: skip


@pytest.mark.parametrize(
    "look", [(WIDE, "light", "nl"), (PHONE, "light", "nl"), (PHONE, "dark", "en")], ids=["wide", "phone", "dark"]
)
async def test_the_pages_of_meaning_are_accessible_and_fit(visit, site, database, axe, look):
    viewport, scheme, language = look
    _, pipeline, node, _ = site
    now = datetime.now(UTC)
    start = int(now.timestamp() * 1000) - 400_000
    await ingest_observations(pipeline, node, 200, start=start, first_seq=1)
    onset = datetime.fromtimestamp(start / 1000 + 100, UTC)
    with psycopg.connect(database, autocommit=True) as connection:
        query = "SELECT id, plume_id FROM event WHERE kind = 'peak' ORDER BY onset DESC LIMIT 1"
        event, plume = connection.execute(query).fetchone()
        await asyncio.to_thread(store_past, connection, now)
        store_statements(connection, onset, event)
        store_region(connection, now)
    expected = {
        f"/{language}/stations/wijk-aan-zee": ("levels", "region"),
        f"/{language}/events/{event}": ("others", "region"),
        f"/{language}/plumes/{plume}": ("others", "region"),
        f"/{language}/site-reports": ("times",),
    }
    for path, parts in expected.items():
        page = await visit(path, viewport=viewport, color_scheme=scheme)
        for part in parts:
            assert await page.locator(f"#{part}").is_visible(), (path, part)
        name = path.split("/")[2]
        await save_screenshot(page, f"meaning-{name}-{viewport['width']}-{scheme}")
        assert await find_violations(page, axe) == [], path
