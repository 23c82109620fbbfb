"""What a page shows: one plume as one peak, the days asked for, charts to the second, frames where they are allowed."""

from datetime import UTC, datetime, timedelta

from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.plumes import group_into_plumes
from tests.gateway.api.observation_batches import ingest_observations

AT = datetime(2026, 11, 21, 16, tzinfo=UTC)


def event(seconds, name="pm2_5", *, station="a", severity="minor", end="later", change="ended"):
    onset = (AT + timedelta(seconds=seconds)).isoformat()
    return {"station": station, "kind": "peak", "onset": onset, "observedProperty": name, "severity": severity,
            "end": end, "change": change}  # fmt: skip


def test_what_rises_together_at_one_station_is_one_peak():
    found = [event(5, "pm10"), event(3, "voc_raw", severity="moderate"), event(0), event(0, station="b"), event(-300)]
    first, other, before = group_into_plumes(found)
    assert first.main["observedProperty"] == "voc_raw"
    assert [one["observedProperty"] for one in first.others] == ["pm2_5", "pm10"]
    assert other.main["station"] == "b"
    assert before.others == []


def test_what_is_over_and_what_is_not_are_two():
    assert len(group_into_plumes([event(0, end=None, change="opened"), event(0, "pm10")])) == 2


def test_a_signal_far_from_zero_is_drawn_where_it_is_and_dust_from_zero():
    line = Line(points=[(AT, 30_500.0), (AT + timedelta(minutes=1), 29_800.0)], css="mean", step=60)
    drawn = {"title": "", "unit": "", "start": AT, "end": AT + timedelta(minutes=5), "lines": [line]}
    assert Chart(**drawn, from_zero=False).bottom > 29_000
    assert Chart(**drawn).bottom == 0
    assert Chart(**drawn).narrow.svg().count('class="chart narrow"') == 1


async def test_a_peak_of_seconds_is_drawn_from_single_readings(api, pipeline, node):
    await ingest_observations(pipeline, node)
    (found,) = (await api.get("/api/v1/events")).json()["items"]
    page = (await api.get(f"/nl/events/{found['id']}")).text
    assert "losse metingen" in page
    path = page.split('class="line highest" d="')[1].split('"')[0]
    assert path.count("L") > 100


async def test_peaks_are_listed_by_day_and_nonsense_is_no_day(api, pipeline, node):
    await ingest_observations(pipeline, node)
    for query, count in {
        "from=2026-11-21&to=2026-11-21": 1,
        "from=2026-11-22": 0,
        "to=2026-11-20": 0,
        "from=soon&to=9999-99-99": 1,
        "from=0001-01-01": 1,
    }.items():
        answer = await api.get(f"/nl/events?{query}")
        assert (answer.status_code, answer.text.count('<li class="peak')) == (200, count), query


async def test_others_may_show_the_widget_in_a_frame_in_every_language_and_no_other_page(api, pipeline, node):
    await ingest_observations(pipeline, node, 60)
    for prefix in ("", "/nl", "/en"):
        headers = (await api.get(f"{prefix}/widget/wijk-aan-zee")).headers
        assert "frame-ancestors *" in headers["content-security-policy"]
        assert "x-frame-options" not in headers
        assert (await api.get(f"{prefix}/events")).headers["x-frame-options"] == "DENY"


async def test_the_page_of_figures_says_how_well_peaks_are_found(api, pipeline, node):
    await ingest_observations(pipeline, node)
    assert "Pieken in 30 dagen: 1" in (await api.get("/nl/status")).text
