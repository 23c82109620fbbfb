"""The wind during an event and the facilities upwind, as a small picture seen from above: the station in the middle."""

from math import cos, radians, sin

from markupsafe import Markup, escape

from alerting.words import direction
from gateway.api.pages.view import View
from gateway.api.shapes.events import Around

_R = 90.0  # of the outer ring; the farthest facility lies on it
_SECTOR = 22.5


def rose(view: View, around: Around) -> Markup:
    """SVG with a sector where the wind came from; empty where it is not known."""
    wind = around.wind
    if wind is None:
        return Markup("")
    half = min(60.0, max(_SECTOR, wind.spread))
    title = view.words["rose"].format(wind=wind_words(view, around))
    far = max([site.distance for site in around.upwind], default=0.0)
    sites = "".join(_site(site.name, site.bearing, site.distance / far * _R) for site in around.upwind)
    (x1, y1), (x2, y2) = _at(wind.direction - half, _R), _at(wind.direction + half, _R)
    (tip_x, tip_y), (tail_x, tail_y) = _at(wind.direction, 16), _at(wind.direction, _R - 6)
    letters = "".join(_letter(text, 90.0 * i) for i, text in enumerate(view.words["compass"].split()))
    return Markup(  # noqa: S704 - every text in it is escaped where it is put in
        f'<svg class="rose" viewBox="-190 -115 380 230" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>"
        f'<path class="sector" d="M0 0 L{x1:.1f} {y1:.1f} A{_R} {_R} 0 0 1 {x2:.1f} {y2:.1f} Z"/>'
        f'<circle class="ring" r="{_R}"/>{letters}'
        f'<line class="wind" x1="{tail_x:.1f}" y1="{tail_y:.1f}" x2="{tip_x:.1f}" y2="{tip_y:.1f}"/>'
        f'<path class="head" d="M-5 -12 L0 0 L5 -12 Z" transform="rotate({wind.direction:.1f}) translate(0 -8)"/>'
        f'<circle class="here" r="5"/>{sites}</svg>'
    )


def wind_words(view: View, around: Around) -> str:
    """`uit het westen, 4,2 m/s`."""
    wind = around.wind
    if wind is None:
        return ""
    where = direction(wind.direction, view.language)
    return str(view.words["wind_from"].format(where=where, speed=view.number(wind.speed)))


def _at(bearing: float, distance: float) -> tuple[float, float]:
    return distance * sin(radians(bearing)), -distance * cos(radians(bearing))


def _letter(text: str, bearing: float) -> str:
    x, y = _at(bearing, _R + 12)
    return f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{escape(text)}</text>'


def _site(name: str, bearing: float, distance: float) -> str:
    x, y = _at(bearing, max(24.0, distance))
    anchor, away = ("start", 9) if x >= 0 else ("end", -9)
    return (
        f'<rect class="site" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
        f'<text x="{x + away:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(name)}</text>'
    )
