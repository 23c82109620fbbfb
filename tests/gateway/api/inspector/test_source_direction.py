"""Inspectors see the region that a plume may have come from: a source of known place between four stations."""

import math
import re
import time
from datetime import UTC, datetime
from itertools import pairwise

import psycopg
import pytest

from gateway.model.geodesy import bearing_and_distance
from gateway.model.registry import Site
from gateway.store import stations
from tests.gateway.enrolled_node import enrol_node

SOURCE = (52.480, 4.600)
PLACES = {
    "north": (52.494, 4.603), "east": (52.481, 4.622), "south": (52.467, 4.598), "west": (52.479, 4.578),
}  # fmt: skip
MINUTES, CALM_MINUTES = 60, 15


def build_minute(node, place, minute, start, *, direction, speed=4.0):
    """Six readings of one station: clean air, and a plume while the source lies upwind of it."""
    bearing, _ = bearing_and_distance(*place, *SOURCE)
    difference = (bearing - direction + 180) % 360 - 180
    plume = 60.0 * math.exp(-0.5 * (difference / 15) ** 2) if minute >= CALM_MINUTES else 0.0
    wind = {} if speed is None else {"wind_direction": [direction % 360] * 6, "wind_speed": [speed] * 6}
    return node.payload(
        minute + 1,
        t0=start + minute * 60_000,
        dt=[i * 10_000 for i in range(6)],
        values={"pm2_5": [8.0 + 0.1 * i + plume for i in range(6)], **wind},
        received_at=datetime.fromtimestamp(start / 1000 + minute * 60 + 60, UTC),
    )


async def ingest_plume(pipeline, database, **changes):
    """An hour in which the wind turns from south by west to north; returns its beginning, ms."""
    nodes = {name: enrol_node(database, f"ijm-{name}", name) for name in PLACES}
    with psycopg.connect(database, autocommit=True) as connection:
        for name, (latitude, longitude) in PLACES.items():
            connection.execute(
                "UPDATE station SET latitude = %s, longitude = %s WHERE id = %s", [latitude, longitude, name]
            )
        stations.put_site(
            connection,
            Site(
                id="works",
                area="ijmond",
                name="De Fabriek",
                operator="Fabriek BV",
                latitude=SOURCE[0],
                longitude=SOURCE[1],
            ),
        )
    start = (int(time.time()) // 60 - MINUTES - 1) * 60_000
    for minute in range(MINUTES):
        direction = 100.0 + 5.0 * minute
        await pipeline.process(
            [
                build_minute(node, PLACES[name], minute, start, direction=direction, **changes)
                for name, node in nodes.items()
            ]
        )
    return start


@pytest.fixture
async def plume(pipeline, database, api):
    await ingest_plume(pipeline, database)
    plumes = (await api.get("/api/v1/plumes")).json()["items"]
    return max(plumes, key=lambda item: len(item["stations"]))["id"]


async def test_the_region_holds_the_source_and_the_site_leads(api, plume, keys):
    document = (await api.get(f"/api/v1/plumes/{plume}/source-direction", headers=keys["anna"])).json()
    assert document["refusal"] is None, document
    assert document["observedProperty"] == "pm2_5"
    assert len(document["highStations"]) >= 2
    half, most = document["regions"]
    assert (half["share"], most["share"]) == (0.5, 0.9)
    assert half["areaKm2"] < most["areaKm2"]
    assert most["shareOfMap"] < 0.5
    assert holds(most["geometry"], SOURCE)
    assert document["sites"][0]["id"] == "works"
    assert 0 < document["sites"][0]["probability"] <= 1
    for fan in document["fans"]:
        bearing, _ = bearing_and_distance(*PLACES[fan["station"]], *SOURCE)
        assert abs((fan["direction"] - bearing + 180) % 360 - 180) < 25


def holds(geometry, place):
    """Even-odd rule over all rings of a MultiPolygon."""
    (y, x), inside = place, False
    for polygon in geometry["coordinates"]:
        for ring in polygon:
            assert ring[0] == ring[-1]
            for (x1, y1), (x2, y2) in pairwise(ring):
                if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                    inside = not inside
    return inside


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_the_page_shows_map_sites_evidence_and_limits(api, plume, keys, language):
    answer = await api.get(f"/{language}/inspector/plumes/{plume}/direction", headers=keys["anna"])
    assert answer.status_code == 200, answer.text
    assert answer.text.count('class="region') == 2
    assert "De Fabriek" in answer.text
    assert {"nl": "geen bewijs tegen een bedrijf", "en": "no proof against a company"}[language] in answer.text
    assert not re.search(r"direction_[a-z]+", answer.text), "every text is in the catalogue"
    link = f"inspector/plumes/{plume}/direction"
    assert link in (await api.get(f"/{language}/inspector/plumes/{plume}", headers=keys["anna"])).text


async def test_only_inspectors_of_the_area_see_it(api, plume, keys):
    path = f"/api/v1/plumes/{plume}/source-direction"
    assert (await api.get(path)).status_code == 401
    assert (await api.get(path, headers=keys["bob"])).status_code == 403
    assert (await api.get(path, headers=keys["dirk"])).status_code == 403
    assert (await api.get("/api/v1/plumes/nothing/source-direction", headers=keys["anna"])).status_code == 404


@pytest.mark.parametrize(("speed", "reason"), [(None, "no_wind"), (0.6, "calm")])
async def test_without_a_wind_there_is_no_region_and_the_page_gives_the_reason(  # noqa: PLR0917 - fixtures
    api, pipeline, database, keys, speed, reason
):
    await ingest_plume(pipeline, database, speed=speed)
    plume = (await api.get("/api/v1/plumes")).json()["items"][0]["id"]
    document = (await api.get(f"/api/v1/plumes/{plume}/source-direction", headers=keys["anna"])).json()
    assert (document["refusal"], document["regions"], document["sites"]) == (reason, [], [])
    page = (await api.get(f"/nl/inspector/plumes/{plume}/direction", headers=keys["anna"])).text
    assert "Er is geen gebied aan te wijzen" in page
    assert 'class="region' not in page
