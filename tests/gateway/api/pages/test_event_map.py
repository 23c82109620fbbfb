"""The map of an event, and the grouping of peaks into plumes."""

import re
from datetime import UTC, datetime, timedelta

import psycopg

from gateway.api.pages.plumes import group_into_plumes
from tests.gateway.api.observation_batches import ingest_observations


async def test_an_event_map_shows_facilities_and_hostile_names_as_text(api, pipeline, node, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO site (id, area_id, name, operator, latitude, longitude) "
            "VALUES ('works', 'ijmond', '<script>alert(1)</script>', 'Works', 52.48, 4.60)"
        )
    await ingest_observations(pipeline, node)
    (event,) = (await api.get("/api/v1/events")).json()["items"]
    page = (await api.get(f"/nl/events/{event['id']}")).text
    svg = re.search(r'<svg class="sketch".*?</svg>', page, re.DOTALL)[0]
    assert svg.count('class="site"') == 1
    assert "&lt;script&gt;" in svg
    assert "<script>alert" not in page
    assert "21 november 2026, 03:" in page  # an event page always shows the date, because people store it


def test_a_second_peak_of_one_property_is_another_plume():
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def peak(seconds, name):
        return {"station": "a", "kind": "peak", "change": "ended", "end": "x", "severity": "minor",
                "observedProperty": name, "onset": (at + timedelta(seconds=seconds)).isoformat()}  # fmt: skip

    peaks = [peak(70, "pm10"), peak(70, "pm2_5"), peak(1, "pm10"), peak(0, "pm2_5"), peak(0, "voc_raw")]
    names = [
        [member["observedProperty"] for member in (plume.main, *plume.others)] for plume in group_into_plumes(peaks)
    ]
    assert names == [["pm2_5", "pm10"], ["pm2_5", "pm10", "voc_raw"]]
