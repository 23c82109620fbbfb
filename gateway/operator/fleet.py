"""The fleet: every node with what it reports, the data capture of the last week, and its doubtful sensors.

`load_fleet` reads, `find_problems` judges. Pages, API and `piekwacht operator fleet` show both.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from edge_agent.wire import Flag
from gateway.model.properties import PROPERTIES
from gateway.operator.actor import Actor
from gateway.operator.database import QUERIES
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.node_facts import NodeFacts, read_facts

_SILENT_AFTER = timedelta(minutes=15)
_CAPTURE_PERIOD = timedelta(days=7)
_DOUBT_PERIOD = timedelta(days=1)
_CERTIFICATE_DAYS = 90  # renew from then on, docs/operator/nodes.md
_LOW_CAPTURE = 0.9  # data capture that directive 2008/50/EC asks of measurements
_LOW_BATTERY = 20.0  # percent
_FULL_SPOOL = 1_000  # batches that wait: nearly three hours at one in ten seconds
_MIN_COMPARED_HOURS = 6
_DOUBTFUL_RATIO = 3.0
_FEW_HOURS = 2  # with a flag in a day: a passing state such as a restart
# flags of a sensor that is broken or drifts; others are of the air, of a restart, of work, or of the clock
_JUDGED_FLAGS = (
    Flag.OUT_OF_RANGE
    | Flag.STALE
    | Flag.STUCK
    | Flag.SENSOR_FAULT
    | Flag.NEIGHBOUR_DISAGREES
    | Flag.CALIBRATION_EXPIRED
)


class NodeProblem(StrEnum):
    """A problem that an operator should mend; the value is a key of the catalogue, context `operator_problem`."""

    REVOKED = "revoked"
    NEVER_HEARD = "never_heard"
    SILENT = "silent"
    TWO_CARDS = "two_cards"
    WRONG_CLOCK = "wrong_clock"
    UNDATED_BATCHES = "undated_batches"
    SPOOL_WAITS = "spool_waits"
    SPOOL_BROKEN = "spool_broken"
    LOW_BATTERY = "low_battery"
    CERTIFICATE_ENDED = "certificate_ended"
    CERTIFICATE_ENDS = "certificate_ends"
    OTHER_AGENT = "other_agent"
    CONFIGURATION_REFUSED = "configuration_refused"
    CONFIGURATION_PENDING = "configuration_pending"
    LOW_CAPTURE = "low_capture"
    SENSOR_FAULT = "sensor_fault"
    DOUBTFUL_SENSOR = "doubtful_sensor"
    GUEST_DIFFERS = "guest_differs"


class NodeCapture(Struct, frozen=True, kw_only=True):
    """Data capture of one property of a node since it was first measured, in the last week.

    `expected_count`: None if the interval of its readings is unknown, or its first whole hour is not over.
    """

    node: str
    observed_property: str
    hours: int
    expected_hours: int
    count: int
    valid_count: int
    expected_count: int | None

    @property
    def share(self) -> float | None:
        """Valid readings of those that should be there, 0 to 1."""
        return min(1.0, self.valid_count / self.expected_count) if self.expected_count else None


class Doubt(Struct, frozen=True, kw_only=True):
    """A property of a node whose readings had a flag in so many of the last 24 hours."""

    node: str
    observed_property: str
    flag: str
    hours: int
    last_at: datetime


class GuestComparison(Struct, frozen=True, kw_only=True):
    """Median of the hourly means of the last day: of a guest, and of all stations of the network in its area."""

    node: str
    observed_property: str
    hours: int
    median: float
    network_median: float

    @property
    def is_doubtful(self) -> bool:
        """Whether the two differ by a factor of three, and by as much as the lowest severity of an event."""
        row = PROPERTIES.get(self.observed_property)
        if row is None or row.severity is None or self.hours < _MIN_COMPARED_HOURS:
            return False
        low, high = sorted((self.median, self.network_median))
        return high - low >= row.severity[0] and high >= _DOUBTFUL_RATIO * low


class Measurements(Struct, frozen=True, kw_only=True):
    """Data capture and doubts of nodes, and how guests compare with the network, as of one hour."""

    captures: Sequence[NodeCapture] = ()
    doubts: Sequence[Doubt] = ()
    comparisons: Sequence[GuestComparison] = ()


class NodeRow(Struct, frozen=True, kw_only=True):
    """A node of the registry with its newest messages. `revision`: number of changes by operators."""

    node: str
    area: str
    station: str | None
    station_name: str | None
    enrolled_at: datetime
    revoked_at: datetime | None
    last_seen: datetime | None
    online: bool | None
    status: dict[str, Any] | None
    health: dict[str, Any] | None
    undated_since: datetime | None
    clock_error_ms: int | None
    undated_batches: int
    copied_at: datetime | None
    wanted_version: int | None
    wanted_at: datetime | None
    revision: int


class Remark(Struct, frozen=True, kw_only=True):
    """A problem of a node; `values` fill the sentence of the catalogue."""

    problem: NodeProblem
    values: Mapping[str, object] = {}


class FleetNode(Struct, frozen=True, kw_only=True):
    """A node with everything that the pages show of it."""

    row: NodeRow
    facts: NodeFacts
    captures: Sequence[NodeCapture]
    doubts: Sequence[Doubt]
    remarks: Sequence[Remark]

    @property
    def capture(self) -> float | None:
        """Data capture of the week, over all properties whose interval is known; 0 to 1."""
        counted = [capture for capture in self.captures if capture.expected_count]
        expected = sum(capture.expected_count or 0 for capture in counted)
        return min(1.0, sum(capture.valid_count for capture in counted) / expected) if expected else None


class _DoubtRow(Struct, frozen=True, kw_only=True):
    node: str
    observed_property: str
    flag: int
    hours: int
    last_at: datetime


def load_measurements(
    connection: psycopg.Connection, actor: Actor, now: datetime, *, node: str | None = None
) -> Measurements:
    """Return data capture and doubts in the actor's areas; with `node` only of this one.

    On plain PostgreSQL this reads all readings of a week: seconds for one node, longer for all.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    values = {"areas": actor.area_filter, "node": node, "end": hour}
    captures = _fetch(connection, NodeCapture, "select_capture", {**values, "start": hour - _CAPTURE_PERIOD})
    flags = {"start": hour - _DOUBT_PERIOD, "flags": [flag.value for flag in _JUDGED_FLAGS]}
    doubts = [_to_doubt(row) for row in _fetch(connection, _DoubtRow, "select_doubts", {**values, **flags})]
    comparisons = _fetch(connection, GuestComparison, "select_guest_medians", {**values, "start": hour - _DOUBT_PERIOD})
    return Measurements(captures=captures, doubts=doubts, comparisons=comparisons)


