"""The map of an event."""

import re

import psycopg

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
