"""`/stations/{id}`: what one station measured, as a chart, a table and a file."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNITS
from gateway.api.data.averages import Means
from gateway.api.pages.chart import Chart, Line, Span
from gateway.api.pages.plumes import grouped
from gateway.api.pages.renderer import SHOWN, SIGNALS, View, bare, html, look, missing, rfc3339
from gateway.api.pages.texts import LIVE_WORDS
from gateway.api.routes import events
from gateway.api.routes.places import station
from gateway.api.schemas.observations import Mean
from gateway.export.selection import Averaging
from gateway.quality.humidity_correction import rule_for

router = APIRouter()
PERIODS = {
    "last_hour": (timedelta(hours=1), Averaging.MINUTE, 60.0),
    "day": (timedelta(days=1), Averaging.MINUTE, 60.0),
    "week": (timedelta(days=7), Averaging.HOUR, 3_600.0),
    "month": (timedelta(days=31), Averaging.HOUR, 3_600.0),
    "year": (timedelta(days=366), Averaging.DAY, 86_400.0),
}
Look = Annotated[View, Depends(look)]


@router.get("/stations/{id}")
async def one_station(view: Look, id: str, period: str = "", property: str = "") -> HTMLResponse:  # noqa: A002
    """One station."""
    if id not in view.board.places.stations:
        return missing(view)
    feature = bare(station(view.board, id, ""))
    values = feature["properties"]["newest"]
    shown = [name for name in SHOWN if name in values] + sorted(set(values) - set(SHOWN) - {"lost_readings"})
    chosen = property if property in shown else next(iter(shown), "pm2_5")
    hours = await measured(view, id, chosen, (view.now - timedelta(days=1), view.now), Averaging.HOUR)
    if period not in PERIODS:
        period = "day" if len(hours) > 2 else "last_hour"  # of a new station a day is an empty chart
    length, averaging, step = PERIODS[period]
    rule = rule_for(chosen)
    means = await measured(view, id, chosen, (view.now - length, view.now), averaging)
    found = [
        bare(e) for e in await events.found(view.request, 50, station=id, property=chosen, start=view.now - length)
    ]
    chart = Chart(
        title=view.words["chart_of"].format(
            name=view.name_of(chosen), station=feature["properties"]["name"], period=view.words[period]
        ),
        unit=view.unit_of(view.board.places.properties[chosen][1]),
        start=view.now - length,
        end=view.now,
        lines=lines(means, step, corrected=rule is not None),
        from_zero=view.board.places.properties[chosen][1] not in SIGNALS,
        band=background(means) if averaging is Averaging.MINUTE else (),
        spans=[*flagged(view, means, step), *peaks(view, found)],
    )
    boot = {
        "language": view.language,
        "words": {name: view.words[name] for name in LIVE_WORDS},
        "station": id,
        "property": chosen,
        "unit": chart.unit,
        "units": dict(UNITS),
        "names": {name: view.name_of(name) for name in shown},
        "averaging": averaging.value,
        "corrected": rule is not None,
        "fromZero": chart.from_zero,
        "step": step,
        "start": rfc3339(chart.start),
        "end": rfc3339(chart.end),
        "replay": view.settings.replay,
        "silentAfter": view.settings.silent_after,
        "band": [[rfc3339(at), low, high] for at, low, high in chart.band],
        "flagged": [[rfc3339(one.start), rfc3339(one.end)] for one in chart.spans if one.css == "flagged"],
        "peaks": [[e["onset"], e["end"]] for e in found if e["kind"] == "peak" and e["change"] != "voided"],
    }
    groups = grouped([one for one in found if one["kind"] == "peak"])
    return html(view, view.render("station.html", feature=feature, values=values, shown=shown, chosen=chosen,
                                  period=period, periods=list(PERIODS), chart=chart, hours=hours, groups=groups,
                                  averaging=averaging.value, rule=rule, boot=boot))  # fmt: skip


async def measured(
    view: View, station_id: str, name: str, period: tuple[datetime, datetime], averaging: Averaging
) -> list[Mean]:
    """Means of a property at a station, oldest first."""
    request: Request = view.request
    house: Means = request.app.state.means
    selection = view.board.places.selection(station_id, name, period, averaging)
    if not selection.ids:
        return []
    return [mean for _, mean in reversed(await house.page(selection, None, 12_000))]


def lines(means: list[Mean], step: float, *, corrected: bool = False) -> list[Line]:
    """Highest and mean, as two lines; the corrected mean as a third."""
    times = [datetime.fromisoformat(one.start) for one in means]
    highest = list(zip(times, [one.max for one in means], strict=True))
    middle = list(zip(times, [one.mean for one in means], strict=True))
    found = [Line(points=highest, css="highest", step=step), Line(points=middle, css="mean", step=step)]
    if corrected:
        points = list(zip(times, [one.corrected for one in means], strict=True))
        found.append(Line(points=points, css="corrected", step=step))
    return found


def background(means: list[Mean]) -> list[tuple[datetime, float, float]]:
    """Of each half hour the 10th and the 50th percentile of the one-minute means: the air between the peaks."""
    parts: dict[datetime, list[float]] = {}
    for one in means:
        if one.mean is not None:
            at = datetime.fromisoformat(one.start)
            parts.setdefault(at.replace(minute=at.minute // 30 * 30), []).append(one.mean)
    out = []
    for at, values in sorted(parts.items()):
        values.sort()
        if len(values) >= 3:
            out.append((at + timedelta(minutes=15), values[len(values) // 10], values[len(values) // 2]))
    if len(out) == 1:  # a band has two ends
        ((_, low, middle),) = out
        return [(datetime.fromisoformat(one.start), low, middle) for one in (means[0], means[-1])]
    return out


def flagged(view: View, means: list[Mean], step: float) -> list[Span]:
    """Where values are flagged: hatched, with the reason; neighbours as one."""
    out: list[Span] = []
    for one in means:
        if not one.flags:
            continue
        start = datetime.fromisoformat(one.start)
        words = view.flags(one.flags)
        end = start + timedelta(seconds=step)
        if out and out[-1].words == words and (start - out[-1].end).total_seconds() < step / 2:
            out[-1] = Span(start=out[-1].start, end=end, css="flagged", words=words)
        else:
            out.append(Span(start=start, end=end, css="flagged", words=words))
    return out


def peaks(view: View, found: list[dict[str, Any]]) -> list[Span]:
    """Where events were."""
    return [
        Span(
            start=datetime.fromisoformat(e["onset"]),
            end=view.now if e["end"] is None else datetime.fromisoformat(e["end"]),
            css="marked",
            words=f"{view.words['event']}: {view.number(e['peak'])} {view.unit_of(e['unit'])}",
        )
        for e in found
        if e["kind"] == "peak" and e["change"] != "voided"
    ]
