"""The terminal view of the demo: readings, peaks, and the notifications that an inspector received."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.receivers import ReceivedNotification

_SEVERITY_STYLES = {"minor": "yellow", "moderate": "dark_orange", "severe": "red", "extreme": "bold red"}


@dataclass(frozen=True, kw_only=True)
class DemoState:
    """State of the demo at one moment; rows as returned by `queries.sql`."""

    now: datetime
    urls: Sequence[str] = ()
    stations: Sequence[Sequence[Any]] = ()
    peaks: Sequence[Sequence[Any]] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    received: Sequence[ReceivedNotification] = field(default_factory=list)


def render(state: DemoState) -> RenderableType:
    """One screen."""
    layout = Layout()
    layout.split_column(
        Layout(_header_panel(state), size=3),
        Layout(name="middle", ratio=3),
        Layout(_notifications_panel(state.received), name="letters", ratio=2),
    )
    layout["middle"].split_row(Layout(_stations_panel(state), ratio=2), Layout(_peaks_panel(state), ratio=3))
    return layout


def _header_panel(state: DemoState) -> RenderableType:
    batches, observations, quarantined = state.counts
    counts = f"{batches} batches, {observations} observations, {quarantined} in quarantine"
    line = Text("  ".join(state.urls), style="bold cyan", no_wrap=True, overflow="ellipsis")
    return Panel(line, title=f"Piekwacht: {counts}", subtitle="Ctrl-C stops everything")


def _stations_panel(state: DemoState) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for name, justify in (("station", "left"), ("PM2,5", "right"), ("PM10", "right"), ("VOC", "right"), ("s", "right")):
        table.add_column(name, justify="left" if justify == "left" else "right", no_wrap=True)
    for name, observed_at, *values in state.stations:
        age = (state.now - observed_at).total_seconds()
        table.add_row(name, *(_format_number(value) for value in values), f"{age:.0f}", style="dim" if age > 60 else "")
    return Panel(table, title="newest values (µg/m³; VOC raw; age in s)")


def _peaks_panel(state: DemoState) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for name in ("since", "station", "what", "peak", "background", "sure", "now"):
        table.add_column(name, no_wrap=name != "station")
    for station, property_name, change, severity, peak, background, confidence, onset in state.peaks:
        phase = "over" if change in {"ended", "voided"} else "rising or high"
        table.add_row(
            f"{onset.astimezone():%H:%M:%S}",
            station,
            property_name,
            Text(_format_number(peak), style=_SEVERITY_STYLES.get(severity, "")),
            _format_number(background),
            f"{confidence:.0%}",
            phase,
        )
    return Panel(table, title="peaks")


def _notifications_panel(received: Sequence[ReceivedNotification]) -> RenderableType:
    if not received:
        return Panel("nothing yet: an inspector is told only of peaks", title="what the inspectorate got")
    lines: list[RenderableType] = [
        Text(f"{notification.at.astimezone():%H:%M:%S}  {notification.channel:8} {notification.title}")
        for notification in received[-4:-1]
    ]
    last = received[-1]
    mails = [notification for notification in received if notification.channel == "e-mail"]
    lines.append(Text(f"{last.at.astimezone():%H:%M:%S}  {last.channel:8} {last.title}", style="bold"))
    if mails:
        lines.append(Text("\n".join(mails[-1].body.splitlines()[:12]), style="dim"))
    return Panel(Group(*lines), title=f"what the inspectorate got ({len(received)})")


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
