"""Pages: lists by day, charts of single readings, and frames."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urljoin

import pytest
from lxml import etree, html

from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.guide import TOPICS, build_page, read_guide
from tests.gateway.api.observation_batches import ingest_observations

AT = datetime(2026, 11, 21, 16, tzinfo=UTC)


def test_a_chart_starts_at_zero_unless_the_scale_is_arbitrary():
    line = Line(points=[(AT, 30_500.0), (AT + timedelta(minutes=1), 29_800.0)], css="mean", step=60)
    options = {"title": "", "unit": "", "start": AT, "end": AT + timedelta(minutes=5), "lines": [line]}
    assert Chart(**options, from_zero=False).bottom > 29_000
    assert Chart(**options).bottom == 0
    assert Chart(**options).narrow.svg().count('class="chart narrow"') == 1


async def test_a_peak_of_seconds_is_drawn_from_single_readings(api, pipeline, node):
    await ingest_observations(pipeline, node)
    (peak,) = (await api.get("/api/v1/events")).json()["items"]
    page = (await api.get(f"/nl/events/{peak['id']}")).text
    assert "losse metingen" in page
    path = page.split('class="line highest" d="')[1].split('"')[0]
    assert path.count("L") > 100


async def test_peaks_are_listed_by_day_and_invalid_days_are_ignored(api, pipeline, node):
    await ingest_observations(pipeline, node)
    for query, count in {
        "from=2026-11-21&to=2026-11-21": 1,
        "from=2026-11-22": 0,
        "to=2026-11-20": 0,
        "from=soon&to=9999-99-99": 1,
        "from=0001-01-01": 1,
    }.items():
        response = await api.get(f"/nl/events?{query}")
        assert (response.status_code, response.text.count('<li class="peak')) == (200, count), query


async def test_other_sites_may_frame_the_widget_in_every_language_and_no_other_page(api, pipeline, node):
    await ingest_observations(pipeline, node, 60)
    for prefix in ("", "/nl", "/en"):
        headers = (await api.get(f"{prefix}/widget/wijk-aan-zee")).headers
        assert "frame-ancestors *" in headers["content-security-policy"]
        assert "x-frame-options" not in headers
        assert (await api.get(f"{prefix}/events")).headers["x-frame-options"] == "DENY"


async def test_the_status_page_shows_how_well_peaks_are_detected(api, pipeline, node):
    await ingest_observations(pipeline, node)
    assert "Pieken in 30 dagen: 1" in (await api.get("/nl/status")).text


def test_a_mean_is_drawn_over_its_whole_period():
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    points = [(start, 5.0), (start + timedelta(minutes=1), 7.0), (start + timedelta(minutes=3), 6.0)]
    line = Line(points=points, css="mean", step=60.0, stepped=True)
    chart = Chart(title="t", unit="", start=start, end=start + timedelta(minutes=4), lines=[line])
    (path,) = re.findall(r'class="line mean" d="([^"]*)"', chart.svg())
    x = [f"{chart.x(start + timedelta(minutes=minute)):.1f}" for minute in range(5)]
    y = [f"{chart.y(value):.1f}" for value in (5.0, 7.0, 6.0)]
    assert path == f"M{x[0]} {y[0]}H{x[1]}L{x[1]} {y[1]}H{x[2]}M{x[3]} {y[2]}H{x[4]}"


async def test_every_page_describes_itself_and_names_its_other_languages_by_whole_addresses(api, pipeline, node):
    await ingest_observations(pipeline, node)
    descriptions = set()
    for path in ("/", "/events", "/status", "/about", "/stations/wijk-aan-zee"):
        page = (await api.get(f"/en{path}")).text
        languages = re.findall(r'<link rel="alternate" hreflang="(.+?)" href="(.+?)">', page)
        base = "http://127.0.0.1:8080"
        assert languages == [
            ("nl", f"{base}/nl{path}"),
            ("en", f"{base}/en{path}"),
            ("x-default", f"{base}{path}"),
        ]
        descriptions.add(re.search(r'<meta name="description" content="(.{40,160})">', page)[1])
    assert len(descriptions) == 2, "that of a station names the station"


async def test_a_language_without_the_slash_leads_to_the_map(api):
    for language in ("nl", "en"):
        response = await api.get(f"/{language}")
        assert (response.status_code, response.headers["location"]) == (308, f"/{language}/")


async def test_the_page_for_developers_lists_every_address_of_the_api_with_a_call_to_copy(api, pipeline, node):
    await ingest_observations(pipeline, node)
    document = (await api.get("/api/v1/openapi.json")).json()
    for language in ("nl", "en"):
        page = (await api.get(f"/{language}/developers")).text
        for path, operations in document["paths"].items():
            for method in operations:
                assert f"<code>{method.upper()} {path}</code>" in page
    root = document["servers"][0]["url"].rstrip("/")
    links = list(map(unescape, re.findall(rf'<a href="{re.escape(root)}([^"]+)" rel="nofollow"', page)))
    assert "/api/v1/stations/wijk-aan-zee" in links
    assert {link.split("/")[1].partition("?")[0] for link in links} >= {"sta", "ogc", "open_api", "airrohr", "wms"}
    for link in links:
        assert (await api.get(link)).status_code == 200, link


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_every_link_and_picture_of_the_guide_leads_somewhere(api, pipeline, node, language):
    await ingest_observations(pipeline, node)
    index = html.fromstring((await api.get(f"/{language}/guide")).content)
    topics = [link for link in index.xpath("//main//a/@href") if "/guide/" in link]
    assert len(topics) == len(TOPICS)
    about = html.fromstring((await api.get(f"/{language}/about")).content)
    assert set(topics) <= set(about.xpath("//main//a/@href"))
    for topic in topics:
        page = html.fromstring((await api.get(topic)).content)
        assert page.xpath("count(//h1)") == 1
        assert all(page.xpath("//main//img/@alt"))
        for link in page.xpath("//main//a/@href | //main//img/@src"):
            address = urljoin(str(api.base_url.join(topic)), link)
            if address.startswith(str(api.base_url)):
                assert (await api.get(address)).status_code == 200, (topic, link)
    assert (await api.get(f"/{language}/guide/nothing")).status_code == 404


def test_html_in_the_text_of_a_guide_is_shown_as_text():
    page = build_page("map", "# Title\n\n<script>alert(1)</script> [link](limits.md)\n")
    assert page.title == "Title"
    assert "<script>" not in page.body
    assert '<a href="limits">link</a>' in page.body


def test_both_languages_of_the_guide_have_the_same_headings_and_pictures():
    for dutch, english in zip(read_guide("nl"), read_guide("en"), strict=True):
        for part in ("<h2>", "<img ", "<li>", "<tr>"):
            assert dutch.body.count(part) == english.body.count(part), (dutch.topic, part)


async def test_search_engines_read_the_pages_of_both_languages(api, pipeline, node):
    await ingest_observations(pipeline, node)
    sitemap = await api.get("/sitemap.xml")
    assert sitemap.headers["content-type"] == "application/xml"
    addresses = [element.text for element in etree.fromstring(sitemap.content).iter("{*}loc")]
    paths = [re.sub(r"^https?://[^/]+", "", address) for address in addresses]
    assert {"/nl/", "/en/", "/nl/stations/wijk-aan-zee", "/en/developers"} <= set(paths)
    for path in paths:
        assert (await api.get(path)).status_code == 200, path
    robots = (await api.get("/robots.txt")).text
    assert "Disallow: /api/\n" in robots
    assert re.search(r"^Sitemap: https?://\S+/sitemap.xml$", robots, re.MULTILINE)
