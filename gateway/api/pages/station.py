"""`/stations/{id}`: the values of one station as a chart and a table, with links to files."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNIT_SYMBOLS
from gateway.api.data.latest_values import LatestValues
from gateway.api.http.parameters import ItemId
from gateway.api.pages import polar
from gateway.api.pages.backgrounds import fetch_backgrounds
from gateway.api.pages.chart import Chart, Line, MarkedPeriod
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS
from gateway.api.pages.moment import MINUTE, PageMoment, read_moment
from gateway.api.pages.region import fetch_region_table
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.station_extras import (
    ChartInterval,
    fetch_compared_lines,
    fetch_means,
    fetch_wind_plot,
    list_candidates,
)
from gateway.api.pages.station_levels import fetch_station_levels
from gateway.api.pages.texts import CHART_TEXTS, LIVE_TEXTS
from gateway.api.routes import events, plumes
from gateway.api.routes.events import EventFilters
from gateway.api.routes.places import build_station
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.observations import Mean
from gateway.export.selection import Averaging
from gateway.model.properties import SHOWN_PROPERTIES, average_of
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import AppliedRule, CalibrationVersion
from gateway.quality.humidity_correction import find_rule

router = APIRouter()
_AROUND_MOMENT = _HALF_HOUR = timedelta(minutes=30)
_MAX_PLUMES = 50
PERIODS = {
    "last_hour": (timedelta(hours=1), Averaging.MINUTE, 60.0),
    "day": (timedelta(days=1), Averaging.MINUTE, 60.0),
    "week": (timedelta(days=7), Averaging.HOUR, 3_600.0),
    "month": (timedelta(days=31), Averaging.HOUR, 3_600.0),
    "year": (timedelta(days=366), Averaging.DAY, 86_400.0),
}


@router.get("/stations/{id}")
async def show_station(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    id_: ItemId,
    period: str = "",
    property_: Annotated[str, Query(alias="property")] = "",
    at: Annotated[str, Query(max_length=40)] = "",
    compare: Annotated[Sequence[str], Query()] = (),
) -> HTMLResponse:
    """The page of one station; without a known `period` or `property` it chooses them.

    `at`: a moment; the chart shows the hour around it. `compare`: ids of at most three other stations.
    """
    if id_ not in view.registry.stations:
        return respond_missing(view)
    station = view.registry.stations[id_]
    feature = strip_licence(build_station(view.latest_values, id_, ""))
    values = feature["properties"]["newest"]
    shown_properties = [name for name in SHOWN_PROPERTIES if name in values] + sorted(
        set(values) - set(SHOWN_PROPERTIES) - {"lost_readings"}
    )
    property_id = property_ if property_ in shown_properties else next(iter(shown_properties), "pm2_5")
    moment = read_moment(at, view.now)
    hours_end = view.now if moment.at is None else min(view.now, moment.at + timedelta(hours=12))
    hours = await fetch_means(view, id_, property_id, (hours_end - timedelta(days=1), hours_end), Averaging.HOUR)
    default_period = "day" if len(hours) > 2 else "last_hour"  # a day of a new station is an empty chart
    interval = choose_interval(view, period if period in PERIODS else default_period, moment)
    rule = find_shown_rule(view.latest_values, id_, property_id)
    means = await fetch_means(view, id_, property_id, interval.bounds, interval.averaging)
    filters = EventFilters(station=id_, property=property_id, start=interval.start, end=interval.end)
    event_documents = [strip_licence(event) for event in await events.fetch_events(view.request, 50, filters)]
    candidates = list_candidates(view, station, property_id, compare)
    compared = [candidate.station for candidate in candidates if candidate.chosen]
    compared_lines = await fetch_compared_lines(view, compared, property_id, interval)
    unit = view.registry.properties[property_id].unit
    names = {"name": view.name_of(property_id), "station": station.name, "period": interval.text}
    chart = Chart(
        title=view.texts["chart_of"].format(**names),
        unit=view.unit_of(unit),
        start=interval.start,
        end=interval.end,
        lines=[*build_lines(means, interval.step, corrected=rule is not None), *compared_lines],
        from_zero=unit not in ARBITRARY_SCALE_UNITS,
        band=estimate_background(means) if interval.averaging is Averaging.MINUTE else (),
        spans=[
            *build_flag_spans(view, means, interval.step),
            *build_peak_spans(view, event_documents),
            *build_moment_span(view, moment),
        ],
    )
    plot_title = view.texts["polar_title"].format(**names)
    wind_plot = (
        None
        if interval.averaging is Averaging.DAY
        else await fetch_wind_plot(view, station, means, interval, plot_title, rule=average_of(property_id))
    )
    backgrounds = (await fetch_backgrounds(view)).get(id_, {})
    boot = {
        **describe_station(view, id_, property_id, shown_properties),
        "backgrounds": backgrounds,
        **describe_chart(chart, interval, moment, corrected=rule is not None),
        "compared": [{"id": row.id, "name": row.name} for row in compared],
        "peaks": [[event["onset"], event["end"]] for event in event_documents if _is_valid_peak(event)],
    }
    plume_filters = PlumeFilters(station=id_, kind="peak", start=interval.start, end=interval.end)
    newest_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_PLUMES, plume_filters)]
    return respond_html(
        view,
        view.render(
            "station.html",
            feature=feature,
            values=values,
            shown=shown_properties,
            backgrounds=backgrounds,
            property_id=property_id,
            period=interval.name,
            periods=list(PERIODS),
            chart=chart,
            hours=hours,
            plumes=newest_plumes,
            averaging=interval.averaging.value,
            rule=rule,
            moment=moment,
            nothing_measured=moment.at is not None and not means,
            candidates=candidates,
            compared=compared,
            wind_plot=wind_plot,
            region=await fetch_region_table(view, id_, property_id, hours),
            levels=await fetch_station_levels(view, id_),
            polar=polar,
            is_calibrated=isinstance(rule, CalibrationVersion),
            boot=boot,
        ),
    )


def choose_interval(view: View, period: str, moment: PageMoment) -> ChartInterval:
    """The hour around a moment, else a known period that ends now."""
    if moment.at is None:
        length, averaging, step = PERIODS[period]
        return ChartInterval(
            name=period, text=view.texts[period], start=view.now - length, end=view.now, averaging=averaging, step=step
        )
    return ChartInterval(
        name="",
        text=view.texts["around_moment"].format(time=view.date_time(format_instant(moment.at))),
        start=moment.at - _AROUND_MOMENT,
        end=min(moment.at + _AROUND_MOMENT, view.now),
        averaging=Averaging.MINUTE,
        step=60.0,
    )


def describe_station(view: View, station: str, property_id: str, shown_properties: Sequence[str]) -> dict[str, object]:
    """The facts of the station for the script of the page."""
    return {
        "language": view.language,
        "words": {name: view.texts[name] for name in (*LIVE_TEXTS, *CHART_TEXTS)},
        "averagings": view.averagings,
        "station": station,
        "property": property_id,
        "units": dict(UNIT_SYMBOLS),
        "peakPhrases": view.peak_phrases,
        "names": {name: view.name_of(name) for name in shown_properties},
        "replay": view.settings.replay,
        "silentAfter": view.settings.no_data_after_seconds,
    }


def describe_chart(chart: Chart, interval: ChartInterval, moment: PageMoment, *, corrected: bool) -> dict[str, object]:
    """The facts of the chart for the script that draws it again."""
    return {
        "unit": chart.unit,
        "averaging": interval.averaging.value,
        "corrected": corrected,
        "fromZero": chart.from_zero,
        "step": interval.step,
        "start": format_instant(chart.start),
        "end": format_instant(chart.end),
        "moment": None if moment.at is None else format_instant(moment.at),
        "band": [[format_instant(at), low, high] for at, low, high in chart.band],
        "flagged": [
            [format_instant(span.start), format_instant(span.end)] for span in chart.spans if span.css == "flagged"
        ],
    }


def find_shown_rule(latest_values: LatestValues, station: str, name: str) -> AppliedRule | None:
    """The rule that the page names: of the node that measures there, at this moment; None: nothing is corrected."""
    if not latest_values.registry.has_correction(station, name):
        return None
    window = latest_values.windows.get(station, {}).get(name)
    node = "" if window is None else window.node
    return latest_values.registry.find_applied_rule(node, name, datetime.now(UTC)) or find_rule(name)


def build_moment_span(view: View, moment: PageMoment) -> list[MarkedPeriod]:
    """The minute that a link asks for; empty without one."""
    if moment.at is None:
        return []
    label = f"{view.texts['moment']}: {view.date_time(format_instant(moment.at))}"
    return [MarkedPeriod(start=moment.at, end=moment.at + MINUTE, css="moment", label=label)]


def build_lines(means: list[Mean], step: float, *, corrected: bool = False) -> list[Line]:
    """The lines of the maximum and the mean; with `corrected` also that of the corrected mean."""
    times = [datetime.fromisoformat(mean.start) for mean in means]
    highest_points = list(zip(times, [mean.max for mean in means], strict=True))
    mean_points = list(zip(times, [mean.mean for mean in means], strict=True))
    chart_lines = [
        Line(points=highest_points, css="highest", step=step, stepped=True),
        Line(points=mean_points, css="mean", step=step, stepped=True),
    ]
    if corrected:
        points = list(zip(times, [mean.corrected for mean in means], strict=True))
        chart_lines.append(Line(points=points, css="corrected", step=step, stepped=True))
    return chart_lines


def estimate_background(means: list[Mean]) -> list[tuple[datetime, float, float]]:
    """Per half hour the 10th and 50th percentile of the one-minute means: the level between the peaks.

    Each half hour has its start and its end, so that the band is drawn over all of it.
    """
    half_hours: dict[datetime, list[float]] = {}
    for mean in means:
        if mean.mean is not None:
            at = datetime.fromisoformat(mean.start)
            half_hours.setdefault(at.replace(minute=at.minute // 30 * 30), []).append(mean.mean)
    band = []
    for at, values in sorted(half_hours.items()):
        values.sort()
        if len(values) >= 3:
            low, median = values[len(values) // 10], values[len(values) // 2]
            band += [(at, low, median), (at + _HALF_HOUR, low, median)]
    return band


def build_flag_spans(view: View, means: list[Mean], step: float) -> list[MarkedPeriod]:
    """Periods with flagged values and their reasons; adjacent periods with the same reason are merged."""
    spans: list[MarkedPeriod] = []
    for mean in means:
        if not mean.flags:
            continue
        start = datetime.fromisoformat(mean.start)
        label = view.flags(mean.flags)
        end = start + timedelta(seconds=step)
        if spans and spans[-1].label == label and (start - spans[-1].end).total_seconds() < step / 2:
            spans[-1] = MarkedPeriod(start=spans[-1].start, end=end, css="flagged", label=label)
        else:
            spans.append(MarkedPeriod(start=start, end=end, css="flagged", label=label))
    return spans


def build_peak_spans(view: View, event_documents: list[dict[str, Any]]) -> list[MarkedPeriod]:
    """The periods of peaks that were not voided."""
    return [
        MarkedPeriod(
            start=datetime.fromisoformat(event["onset"]),
            end=view.now if event["end"] is None else datetime.fromisoformat(event["end"]),
            css="marked",
            label=f"{view.texts['event']}: {view.peak(event['peak'], event['background'], event['unit'])}, "
            f"{view.averaging(event['peakAveraging'])}",
        )
        for event in event_documents
        if _is_valid_peak(event)
    ]


def _is_valid_peak(event: dict[str, Any]) -> bool:
    return bool(event["kind"] == "peak" and event["change"] != "voided")
