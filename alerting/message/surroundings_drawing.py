"""The surroundings of a peak as a small PNG for mail: the station, the facilities near it, and the wind. Pure.

North is up. The shaded sector is where the wind came from; facilities have the number of their line in the mail.
"""

import io
from math import cos, radians, sin

from PIL import Image, ImageDraw, ImageFont

from alerting.alert import Alert

_SIZE = (1040, 520)  # pixels; shown at half that size, so that it is sharp on a telephone
_REACH = 220.0  # pixels from the station to the farthest facility
_MAX_NUMBERED = 9
_HALF_SECTOR = 22.5  # degrees to each side of the wind's direction, as on the pages
_INK, _FAINT, _STATION, _SECTOR, _WIND = "#1b1f1d", "#c9cfca", "#b3261e", "#dbe9f4", "#1d4d8a"
_RINGS_KM = (0.5, 1.0, 2.0, 5.0, 10.0)


_Point = tuple[float, float]
_CENTRE: _Point = (_SIZE[0] / 2, _SIZE[1] / 2)


def draw_surroundings(alert: Alert) -> bytes:
    """Draw the map. Raises ValueError without facilities and without wind: there is nothing to show."""
    sites = [site for site in alert.sites if site.distance > 0][:_MAX_NUMBERED]
    if not sites and alert.wind is None:
        raise ValueError("no facility and no wind")
    image = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(image)
    scale = _REACH / max([500.0, *(site.distance for site in sites)])  # pixels a metre
    if alert.wind is not None:
        _draw_sector(pen, alert.wind.direction)
    _draw_rings(pen, scale, 0.0 if alert.wind is None else alert.wind.direction + 180)
    for number, site in enumerate(sites, 1):
        _draw_site(pen, _place(_CENTRE, site.bearing, site.distance * scale), number)
    if alert.wind is not None:
        _draw_arrow(pen, alert.wind.direction)
    pen.ellipse(_box(_CENTRE, 16), fill=_STATION, outline="white", width=4)
    _draw_north(pen)
    buffer = io.BytesIO()
    image.quantize(32).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_sector(pen: ImageDraw.ImageDraw, direction: float) -> None:
    start = direction - 90 - _HALF_SECTOR  # Pillow counts from east
    pen.pieslice(_box(_CENTRE, _SIZE[0]), start, start + 2 * _HALF_SECTOR, fill=_SECTOR)


def _draw_rings(pen: ImageDraw.ImageDraw, scale: float, label_bearing: float) -> None:
    """Rings of round distances, with their labels at the side that the wind blows to."""
    for ring in _RINGS_KM:
        radius = ring * 1_000 * scale
        if 40 < radius < _REACH * 1.1:
            pen.ellipse(_box(_CENTRE, radius), outline=_FAINT, width=2)
            at = _place(_CENTRE, label_bearing, radius)
            pen.text(at, f"{ring:g} km", fill=_INK, font=_font(), anchor="mm", stroke_width=4, stroke_fill="white")


def _draw_site(pen: ImageDraw.ImageDraw, at: _Point, number: int) -> None:
    pen.rectangle(_box(at, 14), fill=_INK)
    pen.text(at, str(number), fill="white", font=_font(), anchor="mm")


def _draw_arrow(pen: ImageDraw.ImageDraw, direction: float) -> None:
    tail, tip = _place(_CENTRE, direction, 110), _place(_CENTRE, direction, 34)
    pen.line((*tail, *tip), fill=_WIND, width=6)
    left, right = (_place(tip, direction + turn, 26) for turn in (-28, 28))
    pen.polygon((tip, left, right), fill=_WIND)


def _draw_north(pen: ImageDraw.ImageDraw) -> None:
    x = _SIZE[0] - 40
    pen.text((x, 20), "N", fill=_INK, font=_font(), anchor="mt")
    pen.line((x, 90, x, 54), fill=_INK, width=4)
    pen.polygon(((x, 48), (x - 10, 64), (x + 10, 64)), fill=_INK)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(26)


def _box(centre: _Point, half: float) -> tuple[float, float, float, float]:
    return centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half


def _place(centre: _Point, bearing: float, distance: float) -> _Point:
    """The point at that bearing in degrees from north and distance in pixels; y grows downwards."""
    return centre[0] + distance * sin(radians(bearing)), centre[1] - distance * cos(radians(bearing))
