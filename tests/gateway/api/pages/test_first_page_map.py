"""The first page without scripts: raw signals as shares, and the sector downwind of a peak."""

import json
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import html

from gateway.api.pages.downwind import build_sector
from tests.gateway.api.observation_batches import ingest_observations

WIND_SCRIPT = Path(__file__).parents[4] / "gateway" / "api" / "static" / "wind.js"


async def ingest(pipeline, node, seconds, make_values):
    """Ingest readings that end now, ten seconds a batch; `make_values`: the values of one second."""
    start = int(time.time()) - seconds
    for second in range(0, seconds, 10):
        rows = [make_values(s) for s in range(second, second + 10)]
        payload = node.payload(
            second + 1,
            t0=(start + second) * 1_000,
            dt=[i * 1_000 for i in range(10)],
            values={name: [row[name] for row in rows] for name in rows[0]},
            received_at=datetime.fromtimestamp(start + second + 10, UTC),
        )
        await pipeline.process([payload])


@pytest.mark.parametrize(("language", "share"), [("nl", "100 % van de achtergrond"), ("en", "100 % of its background")])
async def test_a_raw_signal_is_a_share_of_its_background_in_table_and_widget(api, pipeline, node, language, share):
    await ingest(pipeline, node, 120, lambda second: {"voc_raw": 30_000.0 + second % 3})
    page = html.fromstring((await api.get(f"/{language}/")).content)
    (cell,) = page.xpath("//td[@data-property='voc_raw']")
    assert " ".join(cell.text_content().split()) == share
    boot = json.loads(page.xpath("string(//script[@id='boot'])"))
    assert boot["backgrounds"]["wijk-aan-zee"]["voc_raw"] == pytest.approx(30_001, abs=1)
    (marker,) = page.xpath("//*[contains(@class, 'area-map')]//*[contains(@class, 'station')]/*[local-name()='text']")
    assert marker.text_content() == "100%"
    widget = html.fromstring((await api.get(f"/{language}/widget/wijk-aan-zee")).content)
    assert share in " ".join(widget.text_content().split())
    for text in (page.xpath("string(//main)"), widget.xpath("string(//main)")):
        assert "ticks" not in text
        assert not re.search(r"\b30[ .,]?00\d", text)


async def test_the_map_of_the_server_has_one_sector_for_a_plume_downwind_of_it(api, pipeline, node):
    wind = {"wind_direction": 270.0, "wind_speed": 4.0}
    await ingest(
        pipeline, node, 180,
        lambda second: {"pm2_5": 8.0 + 0.1 * (second % 3) + (90.0 if second >= 150 else 0.0), **wind},
    )  # fmt: skip
    (plume,) = (await api.get("/api/v1/plumes?open=true")).json()["items"]
    assert plume["state"] == "ongoing"
    page = html.fromstring((await api.get("/nl/")).content)
    (sector,) = page.xpath("//*[contains(@class, 'area-map')]//*[@class='downwind']/@d")
    corners = [tuple(map(float, pair.split())) for pair in sector.strip("MZ").split("L")]
    station, *far = corners
    assert all(x > station[0] for x, _ in far)  # wind from the west: the air goes east
    past = (await api.get("/nl/", params={"at": "2026-11-20T12:00"})).text
    assert 'class="downwind"' not in past


async def test_without_a_peak_or_a_wind_there_is_no_sector(api, pipeline, node):
    await ingest_observations(pipeline, node, plume=range(0))
    assert 'class="downwind"' not in (await api.get("/nl/")).text


@pytest.mark.parametrize(("direction", "speed"), [(0.0, 0.5), (200.0, 4.2), (359.0, 30.0)])
def test_server_and_script_draw_the_same_sector(direction, speed):
    call = f"downwindSector([4.594, 52.494], {{ direction: {direction}, speed: {speed} }})"
    program = f'import {{ downwindSector }} from "{WIND_SCRIPT}"; console.log(JSON.stringify({call}));'
    command = ["node", "--input-type=module", "--no-warnings", "-e", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for drawn, expected in zip(build_sector(52.494, 4.594, direction, speed), json.loads(done.stdout), strict=True):
        assert drawn == pytest.approx(expected, abs=1e-6)
