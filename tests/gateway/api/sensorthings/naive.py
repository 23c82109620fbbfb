"""The slow, obvious twin of the SQL: evaluates a query over entities that are all in memory.

`World` holds every entity as the service shows it. A condition over navigations holds if it holds for one choice of the
entities that these lead to.
"""

import math
from datetime import UTC, date, datetime, time, timedelta
from functools import cmp_to_key
from itertools import pairwise

from gateway.api.sensorthings.model import MODEL_1_1, Kind
from gateway.api.sensorthings.query import (
    Arithmetic,
    ComparisonNode,
    FunctionCall,
    GeoPoint,
    GeoPolygon,
    Interval,
    ListMembership,
    Literal,
    Logical,
    Not,
)
from gateway.api.sensorthings.sql_expressions import resolve_path, walk_paths
from gateway.model.geodesy import bearing_and_distance

_COMPARE = {
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b
}  # fmt: skip
_TIMES = {Kind.TIME, Kind.INTERVAL}


class World:
    """`sets`: by name of the set, the documents by id. `links`: (set, id, navigation) -> ids."""

    def __init__(self, sets, links):
        self.sets, self.links = sets, links

    def select(self, set_name, options, ids=None):
        """The ids of a page, in order."""
        entity = MODEL_1_1.find_set(set_name)
        rows = list(self.sets[set_name] if ids is None else ids)
        if options.filter is not None:
            rows = [i for i in rows if self.holds(entity, i, options.filter)]
        rows.sort(key=cmp_to_key(lambda a, b: self._compare_rows(entity, options.order, a, b)))
        return rows[options.skip :][: 100 if options.top is None else options.top], len(rows)

    def _compare_rows(self, entity, order, a, b):
        for term in order:
            x, y = (
                self.value(entity, i, term.expression, self._first_binding(entity, i, term.expression)) for i in (a, b)
            )
            if x != y:
                is_less = y is not None and (x is None or x < y)
                return (1 if is_less else -1) if term.is_descending else (-1 if is_less else 1)
        if entity.name == "Observation":
            (da, ta), (db, tb) = divmod(a, 10**13), divmod(b, 10**13)
            return (da > db) - (da < db) or (tb > ta) - (tb < ta)
        return (a > b) - (a < b)

    def _first_binding(self, entity, id_, expression):
        return next(self._bindings(entity, id_, expression))

    def holds(self, entity, id_, expression):
        if isinstance(expression, Logical):
            parts = [self.holds(entity, id_, part) for part in (expression.left, expression.right)]
            return all(parts) if expression.operator == "and" else any(parts)
        if isinstance(expression, Not):
            return not self.holds(entity, id_, expression.operand)
        return any(self.value(entity, id_, expression, b) is True for b in self._bindings(entity, id_, expression))

    def _bindings(self, entity, id_, expression):
        """Every choice of one entity per path of navigations: {names: (type, id)}."""
        paths = [resolve_path(MODEL_1_1, entity, path)[0] for path in walk_paths(expression)]
        prefixes = sorted({tuple(n.name for n in p[:i]) for p in paths for i in range(1, len(p) + 1)}, key=len)

        def extend(bound, remaining):
            if not remaining:
                yield bound
                return
            (*parent, name), later = remaining[0], remaining[1:]
            parent_entity, parent_id = bound[tuple(parent)]
            target = MODEL_1_1.target_of(parent_entity.navigations[name])
            for child in self.links[parent_entity.set_name, parent_id, name]:
                yield from extend({**bound, (*parent, name): (target, child)}, later)

        yield from extend({(): (entity, id_)}, prefixes)

    def value(self, entity, id_, expression, bound):  # noqa: PLR0911 - one line per node
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Arithmetic):
            left, right = (self.value(entity, id_, part, bound) for part in (expression.left, expression.right))
            return calculate(expression.operator, left, right)
        if isinstance(expression, FunctionCall):
            return call(expression.name, [self.value(entity, id_, part, bound) for part in expression.arguments])
        if isinstance(expression, ComparisonNode):
            left, right = (self.value(entity, id_, part, bound) for part in (expression.left, expression.right))
            return compare(expression.operator, left, right)
        if isinstance(expression, ListMembership):
            operand = self.value(entity, id_, expression.operand, bound)
            return any(compare("eq", operand, item.value) for item in expression.items)
        navigations, property_, parts = resolve_path(MODEL_1_1, entity, expression)
        owner, owner_id = bound[tuple(n.name for n in navigations)]
        if property_.kind is Kind.ID:
            return owner_id
        value = self.sets[owner.set_name][owner_id][property_.name]
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        if property_.kind is Kind.TIME:
            return datetime.fromisoformat(value)
        if property_.kind is Kind.INTERVAL and value is not None:
            return Interval(*map(datetime.fromisoformat, value.split("/")))
        return GeoPoint(*value["coordinates"]) if property_.kind is Kind.GEOMETRY else value


