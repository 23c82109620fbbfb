"""Pictures of a Web Map Service: stations as circles with the colour of their class and the value as text. Pure.

The colours and classes are those of the page's map. A station without a recent valid value is grey.
"""

import io
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from gateway.api.map_service.parameters import MapRequest
from gateway.model.properties import PROPERTIES

Colour = tuple[int, int, int]
RADIUS = 11  # pixels
_CLASSES: Sequence[Colour] = (
    (0xCF, 0xE8, 0xD5), (0xF3, 0xE7, 0xA1), (0xF2, 0xC4, 0x6D), (0xE5, 0x8A, 0x4E), (0xC2, 0x45, 0x3A),
    (0x6D, 0x1F, 0x4B),
)  # fmt: skip
_NO_VALUE: Colour = (0xC9, 0xCE, 0xCB)
_DARK, _LIGHT = (0x14, 0x20, 0x1A), (0xFF, 0xFF, 0xFF)
_FIRST_LIGHT_TEXT = 4  # class from which text is white
_BACKGROUND, _OUTLINE, _SHADES = 0, 1, 32  # of the palette; shades of text on a class
_LINE, _LEGEND_WIDTH = 22, 190


class StationMark(NamedTuple):
    """A station in a picture: its position in degrees, and its value, None without one."""

    station: str
    name: str
    longitude: float
    latitude: float
    observed_property: str
    value: float | None
    observed_at: str | None


def list_layers() -> list[str]:
    """The layers: properties that the map has colours for."""
    return [row.id for row in PROPERTIES.values() if row.colour_steps is not None]


def find_class(observed_property: str, value: float) -> int:
    """The class of a value: how many steps of the scale it reaches."""
    return bisect_right(PROPERTIES[observed_property].colour_steps or (), value)


def draw_map(map_request: MapRequest, marks: Sequence[StationMark]) -> bytes:
    """The picture as PNG.

    It has a palette: a byte per pixel takes a quarter of the time to paste and to encode. Pillow's core pastes the
    circles, because the checks of `Image.paste` take four times as long as the pasting itself.
    """
    picture = Image.new("P", (map_request.width, map_request.height), _BACKGROUND)
    picture.putpalette(_list_palette(map_request.background or _LIGHT))
    paste, locate = picture.im.paste, map_request.locate
    right, bottom, size = map_request.width + RADIUS, map_request.height + RADIUS, 2 * RADIUS + 3
    for mark in marks:
        x, y = locate(mark.longitude, mark.latitude)
        if -RADIUS <= x <= right and -RADIUS <= y <= bottom:
            value = mark.value
            if value is None:
                symbol, mask = _draw_symbol(None, "")
            else:
                symbol, mask = _draw_symbol(find_class(mark.observed_property, value), format_value(value))
            left, top = round(x) - RADIUS - 1, round(y) - RADIUS - 1
            paste(symbol.im, (left, top, left + size, top + size), mask.im)
    return _encode(picture, **({"transparency": _BACKGROUND} if map_request.background is None else {}))


def format_value(value: float) -> str:
    """The text in a circle: with a decimal below ten."""
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def draw_legend(observed_property: str) -> bytes:
    """The classes of a layer with their colours as PNG."""
    row = PROPERTIES[observed_property]
    starts = [0.0, *(row.colour_steps or ())]
    texts = [f"{a:g} - {b:g}" for a, b in pairwise(starts)] + [f"> {starts[-1]:g}", "no value"]
    picture = Image.new("RGBA", (_LEGEND_WIDTH, _LINE * (len(texts) + 1)), (255, 255, 255, 255))
    pen = ImageDraw.Draw(picture)
    pen.text((6, 5), f"{row.names_in_text['en']}, {row.unit}, mean of 1 min", font=_font(11), fill=_DARK)
    for line, (text, colour) in enumerate(zip(texts, [*_CLASSES, _NO_VALUE], strict=True), start=1):
        pen.ellipse((6, line * _LINE + 3, 22, line * _LINE + 19), fill=colour, outline=_DARK)
        pen.text((30, line * _LINE + 4), text, font=_font(12), fill=_DARK)
    return _encode(picture)


@lru_cache(maxsize=2_000)
def _draw_symbol(level: int | None, text: str) -> tuple[Image.Image, Image.Image]:
    """The circle of a class with its text in colours of the palette, and its mask: many stations have the same."""
    size = 2 * RADIUS + 3
    circle = (1, 1, size - 2, size - 2)
    mask = Image.new("1", (size, size), 0)
    ImageDraw.Draw(mask).ellipse(circle, fill=1, outline=1)
    ink = Image.new("L", (size, size), 0)  # how much of a pixel the text covers
    ImageDraw.Draw(ink).text((size / 2, size / 2), text, font=_font(10), fill=255, anchor="mm")
    first = 2 + _SHADES * (len(_CLASSES) if level is None else level)
    symbol = ink.point([first + round(cover * (_SHADES - 1) / 255) for cover in range(256)])
    ImageDraw.Draw(symbol).ellipse(circle, outline=_OUTLINE)
    symbol.load()
    mask.load()
    return symbol, mask


@lru_cache(maxsize=64)
def _list_palette(background: Colour) -> list[int]:
    """Background, outline, and the shades of each class from its colour to that of its text."""
    colours = [background, _DARK]
    for number, fill in enumerate([*_CLASSES, _NO_VALUE]):
        text = _LIGHT if _FIRST_LIGHT_TEXT <= number < len(_CLASSES) else _DARK
        shares = [shade / (_SHADES - 1) for shade in range(_SHADES)]
        colours += [_mix(fill, text, share) for share in shares]
    return [channel for colour in colours for channel in colour]


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(first, second, strict=True))
    return red, green, blue


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _encode(picture: Image.Image, **options: int) -> bytes:
    output = io.BytesIO()
    picture.save(output, "PNG", compress_level=1, **options)
    return output.getvalue()