def load_fleet(
    connection: psycopg.Connection,
    actor: Actor,
    now: datetime,
    measurements: Measurements,
    *,
    wanted_agent: str = "",
    node: str | None = None,
) -> list[FleetNode]:
    """Return the nodes of the actor's areas by area and id; with `node` only this one."""
    values = {"areas": actor.area_filter, "node": node}
    rows = connection.cursor(row_factory=class_row(NodeRow)).execute(QUERIES["select_fleet"], values).fetchall()
    return [_build_node(row, measurements, now, wanted_agent) for row in rows]


def load_node(
    connection: psycopg.Connection, actor: Actor, node: str, now: datetime, *, wanted_agent: str = ""
) -> FleetNode:
    """Return one node. Raises OperatorError if there is none, or it is of another area."""
    require_node(connection, actor, node)
    measurements = load_measurements(connection, actor, now, node=node)
    (fleet_node,) = load_fleet(connection, actor, now, measurements, wanted_agent=wanted_agent, node=node)
    return fleet_node


def require_node(connection: psycopg.Connection, actor: Actor, node: str) -> str:
    """Return the area of a node. Raises OperatorError if there is none, or it is of another area."""
    cursor = connection.cursor(row_factory=scalar_row)
    area: str | None = cursor.execute(QUERIES["select_area_of_node"], {"node": node}).fetchone()
    if area is None:
        raise OperatorError(RefusalKind.MISSING, "no_node", node=node[:80])
    actor.require_area(area)
    return area


def find_problems(
    row: NodeRow,
    facts: NodeFacts,
    captures: Sequence[NodeCapture],
    doubts: Sequence[Doubt],
    *,
    now: datetime,
    wanted_agent: str,
) -> list[Remark]:
    """Judge one node, the most urgent first. Pure."""
    if row.revoked_at is not None:
        return [Remark(problem=NodeProblem.REVOKED)]
    return [
        *_judge_contact(row, now),
        *_judge_clock(row),
        *_judge_machine(facts, now),
        *_judge_versions(row, facts, wanted_agent),
        *_judge_sensors(facts, captures, doubts),
    ]


def _build_node(row: NodeRow, measurements: Measurements, now: datetime, wanted_agent: str) -> FleetNode:
    captures = [capture for capture in measurements.captures if capture.node == row.node]
    doubts = [doubt for doubt in measurements.doubts if doubt.node == row.node]
    facts = read_facts(row.status, row.health)
    remarks = find_problems(row, facts, captures, doubts, now=now, wanted_agent=wanted_agent)
    comparisons = [item for item in measurements.comparisons if item.node == row.node]
    remarks += [_describe_difference(item) for item in comparisons if item.is_doubtful]
    return FleetNode(row=row, facts=facts, captures=captures, doubts=doubts, remarks=remarks)


