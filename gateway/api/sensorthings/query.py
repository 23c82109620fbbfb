"""The query that every SensorThings request becomes: typed, bounded, independent of the version. Pure.

`option_parser` and `expression_parser` build it from the query string, `sql_builder` turns it into SQL, `unparse`
writes it as text again. A path in an expression is a tuple of names; `model` knows what they mean.
"""

from datetime import date, datetime, time, timedelta
from enum import StrEnum

from msgspec import Struct

MAX_EXPRESSION_NODES = 200
MAX_EXPRESSION_DEPTH = 20
MAX_EXPAND_DEPTH = 4
MAX_EXPANDS = 16
MAX_ORDER_TERMS = 6
MAX_PATH_STEPS = 8
DEFAULT_TOP = 100
MAX_TOP = 10_000
MAX_SKIP = 1_000_000
MAX_ROWS = 20_000  # of one level of expanded entities


class _Node(Struct, frozen=True):
    """Base of the nodes."""


class GeoLine(_Node, frozen=True):
    """A line through (longitude, latitude)."""

    points: tuple[tuple[float, float], ...]


class GeoPoint(_Node, frozen=True):
    """A point, degrees in CRS84."""

    longitude: float
    latitude: float


class GeoPolygon(_Node, frozen=True):
    """Rings of (longitude, latitude): the outer one, then holes. The first point of a ring is also its last."""

    rings: tuple[tuple[tuple[float, float], ...], ...]


Geometry = GeoPoint | GeoLine | GeoPolygon


class Interval(_Node, frozen=True):
    """A period of time."""

    start: datetime
    end: datetime


Value = None | bool | int | float | str | datetime | date | time | timedelta | Interval | Geometry


class Literal(_Node, frozen=True):
    """A constant."""

    value: Value


class Path(_Node, frozen=True):
    """A property, such as `Datastream/Thing/properties/project`."""

    names: tuple[str, ...]


class FunctionCall(_Node, frozen=True):
    """A function with its arguments."""

    name: str
    arguments: tuple["Expression", ...]


class Arithmetic(_Node, frozen=True):
    """`add`, `sub`, `mul`, `div` or `mod`."""

    operator: str
    left: "Expression"
    right: "Expression"


class ComparisonNode(_Node, frozen=True):
    """`eq`, `ne`, `lt`, `le`, `gt` or `ge`."""

    operator: str
    left: "Expression"
    right: "Expression"


class ListMembership(_Node, frozen=True):
    """`operand in (items)`."""

    operand: "Expression"
    items: tuple[Literal, ...]


class Logical(_Node, frozen=True):
    """`and` or `or`."""

    operator: str
    left: "Expression"
    right: "Expression"


class Not(_Node, frozen=True):
    """The negation."""

    operand: "Expression"


Expression = Literal | Path | FunctionCall | Arithmetic | ComparisonNode | ListMembership | Logical | Not


class OrderTerm(_Node, frozen=True):
    """A term of `$orderby`."""

    expression: Expression
    is_descending: bool = False


class Expand(_Node, frozen=True):
    """A navigation of `$expand` with its own options."""

    navigation: str
    options: "QueryOptions"


class ResultFormat(StrEnum):
    """Forms of an answer."""

    DEFAULT = "default"
    DATA_ARRAY = "dataArray"


class ReadingPosition(_Node, frozen=True):
    """The end of a page of observations: its last time and datastream, and the number of shown rows with both."""

    at: datetime
    datastream: int
    shown: int


class QueryOptions(Struct, frozen=True, kw_only=True):
    """The options of a set or an expanded navigation. None or empty: not given. `after`: the end of the last page."""

    filter: Expression | None = None
    expand: tuple[Expand, ...] = ()
    select: tuple[str, ...] = ()
    order: tuple[OrderTerm, ...] = ()
    top: int | None = None
    skip: int = 0
    after: ReadingPosition | None = None
    count: bool = False
    result_format: ResultFormat = ResultFormat.DEFAULT
