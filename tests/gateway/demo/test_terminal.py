"""The demo's screen shows every value whole, on 80 columns and 24 lines as well."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from gateway.demo.inspector_login import InspectorLogin
from gateway.demo.receivers import ReceivedNotification
from gateway.demo.state import DemoState, Peak, StationValues, StoredCounts
from gateway.demo.stations import SITE_PATH
from gateway.demo.terminal import render
from gateway.enrolment.site_file import read_site_file

NOW = datetime(2026, 11, 29, 7, 20, 31, tzinfo=UTC)
STATIONS = read_site_file(SITE_PATH).station
BODY = "\n".join(["Piek PM2,5 bij Wijk aan Zee, dorp", "", *(f"Regel {i}" for i in range(30))])


def make_state():
    values = [
        StationValues(station=s.id, name=s.name, observed_at=NOW, pm2_5=163.4, pm10=999.9, voc_raw=30511.0)
        for s in STATIONS
    ]
    peaks = [
        Peak(
            station=s.id,
            name=s.name,
            observed_property="voc_raw" if i % 2 else "pm2_5",
            severity="severe",
            peak=30124.0 if i % 2 else 163.4,
            background=9.1,
            confidence=0.97,
            onset=NOW - timedelta(minutes=i),
            is_open=i < 3,
        )
        for i, s in enumerate(STATIONS)
    ]
    received = [
        ReceivedNotification(at=NOW, channel=channel, title="Piek PM2,5 bij Wijk aan Zee, dorp: 109 µg/m³", body=BODY)
        for channel in ("webhook", "e-mail") * 3
    ]
    return DemoState(
        now=NOW,
        address="http://127.0.0.1:8080",
        stations=values,
        peaks=peaks,
        counts=StoredCounts(batches=7310, events=207, quarantined=0),
        received=received,
        login=InspectorLogin(
            name="inspecteur@omgevingsdienst.example", password="p" * 16, secret="JBSWY3DPEHPK3PXP" * 2
        ),
    )


def draw(state, width, height):
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(render(state, width=width, height=height), end="")
    return capture.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 40), (150, 36), (200, 60)])
def test_every_value_is_whole_and_the_screen_fits(width, height):
    text = draw(make_state(), width, height)
    lines = text.splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    for station in STATIONS:
        (line,) = [row for row in lines if row.strip("│ ").startswith(station.name)]
        assert "163.4" in line
        assert "999.9" in line
        assert "30511" in line
        assert "…" not in line
    assert "08:20:31" in text, "the time of the area"
    assert "07:20" not in text
    for part in ("inspecteur@omgevingsdienst.example", "p" * 16, "code ", "Piek PM2,5"):
        assert part in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (150, 36)])
def test_a_screen_without_anything_is_drawn(width, height):
    assert "nothing yet" in draw(DemoState(now=NOW), width, height)
