"""The drawn map of an event, and peaks of one plume as one."""

import re
from datetime import UTC, datetime, timedelta

import psycopg

from gateway.api.pages.plumes import group_into_plumes
from tests.gateway.api.observation_batches import ingest_observations


async def test_an_event_is_drawn_from_above_with_facilities_and_hostile_names_as_text(api, pipeline, node, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO site (id, area_id, name, operator, latitude, longitude) "
            "VALUES ('works', 'ijmond', '<script>alert(1)</script>', 'Works', 52.48, 4.60)"
        )
    await ingest_observations(pipeline, node)
    (event,) = (await api.get("/api/v1/events")).json()["items"]
    page = (await api.get(f"/nl/events/{event['id']}")).text
    drawn = re.search(r'<svg class="sketch".*?</svg>', page, re.DOTALL)[0]
    assert drawn.count('class="site"') == 1
    assert "&lt;script&gt;" in drawn
    assert "<script>alert" not in page
    assert "21 november 2026, 03:" in page  # a page that is kept says the day, also on the day itself


def test_a_second_peak_of_one_property_is_a_group_of_its_own():
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def peak(seconds, name):
        return {"station": "a", "kind": "peak", "change": "ended", "end": "x", "severity": "minor",
                "observedProperty": name, "onset": (at + timedelta(seconds=seconds)).isoformat()}  # fmt: skip

    found = [peak(70, "pm10"), peak(70, "pm2_5"), peak(1, "pm10"), peak(0, "pm2_5"), peak(0, "voc_raw")]
    names = [[one["observedProperty"] for one in (group.main, *group.others)] for group in group_into_plumes(found)]
    assert names == [["pm2_5", "pm10"], ["pm2_5", "pm10", "voc_raw"]]
