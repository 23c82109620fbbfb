"""Costs of the figures and of the page of a report. Run as a module.

python -m tests.benchmarks.reports [STATIONS]

A year of day means and hours of two properties at so many stations (1,000), without a database. First capture and
published levels of each, then the whole document as HTML, with 500 plumes.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from gateway.api.data.registry import AreaRow, DatastreamRow, ObservedPropertyRow, PublicRegistry, StationRow
from gateway.api.schemas.plumes import Plume, PlumeEvent, PlumeStation
from gateway.assessment.assess import SubstanceAssessment, assess_substance
from gateway.export.assessed import build_period
from gateway.export.selection import MeanRow
from gateway.model.properties import average_of
from gateway.reports.build import render_report
from gateway.reports.contents import ReportContents
from gateway.reports.loading import list_days
from gateway.reports.request import ReportPublisher, ReportRequest
from gateway.reports.statistics import Day, summarise_days

PROPERTIES = ("pm2_5", "pm10")
FIRST, PLUMES = date(2025, 1, 1), 500
CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def make_means(stream: int, days: list[Day]) -> list[MeanRow]:
    """A day mean for nine days of ten, most of them complete."""
    source = random.Random(stream)
    return [
        MeanRow(
            datastream=stream, start=day.start, end=day.end, readings=86_400, expected_count=86_400,
            valid_count=source.randint(50_000, 86_400), mean=source.uniform(2, 60), min=0.0,
            max=source.uniform(60, 300), flags=0,
        )
        for day in days
        if source.random() < 0.9
    ]  # fmt: skip


def make_plume(number: int) -> Plume:
    """A plume of one event that lasted ten minutes."""
    onset = f"{datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=17 * number):%Y-%m-%dT%H:%M:%S}Z"
    event = PlumeEvent(
        id=f"e{number}", revision=1, change="ended", kind="peak", station="s0", station_name="Station 0",
        observed_property="pm2_5", unit="ug/m3", severity="moderate", onset=onset, peak_at=onset, detected_at=onset,
        end=onset, peak=60.0, peak_averaging="raw", background=8.0, excess=52.0, confidence=0.9, detector="peak@6",
        detected_late=False, merged_into=None,
    )  # fmt: skip
    return Plume(
        id=f"e{number}", revision=1, state="over", kind="peak", area="a", severity="moderate", confidence=0.9,
        onset=onset, end=onset, detected_at=onset, changed_at=onset, leading=event.id, properties=["pm2_5"],
        stations=[PlumeStation(id="s0", name="Station 0", onset=onset, end=onset, leading=event.id)],
        events=[event], notified=[], acknowledged_at=None,
    )  # fmt: skip


def make_contents(stations: int) -> ReportContents:
    """A year of an area."""
    days = list_days(FIRST, date(2026, 1, 1), "Europe/Amsterdam")
    streams = {
        2 * i + j: DatastreamRow(
            id=2 * i + j, station=f"s{i}", node=f"n{i}", observed_property=name, created_at=CREATED
        )
        for i in range(stations)
        for j, name in enumerate(PROPERTIES)
    }
    area = AreaRow(id="a", name="A", authority="OD", outline={})
    registry = PublicRegistry(
        areas={"a": area},
        stations={
            f"s{i}": StationRow(id=f"s{i}", area="a", name=f"Station {i}", latitude=52.0, longitude=4.0)
            for i in range(stations)
        },
        properties={
            name: ObservedPropertyRow(id=name, unit="ug/m3", name_nl=name, name_en=name, lower=None, upper=None)
            for name in PROPERTIES
        },
        datastreams=streams,
    )
    return ReportContents(
        request=ReportRequest(area="a", start=FIRST, end=date(2026, 1, 1)),
        area=area, days=days, registry=registry, plumes=[make_plume(i) for i in range(PLUMES)], answers=[],
        known_sources=[], means={id_: make_means(id_, days) for id_ in streams}, assessments={}, site_reports=[],
        comparisons=[], installations=[], detectors=[],
    )  # fmt: skip


def assess(contents: ReportContents) -> dict[int, SubstanceAssessment]:
    """Capture and levels of every datastream; returns the levels."""
    period = build_period(FIRST, date(2026, 1, 1), "Europe/Amsterdam")
    source = np.random.default_rng(1)
    assessments = {}
    for id_, rows in contents.means.items():
        summarise_days(contents.days, rows, average_of(contents.registry.datastreams[id_].observed_property))
        hours = np.where(source.random(period.hours) < 0.9, source.uniform(2, 60, period.hours), np.nan)
        assessments[id_] = assess_substance(contents.registry.datastreams[id_].observed_property, hours, period, 0.85)
    return assessments


def measure(what: str, work: Callable[[], object]) -> None:
    """Print duration and processor time of one run."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    print(f"{what}: {time.perf_counter() - wall:.2f} s, processor time {time.process_time() - processor:.2f} s")


def main() -> None:
    """Measure both."""
    stations = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    contents = make_contents(stations)
    measure(f"figures of {stations} stations", lambda: assess(contents))
    contents = replace(contents, assessments=assess(contents))
    publisher = ReportPublisher(operator="OD", public_url="https://piek.example")
    measure(f"report of {stations} stations as HTML", lambda: render_report(contents, publisher))


if __name__ == "__main__":
    main()
