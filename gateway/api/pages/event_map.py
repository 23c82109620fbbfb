"""An event seen from above, drawn: its station, the others, the facilities, and where the wind came from.

Drawn on the server from the registry, so that it reads on paper, without JavaScript, and asks nobody for a map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin

from markupsafe import Markup, escape

from alerting.vocabulary import direction
from gateway.api.pages.renderer import View
from gateway.api.schemas.events import Around, Event, Wind

_WIDTH, _HEIGHT, _MARGIN = 380.0, 260.0, 34.0
_SECTOR = 22.5
_FAR = 15.0  # km; what lies farther from the station is not drawn
_LEAST = 0.6  # km to each side, where everything lies close together
_SCALES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # km
_KM = 111.2  # a degree of latitude


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Something on the ground, in km east and north of the station; `css` is its class."""

    east: float
    north: float
    name: str
    css: str


def sketch(view: View, event: Event) -> Markup:
    """SVG, north up; the wind as a sector and an arrow where it is known. Empty where the station is not known."""
    here = view.board.places.stations.get(event.station)
    if here is None:
        return Markup("")
    spots = _spots(view, event.around, here)
    reach = max([_LEAST, *(max(abs(one.east) * _HEIGHT / _WIDTH, abs(one.north)) for one in spots)])
    scale = (_HEIGHT / 2 - _MARGIN) / reach
    wind = event.around.wind
    title = view.words["rose"].format(wind=wind_words(view, event.around)) if wind else view.words["map"]
    return Markup(  # noqa: S704 - every text in it is escaped where it is put in
        f'<svg class="sketch" viewBox="{-_WIDTH / 2:.0f} {-_HEIGHT / 2:.0f} {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        + (_wind(wind) if wind else "")
        + "".join(_drawn(one, scale) for one in spots)
        + f'<circle class="here" r="7"/>{_bar(view, scale)}{_north(view)}</svg>'
    )


def wind_words(view: View, around: Around) -> str:
    """`uit het westen, 4,2 m/s`."""
    wind = around.wind
    if wind is None:
        return ""
    where = direction(wind.direction, view.language)
    return str(view.words["wind_from"].format(where=where, speed=view.number(wind.speed)))


def _spots(view: View, around: Around, here: Sequence[object]) -> list[Spot]:
    """Facilities, then the area's other stations; those that rose too are named."""
    places = view.board.places
    rose = set(around.neighbours.stations) if around.neighbours else set()
    upwind = {one.id for one in around.upwind}
    found = [
        _spot(here, row[4], row[5], row[2], "site upwind" if row[0] in upwind else "site")
        for row in places.sites.values()
        if row[1] == here[1]
    ]
    found += [
        _spot(here, row[3], row[4], row[2] if row[0] in rose else "", "rose" if row[0] in rose else "other")
        for row in places.stations.values()
        if row[1] == here[1] and row[0] != here[0]
    ]
    return [one for one in found if hypot(one.east, one.north) <= _FAR]


def _spot(here: Sequence[object], latitude: float, longitude: float, name: str, css: str) -> Spot:
    middle, meridian = float(str(here[3])), float(str(here[4]))
    east = (longitude - meridian) * _KM * cos(radians(middle))
    return Spot(east=east, north=(latitude - middle) * _KM, name=name, css=css)


def _drawn(spot: Spot, scale: float) -> str:
    x, y = spot.east * scale, -spot.north * scale
    site = spot.css.startswith("site")
    mark = (
        f'<rect class="{spot.css}" x="-5" y="-5" width="10" height="10"/>'
        if site
        else f'<circle class="{spot.css}" r="5"/>'
    )
    anchor, away = ("end", -9) if x > _WIDTH / 6 else ("start", 9)
    name = f'<text x="{away}" y="4" text-anchor="{anchor}">{escape(spot.name)}</text>' if spot.name else ""
    return f'<g transform="translate({x:.1f} {y:.1f})">{mark}{name}</g>'


def _wind(wind: Wind) -> str:
    """Where the air came from, to the edge of the picture and beyond."""
    half, far = min(60.0, max(_SECTOR, wind.spread)), hypot(_WIDTH, _HEIGHT)
    (x1, y1), (x2, y2) = _at(wind.direction - half, far), _at(wind.direction + half, far)
    (tip_x, tip_y), (tail_x, tail_y) = _at(wind.direction, 20), _at(wind.direction, 72)
    return (
        f'<path class="sector" d="M0 0 L{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f} Z"/>'
        f'<line class="wind" x1="{tail_x:.1f}" y1="{tail_y:.1f}" x2="{tip_x:.1f}" y2="{tip_y:.1f}"/>'
        f'<path class="head" d="M-6 -24 L0 -10 L6 -24 Z" transform="rotate({wind.direction:.1f})"/>'
    )


def _bar(view: View, scale: float) -> str:
    length = max((one for one in _SCALES if one * scale <= _WIDTH / 3), default=_SCALES[0])
    x, y = 10 - _WIDTH / 2, _HEIGHT / 2 - 10
    text = f"{view.short(length)} km"
    return (
        f'<path class="bar" d="M{x:.0f} {y - 4:.0f} v4 h{length * scale:.1f} v-4"/>'
        f'<text x="{x + 4:.0f}" y="{y - 7:.0f}">{escape(text)}</text>'
    )


def _north(view: View) -> str:
    x, y = _WIDTH / 2 - 16, 28 - _HEIGHT / 2
    letter = view.words["compass"].split()[0]
    return (
        f'<path class="bar" d="M{x:.0f} {y + 8:.0f} v-16 m-4 5 l4 -5 l4 5"/>'
        f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle">{escape(letter)}</text>'
    )


def _at(bearing: float, distance: float) -> tuple[float, float]:
    return distance * sin(radians(bearing)), -distance * cos(radians(bearing))
