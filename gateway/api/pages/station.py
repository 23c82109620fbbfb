"""`/stations/{id}`: the values of one station as a chart and a table, with links to files."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNIT_SYMBOLS
from gateway.api.data.averages import MeanCache
from gateway.api.data.latest_values import LatestValues
from gateway.api.http.parameters import ItemId
from gateway.api.pages.chart import Chart, Line, MarkedPeriod
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.texts import LIVE_TEXTS
from gateway.api.routes import events, plumes
from gateway.api.routes.events import EventFilters
from gateway.api.routes.places import build_station
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.observations import Mean
from gateway.export.selection import Averaging
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import AppliedRule, CalibrationVersion
from gateway.quality.humidity_correction import find_rule

router = APIRouter()
_MAX_PLUMES = 50
PERIODS = {
    "last_hour": (timedelta(hours=1), Averaging.MINUTE, 60.0),
    "day": (timedelta(days=1), Averaging.MINUTE, 60.0),
    "week": (timedelta(days=7), Averaging.HOUR, 3_600.0),
    "month": (timedelta(days=31), Averaging.HOUR, 3_600.0),
    "year": (timedelta(days=366), Averaging.DAY, 86_400.0),
}


@router.get("/stations/{id}")
async def show_station(
    view: ViewDependency, id_: ItemId, period: str = "", property_: Annotated[str, Query(alias="property")] = ""
) -> HTMLResponse:
    """The page of one station; without a known `period` or `property` it chooses them."""
    if id_ not in view.latest_values.registry.stations:
        return respond_missing(view)
    feature = strip_licence(build_station(view.latest_values, id_, ""))
    values = feature["properties"]["newest"]
    shown_properties = [name for name in SHOWN_PROPERTIES if name in values] + sorted(
        set(values) - set(SHOWN_PROPERTIES) - {"lost_readings"}
    )
    property_id = property_ if property_ in shown_properties else next(iter(shown_properties), "pm2_5")
    hours = await fetch_means(view, id_, property_id, (view.now - timedelta(days=1), view.now), Averaging.HOUR)
    if period not in PERIODS:
        period = "day" if len(hours) > 2 else "last_hour"  # a day of a new station is an empty chart
    period_length, averaging, step = PERIODS[period]
    rule = find_shown_rule(view.latest_values, id_, property_id)
    means = await fetch_means(view, id_, property_id, (view.now - period_length, view.now), averaging)
    filters = EventFilters(station=id_, property=property_id, start=view.now - period_length)
    event_documents = [strip_licence(event) for event in await events.fetch_events(view.request, 50, filters)]
    unit = view.latest_values.registry.properties[property_id].unit
    chart = Chart(
        title=view.texts["chart_of"].format(
            name=view.name_of(property_id), station=feature["properties"]["name"], period=view.texts[period]
        ),
        unit=view.unit_of(unit),
        start=view.now - period_length,
        end=view.now,
        lines=build_lines(means, step, corrected=rule is not None),
        from_zero=unit not in ARBITRARY_SCALE_UNITS,
        band=estimate_background(means) if averaging is Averaging.MINUTE else (),
        spans=[*build_flag_spans(view, means, step), *build_peak_spans(view, event_documents)],
    )
    boot = {
        "language": view.language,
        "words": {name: view.texts[name] for name in LIVE_TEXTS},
        "averagings": view.averagings,
        "station": id_,
        "property": property_id,
        "unit": chart.unit,
        "units": dict(UNIT_SYMBOLS),
        "names": {name: view.name_of(name) for name in shown_properties},
        "averaging": averaging.value,
        "corrected": rule is not None,
        "fromZero": chart.from_zero,
        "step": step,
        "start": format_instant(chart.start),
        "end": format_instant(chart.end),
        "replay": view.settings.replay,
        "silentAfter": view.settings.no_data_after_seconds,
        "band": [[format_instant(at), low, high] for at, low, high in chart.band],
        "flagged": [
            [format_instant(span.start), format_instant(span.end)] for span in chart.spans if span.css == "flagged"
        ],
        "peaks": [[event["onset"], event["end"]] for event in event_documents if _is_valid_peak(event)],
    }
    plume_filters = PlumeFilters(station=id_, kind="peak", start=view.now - period_length)
    newest_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_PLUMES, plume_filters)]
    return respond_html(
        view,
        view.render(
            "station.html",
            feature=feature,
            values=values,
            shown=shown_properties,
            property_id=property_id,
            period=period,
            periods=list(PERIODS),
            chart=chart,
            hours=hours,
            plumes=newest_plumes,
            averaging=averaging.value,
            rule=rule,
            is_calibrated=isinstance(rule, CalibrationVersion),
            boot=boot,
        ),
    )


def find_shown_rule(latest_values: LatestValues, station: str, name: str) -> AppliedRule | None:
    """The rule that the page names: of the node that measures there, at this moment; None: nothing is corrected."""
    if not latest_values.registry.has_correction(station, name):
        return None
    window = latest_values.windows.get(station, {}).get(name)
    node = "" if window is None else window.node
    return latest_values.registry.find_applied_rule(node, name, datetime.now(UTC)) or find_rule(name)


async def fetch_means(
    view: View, station_id: str, name: str, period: tuple[datetime, datetime], averaging: Averaging
) -> list[Mean]:
    """Means of a property at a station, oldest first."""
    mean_cache: MeanCache = view.request.app.state.mean_cache
    selection = view.latest_values.registry.build_selection(station_id, name, period, averaging)
    if not selection.ids:
        return []
    return [mean for _, mean in reversed(await mean_cache.fetch_page(selection, None, 12_000))]


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
    """Per half hour the 10th and 50th percentile of the one-minute means: the level between the peaks."""
    half_hours: dict[datetime, list[float]] = {}
    for mean in means:
        if mean.mean is not None:
            at = datetime.fromisoformat(mean.start)
            half_hours.setdefault(at.replace(minute=at.minute // 30 * 30), []).append(mean.mean)
    band = []
    for at, values in sorted(half_hours.items()):
        values.sort()
        if len(values) >= 3:
            band.append((at + timedelta(minutes=15), values[len(values) // 10], values[len(values) // 2]))
    if len(band) == 1:  # drawn over the whole period, because a band needs two points
        ((_, low, median),) = band
        return [(datetime.fromisoformat(mean.start), low, median) for mean in (means[0], means[-1])]
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