def _judge_contact(row: NodeRow, now: datetime) -> Iterator[Remark]:
    if row.last_seen is None:
        yield Remark(problem=NodeProblem.NEVER_HEARD)
    elif row.online is False or now - row.last_seen > _SILENT_AFTER:
        yield Remark(problem=NodeProblem.SILENT, values={"since": row.last_seen})
    if row.copied_at is not None:
        yield Remark(problem=NodeProblem.TWO_CARDS, values={"at": row.copied_at})


def _judge_clock(row: NodeRow) -> Iterator[Remark]:
    if row.undated_since is not None:
        seconds = None if row.clock_error_ms is None else row.clock_error_ms / 1000
        yield Remark(problem=NodeProblem.WRONG_CLOCK, values={"since": row.undated_since, "seconds": seconds})
    elif row.undated_batches:
        yield Remark(problem=NodeProblem.UNDATED_BATCHES, values={"count": row.undated_batches})


def _judge_machine(facts: NodeFacts, now: datetime) -> Iterator[Remark]:
    if facts.spool_problem:
        yield Remark(problem=NodeProblem.SPOOL_BROKEN, values={"reason": facts.spool_problem})
    elif facts.spool_batches is not None and facts.spool_batches > _FULL_SPOOL:
        yield Remark(problem=NodeProblem.SPOOL_WAITS, values={"count": facts.spool_batches})
    if facts.battery_percent is not None and facts.battery_percent < _LOW_BATTERY:
        yield Remark(problem=NodeProblem.LOW_BATTERY, values={"percent": round(facts.battery_percent)})
    days = facts.certificate_days(now)
    if days is not None and days < 0:
        yield Remark(problem=NodeProblem.CERTIFICATE_ENDED)
    elif days is not None and days < _CERTIFICATE_DAYS:
        yield Remark(problem=NodeProblem.CERTIFICATE_ENDS, values={"days": days})


def _judge_versions(row: NodeRow, facts: NodeFacts, wanted_agent: str) -> Iterator[Remark]:
    if wanted_agent and facts.agent_version is not None and facts.agent_version != wanted_agent:
        yield Remark(problem=NodeProblem.OTHER_AGENT, values={"has": facts.agent_version, "wanted": wanted_agent})
    if row.wanted_version is None or row.wanted_version == facts.accepted_version:
        return
    if row.wanted_version == facts.refused_version:
        reason = facts.refusal or "?"
        yield Remark(
            problem=NodeProblem.CONFIGURATION_REFUSED, values={"version": row.wanted_version, "reason": reason}
        )
    else:
        yield Remark(problem=NodeProblem.CONFIGURATION_PENDING, values={"version": row.wanted_version})


def _judge_sensors(facts: NodeFacts, captures: Sequence[NodeCapture], doubts: Sequence[Doubt]) -> Iterator[Remark]:
    for sensor, state in facts.sensors.items():
        if state not in {"ok", "done"}:
            yield Remark(problem=NodeProblem.SENSOR_FAULT, values={"sensor": sensor, "state": state})
    for doubt in doubts:
        if doubt.hours > _FEW_HOURS:
            values = {"property": doubt.observed_property, "flag": doubt.flag, "hours": doubt.hours}
            yield Remark(problem=NodeProblem.DOUBTFUL_SENSOR, values=values)
    low = [capture for capture in captures if capture.share is not None and capture.share < _LOW_CAPTURE]
    for capture in low:
        yield Remark(
            problem=NodeProblem.LOW_CAPTURE, values={"property": capture.observed_property, "share": capture.share}
        )


def _describe_difference(comparison: GuestComparison) -> Remark:
    values = {
        "property": comparison.observed_property,
        "median": f"{comparison.median:.0f}",
        "network": f"{comparison.network_median:.0f}",
    }
    return Remark(problem=NodeProblem.GUEST_DIFFERS, values=values)


def _to_doubt(row: _DoubtRow) -> Doubt:
    name = str(Flag(row.flag).name).lower()
    return Doubt(
        node=row.node, observed_property=row.observed_property, flag=name, hours=row.hours, last_at=row.last_at
    )


def _fetch(connection: psycopg.Connection, kind: type[Any], query: str, values: Mapping[str, object]) -> list[Any]:
    return connection.cursor(row_factory=class_row(kind)).execute(QUERIES[query], values).fetchall()
