"""Parameters of a Web Map Service 1.3.0. Names have no case. Pure; raises ServiceError."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.api.features.projections import BY_CODE, Projection

MAX_SIDE = 2_048  # pixels of a side of a picture
PICTURE = "image/png"
INFO_FORMATS = ("application/json", "text/plain")
_FEATURE_COUNT = 50


class ServiceError(Exception):
    """A request that gets a ServiceException. `code`: of the standard; None: the standard has none for it."""

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """A picture: its layers, its box in the order x, y of the projection, and its size in pixels.

    background  red, green, blue; None: transparent
    """

    layers: tuple[str, ...]
    projection: Projection
    box: tuple[float, float, float, float]
    width: int
    height: int
    background: tuple[int, int, int] | None

    def locate(self, longitude: float, latitude: float) -> tuple[float, float]:
        """The pixel of a position, from the upper left corner."""
        x, y = self.projection.project(longitude, latitude)
        left, bottom, right, top = self.box
        return (x - left) / (right - left) * self.width, (top - y) / (top - bottom) * self.height


def read_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name in capitals; of a repeated one the first."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        parameters.setdefault(name.upper(), value)
    return parameters


def read_map_request(parameters: Mapping[str, str], known_layers: Iterable[str]) -> MapRequest:
    """The requested picture."""
    projection = _read_projection(parameters)
    layers = read_layers(_require(parameters, "LAYERS"), known_layers)
    styles = parameters.get("STYLES", "").split(",")
    if any(style not in {"", "default"} for style in styles):
        raise ServiceError("STYLES: there is one style, default", "StyleNotDefined")
    if parameters.get("FORMAT", PICTURE) != PICTURE:
        raise ServiceError(f"FORMAT: there is {PICTURE}", "InvalidFormat")
    is_transparent = parameters.get("TRANSPARENT", "FALSE").upper() == "TRUE"
    return MapRequest(
        layers=layers,
        projection=projection,
        box=_read_box(_require(parameters, "BBOX"), projection),
        width=_read_side(parameters, "WIDTH"),
        height=_read_side(parameters, "HEIGHT"),
        background=None if is_transparent else _read_colour(parameters.get("BGCOLOR", "0xFFFFFF")),
    )


def read_layers(text: str, known_layers: Iterable[str]) -> tuple[str, ...]:
    """Names of layers with commas between them."""
    layer_names, layers = list(known_layers), tuple(dict.fromkeys(text.split(",")))
    for layer in layers:
        if layer not in layer_names:
            raise ServiceError(f"no layer {layer[:40]!r}; there are: {', '.join(layer_names)}", "LayerNotDefined")
    return layers


def read_pixel(parameters: Mapping[str, str], width: int, height: int) -> tuple[int, int]:
    """The pixel of GetFeatureInfo."""
    pixel = []
    for name, end in (("I", width), ("J", height)):
        text = _require(parameters, name)
        if not (text.isascii() and text.isdecimal() and len(text) < 7 and int(text) < end):
            raise ServiceError(f"{name}: a whole number from 0 to {end - 1}", "InvalidPoint")
        pixel.append(int(text))
    return pixel[0], pixel[1]


def read_info(parameters: Mapping[str, str]) -> tuple[str, int]:
    """The format of GetFeatureInfo and the number of features per layer."""
    format_ = parameters.get("INFO_FORMAT", INFO_FORMATS[0])
    if format_ not in INFO_FORMATS:
        raise ServiceError(f"INFO_FORMAT: there are {', '.join(INFO_FORMATS)}", "InvalidFormat")
    count = parameters.get("FEATURE_COUNT", "1")
    if not (count.isascii() and count.isdecimal() and 0 < len(count) < 9):
        raise ServiceError("FEATURE_COUNT: a whole number")
    return format_, max(1, min(int(count), _FEATURE_COUNT))


def _require(parameters: Mapping[str, str], name: str) -> str:
    if not parameters.get(name):
        raise ServiceError(f"{name} is missing", "MissingDimensionValue" if name == "TIME" else None)
    return parameters[name]


def _read_projection(parameters: Mapping[str, str]) -> Projection:
    code = _require(parameters, "CRS")
    if code not in BY_CODE:
        raise ServiceError(f"CRS: no {code[:40]!r}; there are: {', '.join(BY_CODE)}", "InvalidCRS")
    return BY_CODE[code]


def _read_box(text: str, projection: Projection) -> tuple[float, float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(math.isfinite(number) and abs(number) < 1e8 for number in numbers):
        raise ServiceError("BBOX: takes four numbers with commas between them")
    a, b, c, d = numbers
    if a >= c or b >= d:
        raise ServiceError("BBOX: the lower corner comes first, and the box has a width and a height")
    return (b, a, d, c) if projection.is_swapped else (a, b, c, d)


def _read_side(parameters: Mapping[str, str], name: str) -> int:
    text = _require(parameters, name)
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MAX_SIDE):
        raise ServiceError(f"{name}: a whole number from 1 to {MAX_SIDE}, not {text[:20]!r}")
    return int(text)


def _read_colour(text: str) -> tuple[int, int, int]:
    digits = text.lower().removeprefix("0x")
    if len(digits) != 6 or any(digit not in "0123456789abcdef" for digit in digits):
        raise ServiceError("BGCOLOR: takes a colour such as 0xFFFFFF")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
