"""`/inspector/wind`: the hourly means of a station against the wind, month by month."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api.inspector import service
from gateway.api.pages import polar
from gateway.api.pages.inspector_month import parse_month
from gateway.api.pages.inspector_page import list_own_stations, render_page, render_problems
from gateway.api.pages.renderer import ViewDependency
from gateway.api.pages.station_extras import ChartInterval, build_wind_plot, fetch_means, fetch_wind
from gateway.api.pages.wind_map import WindMap, build_wind_maps
from gateway.export.selection import Averaging
from gateway.model.properties import SHOWN_PROPERTIES, average_of
from gateway.model.texts import texts_of

router = APIRouter()
TextParameter = Annotated[str, Query(max_length=100)]


@router.get("/inspector/wind")
async def show_wind(
    view: ViewDependency,
    station: TextParameter = "",
    property_: Annotated[str, Query(alias="property", max_length=100)] = "",
    month: TextParameter = "",
) -> Response:
    """The polar plot of one property at one station of the inspector's areas. An unknown choice is ignored."""

    async def make() -> Response:
        identity = service.require_inspector(view.request)
        stations = list_own_stations(view, identity)
        chosen = next((row for row in stations if row.id == station), stations[0] if stations else None)
        own = {
            row.observed_property for row in view.registry.datastreams.values() if chosen and row.station == chosen.id
        }
        measured = [name for name in SHOWN_PROPERTIES if name in own]
        name = property_ if property_ in measured else next(iter(measured), "")
        period, plot = parse_month(month, view.now), None
        wind_maps: list[WindMap] = []
        unit = view.unit_of(view.registry.properties[name].unit) if name else ""
        if chosen is not None and name:
            start, end = period.bounds
            text = view.month(period.first)
            interval = ChartInterval(
                name="", text=text, start=start, end=min(end, view.now), averaging=Averaging.HOUR, step=3600.0
            )
            title = view.texts["polar_title"].format(name=view.name_of(name), station=chosen.name, period=text)
            if start < view.now:
                means = await fetch_means(view, chosen.id, name, interval.bounds, Averaging.HOUR)
                wind = await fetch_wind(view, chosen, interval)
                if wind is not None:
                    plot = build_wind_plot(chosen, means, wind, title, rule=average_of(name))
                    texts = texts_of("inspector", view.language)
                    wind_maps = build_wind_maps(
                        means,
                        wind.directions,
                        wind.speeds,
                        (texts["wind_map_mean"], texts["wind_map_high"]),
                        lambda value: f"{view.number(value)} {unit}".strip(),
                        rule=average_of(name),
                    )
        return render_page(
            view,
            "inspector_wind.html",
            stations=stations,
            chosen=chosen,
            measured=measured,
            name=name,
            month=period,
            wind_plot=plot,
            polar=polar,
            polar_unit=unit,
            wind_maps=wind_maps,
            averaging=Averaging.HOUR.value,
        )

    return await render_problems(view, make)
