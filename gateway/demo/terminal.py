"""The terminal view of the demo: readings, peaks, and the notifications that an inspector received.

A wide terminal shows stations and peaks beside each other; one of 80 columns shows the newest peak in the row of its
station. Every time is that of the area.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.receivers import ReceivedNotification
from gateway.demo.state import DemoState, Peak, StationValues
from gateway.model.properties import PROPERTIES

_TIME_ZONE = ZoneInfo("Europe/Amsterdam")
_SEVERITY_STYLES = {"minor": "yellow", "moderate": "dark_orange", "severe": "red", "extreme": "bold red"}
_WIDE = 116  # columns from which stations and peaks stand beside each other
_FRAME = 2  # lines of a panel around its content
_MAX_PEAKS = 12


def render(state: DemoState, *, width: int, height: int) -> RenderableType:
    """Return one screen of `width` columns and `height` lines."""
    layout, is_wide = Layout(size=height), width >= _WIDE
    table_lines = 1 + max(1, len(state.stations)) + _FRAME
    layout.split_column(
        Layout(_header_panel(state), size=2 + _FRAME),
        Layout(name="middle", size=table_lines),
        Layout(name="notifications"),
    )
    if is_wide:
        layout["middle"].split_row(Layout(_stations_panel(state), ratio=2), Layout(_peaks_panel(state), ratio=3))
    else:
        layout["middle"].update(_stations_panel(state, with_peaks=True))
    lines = max(1, height - 2 - _FRAME - table_lines - _FRAME)
    layout["notifications"].update(_notifications_panel(state.received, lines))
    return layout


def _header_panel(state: DemoState) -> RenderableType:
    counts = state.counts
    title = f"Piekwacht: {counts.batches} batches, {counts.events} events, {counts.quarantined} in quarantine"
    lines = [Text(f"map {state.address}/  API {state.address}/api/v1/stations", style="bold cyan", no_wrap=True)]
    if state.login is not None:
        login = state.login
        lines.append(Text(f"inspector {login.name} {login.password} code {login.code_at(state.now)}", no_wrap=True))
    return Panel(Group(*lines), title=title, subtitle=f"{_format_time(state.now)}  Ctrl-C stops everything")


def _stations_panel(state: DemoState, *, with_peaks: bool = False) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("station", no_wrap=True)
    for name, min_width in (("PM2.5", 5), ("PM10", 5), ("VOC", 5), ("s", 3)):
        table.add_column(name, justify="right", no_wrap=True, min_width=min_width)
    if with_peaks:
        table.add_column("newest peak", no_wrap=True, min_width=22)
    peak_by_station = {peak.station: peak for peak in reversed(state.peaks)}
    for row in state.stations:
        age = (state.now - row.observed_at).total_seconds()
        cells: list[RenderableType] = [row.name, *_format_values(row), f"{min(age, 999):.0f}"]
        if with_peaks:
            cells.append(_describe_peak(peak_by_station.get(row.station)))
        table.add_row(*cells, style="dim" if age > 60 else "")
    return Panel(table, title="newest values (ug/m3; VOC in ticks; age in s)")


def _format_values(row: StationValues) -> list[str]:
    return [_format_number(value) for value in (row.pm2_5, row.pm10, row.voc_raw)]


def _describe_peak(peak: Peak | None) -> Text:
    if peak is None:
        return Text("")
    style = _SEVERITY_STYLES.get(peak.severity, "") if peak.is_open else "dim"
    return Text(f"{_format_time(peak.onset)} {_name_property(peak)} {_format_number(peak.peak)}", style=style)


def _peaks_panel(state: DemoState) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    columns = ("since", 8), ("station", None), ("what", 5), ("peak", 5), ("background", 10), ("sure", 4), ("now", 4)
    for name, min_width in columns:
        table.add_column(name, no_wrap=True, min_width=min_width)
    for peak in state.peaks[:_MAX_PEAKS]:
        table.add_row(
            _format_time(peak.onset),
            peak.name,
            _name_property(peak),
            Text(_format_number(peak.peak), style=_SEVERITY_STYLES.get(peak.severity, "")),
            _format_number(peak.background),
            f"{peak.confidence:.0%}",
            "open" if peak.is_open else "over",
        )
    return Panel(table, title="peaks")


def _notifications_panel(received: Sequence[ReceivedNotification], lines: int) -> RenderableType:
    """The newest mail with as much of its text as fits, below the notifications before it."""
    if not received:
        return Panel("nothing yet: an inspectorate is notified only of peaks", title="what the inspectorate received")
    mails = [notification for notification in received if notification.channel == "e-mail"]
    text = mails[-1].body.splitlines() if mails else []
    subject_lines = min(4, max(1, lines - len(text)), len(received))
    rows = [
        Text(f"{_format_time(n.at)}  {n.channel:8} {n.title}", no_wrap=True, overflow="ellipsis")
        for n in received[-subject_lines:]
    ]
    rows[-1].stylize("bold")
    body = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in text[: max(0, lines - len(rows))]]
    return Panel(Group(*rows, *body), title=f"what the inspectorate received ({len(received)})")


def _name_property(peak: Peak) -> str:
    row = PROPERTIES.get(peak.observed_property)
    return peak.observed_property if row is None else row.names_in_text["en"].partition(" (")[0]


def _format_time(moment: datetime) -> str:
    return f"{moment.astimezone(_TIME_ZONE):%H:%M:%S}"


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
