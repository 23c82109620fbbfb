"""The figures of a dossier as data addresses, so that the document needs no other file."""

import base64

from msgspec import Struct

from gateway.api.data.area_base import load_bases
from gateway.api.pages.event_map import draw_event_map
from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Contents
from gateway.dossier.figures import draw_curve, draw_wind
from gateway.dossier.request import EventRequest

_MAP_STYLE = (
    "<style>text{font:12px 'DejaVu Sans',sans-serif;fill:#3c4540}.sector{fill:#1d4d3a;opacity:.16}"
    ".wind{stroke:#1d4d3a;stroke-width:3}.head{fill:#1d4d3a}.here{fill:#a3123a;stroke:#fff;stroke-width:2}"
    ".rose{fill:#e08a3c;stroke:#3c4540}.other{fill:#fff;stroke:#3c4540}.site{fill:#3c4540}"
    ".bar{fill:none;stroke:#3c4540;stroke-width:1.5}"
    # the base map: the colours of map.css
    ".base{fill:none;stroke:none;stroke-linejoin:round}.base.sea{fill:#c4dde9}.base.water{fill:#a9cfe2}"
    ".base.green{fill:#dde8d0}.base.built{fill:#e6dfd3}.base.site{fill:#cdbfd4;stroke:#7d6a88;stroke-width:1.5}"
    ".base.pier{stroke:#b9b2a3;stroke-width:2}.base.rail{stroke:#8b8680;stroke-width:1.2;stroke-dasharray:6 3}"
    ".base.road{stroke:#c9bfae;stroke-width:2}.base.motorway{stroke:#d98f3d;stroke-width:2.5}</style>"
)


class Images(Struct, frozen=True, kw_only=True):
    """The figures as data addresses: a curve per chapter, the map of an event, the wind."""

    curves: list[str]
    map: str | None
    wind: str | None


def draw_images(contents: Contents, formats: Formats) -> Images:
    """Draw every figure."""
    is_event = isinstance(contents.request, EventRequest)
    base = load_bases().get(contents.area.id)
    event_map = draw_event_map(formats, contents.events[0].document, base) if is_event else ""
    start, end = contents.start, contents.end
    return Images(
        curves=[_to_address(draw_curve(chapter, start, end, formats)) for chapter in contents.chapters],
        map=_to_address(_make_standalone(str(event_map)).encode()) if event_map else None,
        wind=None if contents.wind is None else _to_address(draw_wind(contents.wind, start, end, formats)),
    )


def _make_standalone(svg: str) -> str:
    """A drawing of a page with the namespace and the style that the page gives it."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="380" height="260" ', 1).replace(
        "</title>", f"</title>{_MAP_STYLE}", 1
    )


def _to_address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