def compare(operator, left, right):
    if operator in {"eq", "ne"}:
        return (as_comparable(left, right) == as_comparable(right, left)) is (operator == "eq")
    if left is None or right is None:
        return False
    if isinstance(left, Interval) or isinstance(right, Interval):
        left, right = as_comparable(left, right), as_comparable(right, left)
        first, second = {
            "lt": (left.end, right.start), "le": (left.end, right.start),
            "gt": (left.start, right.end), "ge": (left.start, right.end),
        }[operator]  # fmt: skip
        return _COMPARE[operator](first, second)
    return _COMPARE[operator](as_comparable(left, right), as_comparable(right, left))


def as_comparable(value, other):
    if isinstance(other, datetime | Interval):
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
            value = value if value.tzinfo else value.replace(tzinfo=UTC)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time(), UTC)
    if (isinstance(value, Interval) or isinstance(other, Interval)) and value is not None:
        return as_interval(value)
    return value


def as_interval(value):
    return value if isinstance(value, Interval) else Interval(value, value)


def calculate(operator, left, right):
    if left is None or right is None or (operator in {"div", "mod"} and right == 0):
        return None
    if isinstance(left, datetime) or isinstance(right, timedelta):
        return left + right if operator == "add" else left - right
    return {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "mod": math.fmod,
    }[operator](left, right)  # fmt: skip


def call(name, arguments):
    if any(argument is None for argument in arguments):
        return None
    return FUNCTIONS[name](*arguments)


def round_half_away(value):
    return math.copysign(math.floor(abs(value) + 0.5), value)


def is_inside(point, shape):
    """Whether a point is in a polygon, by crossings of a ray; no tested point is on an edge."""
    if isinstance(shape, GeoPoint):
        return point == shape
    assert isinstance(shape, GeoPolygon)
    inside = False
    for ring in shape.rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > point.latitude) != (y2 > point.latitude):
                crossing = x1 + (point.latitude - y1) / (y2 - y1) * (x2 - x1)
                inside ^= point.longitude < crossing
    return inside


FUNCTIONS = {
    "now": lambda: datetime.now(UTC),
    "substringof": lambda part, text: part in text,
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "length": len,
    "indexof": lambda text, part: text.find(part),
    "substring": lambda text, start, count=None: text[start:] if count is None else text[start : start + count],
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": lambda text: text.strip(" "),
    "concat": lambda first, second: first + second,
    "year": lambda at: at.year,
    "month": lambda at: at.month,
    "day": lambda at: at.day,
    "hour": lambda at: at.hour,
    "minute": lambda at: at.minute,
    "second": lambda at: at.second,
    "date": lambda at: at.date() if isinstance(at, datetime) else date.fromisoformat(at),
    "time": lambda at: at.time(),
    "round": round_half_away,
    "floor": math.floor,
    "ceiling": math.ceil,
    "before": lambda a, b: as_interval(a).end < as_interval(b).start,
    "after": lambda a, b: as_interval(a).start > as_interval(b).end,
    "during": lambda a, b: as_interval(a).start >= as_interval(b).start and as_interval(a).end <= as_interval(b).end,
    "overlaps": lambda a, b: as_interval(a).start <= as_interval(b).end and as_interval(b).start <= as_interval(a).end,
    **dict.fromkeys(("geo.intersects", "st_within", "st_equals"), is_inside),
    "geo.distance": lambda a, b: bearing_and_distance(a.latitude, a.longitude, b.latitude, b.longitude)[1],
}
