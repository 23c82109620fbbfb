"""What the terminal shows while the demo runs: readings, peaks, and what an inspector got."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.receivers import Received

_LEVEL = {"minor": "yellow", "moderate": "dark_orange", "severe": "red", "extreme": "bold red"}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Everything the view needs at one moment; rows as `queries.sql` gives them."""

    now: datetime
    urls: Sequence[str] = ()
    stations: Sequence[Sequence[Any]] = ()
    peaks: Sequence[Sequence[Any]] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    received: Sequence[Received] = field(default_factory=list)


def render(moment: Moment) -> RenderableType:
    """One screen."""
    layout = Layout()
    layout.split_column(
        Layout(_head(moment), size=3),
        Layout(name="middle", ratio=3),
        Layout(_letters(moment.received), name="letters", ratio=2),
    )
    layout["middle"].split_row(Layout(_stations(moment), ratio=2), Layout(_peaks(moment), ratio=3))
    return layout


def _head(moment: Moment) -> RenderableType:
    batches, observations, quarantined = moment.counts
    counts = f"{batches} batches, {observations} observations, {quarantined} in quarantine"
    line = Text("  ".join(moment.urls), style="bold cyan", no_wrap=True, overflow="ellipsis")
    return Panel(line, title=f"Piekwacht: {counts}", subtitle="Ctrl-C stops everything")


def _stations(moment: Moment) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for name, justify in (("station", "left"), ("PM2,5", "right"), ("PM10", "right"), ("VOC", "right"), ("s", "right")):
        table.add_column(name, justify="left" if justify == "left" else "right", no_wrap=True)
    for name, observed_at, *values in moment.stations:
        age = (moment.now - observed_at).total_seconds()
        table.add_row(name, *(_number(v) for v in values), f"{age:.0f}", style="dim" if age > 60 else "")
    return Panel(table, title="newest values (µg/m³; VOC raw; age in s)")


def _peaks(moment: Moment) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for name in ("since", "station", "what", "peak", "background", "sure", "now"):
        table.add_column(name, no_wrap=name != "station")
    for station, what, change, level, peak, background, confidence, onset in moment.peaks:
        state = "over" if change in {"ended", "voided"} else "rising or high"
        table.add_row(
            f"{onset.astimezone():%H:%M:%S}",
            station,
            what,
            Text(_number(peak), style=_LEVEL.get(level, "")),
            _number(background),
            f"{confidence:.0%}",
            state,
        )
    return Panel(table, title="peaks")


def _letters(received: Sequence[Received]) -> RenderableType:
    if not received:
        return Panel("nothing yet: an inspector is told only of peaks", title="what the inspectorate got")
    lines: list[RenderableType] = [
        Text(f"{r.at.astimezone():%H:%M:%S}  {r.channel:8} {r.title}") for r in received[-4:-1]
    ]
    last = received[-1]
    mails = [r for r in received if r.channel == "e-mail"]
    lines.append(Text(f"{last.at.astimezone():%H:%M:%S}  {last.channel:8} {last.title}", style="bold"))
    if mails:
        lines.append(Text("\n".join(mails[-1].body.splitlines()[:12]), style="dim"))
    return Panel(Group(*lines), title=f"what the inspectorate got ({len(received)})")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
