"""The inbox: plumes with their states, saved filters, search, and the calendar; within the inspector's areas."""

import re

import psycopg
import pytest

from tests.benchmarks.inspector_inbox import insert_answers
from tests.gateway.api.inspector.test_plume_answers import read_plume_version


@pytest.fixture
def plumes(database, node):
    """Four plumes at Wijk aan Zee and one in another area; the ids of the four, newest first."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO area VALUES ('chemelot', 'Chemelot', 'RUD', '{"type":"Polygon","coordinates":[]}')"""
        )
        connection.execute("INSERT INTO station (id, area_id, name, latitude, longitude) "
                           "VALUES ('geleen', 'chemelot', 'Geleen', 51, 5.8)")  # fmt: skip
        connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
               SELECT s, 'ijm-001', 'pm2_5' FROM unnest(ARRAY['wijk-aan-zee', 'geleen']) s"""
        )
        connection.execute(
            """INSERT INTO event (id, revision, change, kind, datastream_id, area_id, station_id, property_id, severity,
                                  onset, peak_at, detected_at, ended_at, peak, background, excess, noise, confidence,
                                  reasons, detector, detected_late, plume_id, around)
               SELECT v.id, 1, 'opened', 'peak', d.id, s.area_id, s.id, 'pm2_5', v.severity, v.at, v.at, v.at,
                      CASE WHEN v.ended THEN v.at + interval '4 minutes' END, 80, 8, 72, 1, 0.9, '{}', 'peak@2#0',
                      false, v.id,
                      jsonb_build_object('wind', jsonb_build_object('direction', v.wind, 'spread', 10, 'speed', 3,
                                  'readings', 60))
               FROM (VALUES ('open', 'wijk-aan-zee', 'severe', now() - interval '5 minutes', false, 225.0),
                            ('over', 'wijk-aan-zee', 'minor', '2026-11-20T23:30:00Z'::timestamptz, true, 350),
                            ('older', 'wijk-aan-zee', 'moderate', '2026-10-02T12:00:00Z', true, 5),
                            ('oldest', 'wijk-aan-zee', 'moderate', '2026-10-01T12:00:00Z', true, 90),
                            ('elsewhere', 'geleen', 'extreme', now() - interval '6 minutes', false, 225)
                    ) AS v (id, station, severity, at, ended, wind)
               JOIN station s ON s.id = v.station
               JOIN datastream d ON d.station_id = s.id AND d.property_id = 'pm2_5'"""
        )
    return ["open", "over", "older", "oldest"]


async def list_ids(api, headers, query=""):
    page = await api.get(f"/nl/inspector{query}", headers=headers)
    assert page.status_code == 200, page.text
    return re.findall(r'<h2 class="case-title"><a href="/nl/inspector/plumes/([^"]+)">', page.text)


async def test_the_inbox_has_the_plumes_of_the_inspectors_areas_newest_first(api, plumes, keys):
    assert await list_ids(api, keys["anna"]) == plumes
    assert await list_ids(api, keys["bob"]) == ["elsewhere"]
    assert set(await list_ids(api, keys["carla"])) == {*plumes, "elsewhere"}
    assert (await api.get("/nl/inspector?area=chemelot", headers=keys["anna"])).status_code == 403
    assert await list_ids(api, keys["carla"], "?area=chemelot") == ["elsewhere"]
    assert (await api.get("/nl/inspector", headers=keys["dirk"])).status_code == 403
    visitor = await api.get("/nl/inspector?state=new")
    assert (visitor.status_code, visitor.headers["location"]) == (303, "/account?to=/nl/inspector%3Fstate%3Dnew")


FILTERS = [
    ("?state=new", ["open"]),
    ("?state=over", ["over", "older", "oldest"]),
    ("?state=nothing", ["open", "over", "older", "oldest"]),
    ("?wind=sw", ["open"]),
    ("?wind=n", ["over", "older"]),
    ("?wind=s", []),
    ("?from=2026-11-21&to=2026-11-21", ["over"]),
    ("?from=2026-10-01&to=2026-10-02", ["older", "oldest"]),
    ("?from=31-12", ["open", "over", "older", "oldest"]),
    ("?station=wijk-aan-zee&property=pm2_5", ["open", "over", "older", "oldest"]),
    ("?property=pm10", []),
    ("?station=geleen", []),
    ("?text=%25", []),
]


async def test_filters_narrow_the_inbox(api, plumes, keys):
    for query, expected in FILTERS:
        assert await list_ids(api, keys["anna"], query) == expected, query


async def test_states_follow_the_answers_of_inspectors(api, plumes, keys):
    path = "/nl/inspector/plumes/open"
    await api.post(f"{path}/acknowledge", data={"note": "onderweg met 100%"}, headers=keys["anna"])
    assert await list_ids(api, keys["anna"], "?state=new") == []
    assert await list_ids(api, keys["anna"], "?state=acknowledged") == ["open"]
    assert await list_ids(api, keys["anna"], "?text=ONDERWEG+met+100%25") == ["open"]
    page = (await api.get("/nl/inspector", headers=keys["anna"])).text
    assert re.search(r'badge acknowledged">Ermee bezig</strong> <span class="what">anna[^<]*, \d\d:\d\d<', page)
    fields = {"cause": "weather", "note": "bliksem", "seen": await read_plume_version(api, "open", keys["anna"])}
    await api.post(f"{path}/false-alarm", data=fields, headers=keys["anna"])
    assert await list_ids(api, keys["anna"], "?state=false_alarm") == ["open"]
    assert await list_ids(api, keys["anna"], "?text=bliksem") == ["open"]
    await api.post("/nl/inspector/plumes/older/notes", data={"text": "geur gemeld"}, headers=keys["anna"])
    assert await list_ids(api, keys["anna"], "?text=geur") == ["older"]
    assert await list_ids(api, keys["bob"], "?text=geur") == []


async def test_pages_follow_one_another_without_gap_or_repeat(api, plumes, keys, monkeypatch):
    monkeypatch.setattr("gateway.api.inspector.inbox.PAGE_SIZE", 2)
    first = (await api.get("/nl/inspector?property=pm2_5", headers=keys["anna"])).text
    (following,) = re.findall(r'rel="next" href="\?([^"]+)"', first)
    query = following.replace("&amp;", "&")
    assert query.startswith("property=pm2_5&after=")
    assert await list_ids(api, keys["anna"], f"?{query}") == ["older", "oldest"]


async def test_an_account_saves_its_own_selections(api, plumes, keys):
    form = {"name": "mijn zw <b>", "query": "wind=sw&evil=1&state="}
    saved = await api.post("/nl/inspector/filters", data=form, headers=keys["anna"])
    assert saved.headers["location"] == "/nl/inspector?wind=sw"
    page = (await api.get("/nl/inspector", headers=keys["anna"])).text
    assert '<a href="/nl/inspector?wind=sw">mijn zw &lt;b&gt;</a>' in page
    assert "mijn zw" not in (await api.get("/nl/inspector", headers=keys["carla"])).text
    assert (await api.post("/nl/inspector/filters", data={"name": " "}, headers=keys["anna"])).status_code == 400
    await api.post("/nl/inspector/filters/delete", data={"name": "mijn zw <b>"}, headers=keys["anna"])
    assert "mijn zw" not in (await api.get("/nl/inspector", headers=keys["anna"])).text


async def test_the_calendar_has_the_peaks_of_legal_days_with_their_severity(api, plumes, keys):
    page = (await api.get("/nl/inspector/calendar?month=2026-10", headers=keys["anna"])).text
    assert "kalender: oktober 2026" in page.lower()
    cells = re.findall(r'class="peak (\w+)"><a href="/nl/inspector\?from=([\d-]+)&amp;to=', page)
    assert cells == [("moderate", "2026-10-01"), ("moderate", "2026-10-02")]
    november = (await api.get("/nl/inspector/calendar?month=2026-11", headers=keys["anna"])).text
    assert 'class="peak minor"><a href="/nl/inspector?from=2026-11-21&' in november  # half past midnight there
    assert (await api.get("/nl/inspector/calendar?month=x&area=chemelot", headers=keys["anna"])).status_code == 403


async def test_the_answers_of_the_benchmark_are_valid(plumes, database):
    insert_answers(database)


async def test_a_private_page_is_compressed_only_if_it_repeats_nothing_of_its_address(api, keys):
    headers = {**keys["anna"], "Accept-Encoding": "gzip"}
    for path, is_compressed in (("/nl/inspector/duty", True), ("/nl/inspector", True), ("/nl/inspector?text=x", False)):
        answer = await api.get(path, headers=headers)
        assert answer.status_code == 200, path
        assert (answer.headers.get("content-encoding") == "gzip") == is_compressed, path
        assert answer.headers["cache-control"] == "no-store", path
