"""Work on a node: windows of maintenance, and sensors that are replaced.

In a window every reading of the node, or of some of its properties, gets the flag maintenance. It is stored, counts in
no mean, and no peak comes of it. A window begins after it is entered, because readings that are stored already keep
their flags.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
from msgspec import Struct, structs
from psycopg.rows import class_row, scalar_row

from gateway.model.timestamps import format_instant
from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.calibration import store_calibration
from gateway.operator.database import QUERIES, take_revision
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.fleet import require_node
from gateway.quality.calibration import find_calibration
from gateway.store.calibrations import load_calibrations

_LONGEST_WINDOW = timedelta(days=31)
_START_TOLERANCE = timedelta(minutes=1)  # of a start that was "now" when the form was sent
_MAX_TEXT = 500


class MaintenanceWindow(Struct, frozen=True, kw_only=True):
    """A window; `ended_by`: who brought its end forward; `properties`: those that it covers, empty: all."""

    id: int
    node: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    ended_by: str | None
    properties: Sequence[str] = ()


class SensorChange(Struct, frozen=True, kw_only=True):
    """From `changed_at` on this instrument measures these properties of a node."""

    node: str
    properties: Sequence[str]
    changed_at: datetime
    model: str
    serial: str | None
    reason: str


class RecordedChange(SensorChange, frozen=True, kw_only=True):
    """A change as it was recorded; `former_serial`: of the instrument that went, if a calibration named it."""

    former_serial: str | None
    recorded_by: str
    recorded_at: datetime


def add_window(
    connection: psycopg.Connection,
    actor: Actor,
    node: str,
    starts_at: datetime | None,
    ends_at: datetime,
    *,
    reason: str,
    properties: Sequence[str] = (),
    revision: int | None = None,
) -> MaintenanceWindow:
    """Announce maintenance; None: from the next minute on. Raises OperatorError.

    `properties`: sets only the sensors of these aside, such as a doubtful one; empty: the whole node.
    """
    area = require_node(connection, actor, node)
    require_properties(connection, node, properties)
    if starts_at is not None and starts_at < datetime.now(UTC) - _START_TOLERANCE:
        raise OperatorError(RefusalKind.INVALID, "window_past")
    starts_at = next_minute() if starts_at is None else max(starts_at, next_minute())
    if not starts_at < ends_at <= starts_at + _LONGEST_WINDOW:
        raise OperatorError(RefusalKind.INVALID, "window_length", days=_LONGEST_WINDOW.days)
    take_revision(connection, node, revision)
    values = {"node": node, "start": starts_at, "end": ends_at, "reason": check_text(reason), "by": actor.name}
    values["properties"] = sorted(set(properties))
    cursor = connection.cursor(row_factory=class_row(MaintenanceWindow))
    (window,) = cursor.execute(QUERIES["insert_window"], values).fetchall()
    after: dict[str, object] = {"starts_at": starts_at, "ends_at": ends_at, "reason": window.reason}
    if window.properties:
        after["properties"] = " ".join(window.properties)
    record_act(connection, actor, Act(action="maintain", object=f"node {node}", area=area, after=after))
    return window


def end_window(connection: psycopg.Connection, actor: Actor, number: int) -> MaintenanceWindow:
    """End a window now. Raises OperatorError if there is none, it is of another area, or it is over."""
    cursor = connection.cursor(row_factory=class_row(MaintenanceWindow))
    former = cursor.execute(QUERIES["select_window"], {"id": number}).fetchone()
    if former is None:
        raise OperatorError(RefusalKind.MISSING, "no_window", id=number)
    area = require_node(connection, actor, former.node)
    window = cursor.execute(QUERIES["end_window"], {"id": number, "by": actor.name}).fetchone()
    if window is None:
        raise OperatorError(RefusalKind.CONFLICT, "window_over", id=number)
    take_revision(connection, former.node, None)
    before, after = {"ends_at": former.ends_at}, {"ends_at": window.ends_at}
    act = Act(action="end-maintenance", object=f"node {former.node}", area=area, before=before, after=after)
    record_act(connection, actor, act)
    return window


def end_windows_of_node(connection: psycopg.Connection, actor: Actor, node: str) -> list[MaintenanceWindow]:
    """End every window of a node that is open or to come. Raises OperatorError if there is none."""
    require_node(connection, actor, node)
    now = datetime.now(UTC)
    numbers = [window.id for window in list_windows(connection, node) if window.ends_at > now and not window.ended_by]
    if not numbers:
        raise OperatorError(RefusalKind.CONFLICT, "no_window_open", node=node)
    return [end_window(connection, actor, number) for number in numbers]


def require_properties(connection: psycopg.Connection, node: str, properties: Sequence[str]) -> None:
    """Raise OperatorError if the node does not measure one of these."""
    cursor = connection.cursor(row_factory=scalar_row)
    measured = set(cursor.execute(QUERIES["select_properties_of_node"], {"node": node}).fetchall())
    unknown = sorted(set(properties) - measured)
    if unknown:
        raise OperatorError(RefusalKind.INVALID, "no_property", node=node, names=", ".join(unknown)[:200])


def next_minute() -> datetime:
    """Return when the next whole minute begins: the gateway has read a new window by then."""
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)


def list_windows(connection: psycopg.Connection, node: str) -> list[MaintenanceWindow]:
    """Return the windows of a node, the newest first."""
    cursor = connection.cursor(row_factory=class_row(MaintenanceWindow))
    return cursor.execute(QUERIES["list_windows"], {"node": node}).fetchall()


def replace_sensor(
    connection: psycopg.Connection, actor: Actor, change: SensorChange, revision: int | None = None
) -> list[str]:
    """Record another instrument, and end the calibrations of the former one; return the labels of the ended ones.

    A calibration ends at the whole hour at or before the change, so that no value of the new instrument is corrected
    by coefficients of the old one. Raises OperatorError.
    """
    area = require_node(connection, actor, change.node)
    if not change.properties:
        raise OperatorError(RefusalKind.INVALID, "no_property", node=change.node, names="-")
    require_properties(connection, change.node, change.properties)
    if change.changed_at > datetime.now(UTC) + timedelta(days=31):
        raise OperatorError(RefusalKind.INVALID, "change_later")
    take_revision(connection, change.node, revision)
    values = {**structs.asdict(change), "by": actor.name, "reason": check_text(change.reason)}
    values |= {"model": check_text(change.model), "serial": check_text(change.serial) if change.serial else None}
    ended, serials = _end_calibrations(connection, actor, change)
    connection.execute(QUERIES["insert_sensor_change"], {**values, "former_serial": min(serials, default=None)})
    before = {"serial": min(serials, default=None)}
    after = {"model": change.model, "serial": change.serial, "changed_at": change.changed_at, "reason": change.reason}
    properties = " ".join(sorted(change.properties))
    act = Act(action="replace-sensor", object=f"node {change.node} {properties}", area=area, before=before, after=after)
    record_act(connection, actor, act)
    return ended


def list_changes(connection: psycopg.Connection, node: str) -> list[RecordedChange]:
    """Return the replaced sensors of a node, the newest first."""
    cursor = connection.cursor(row_factory=class_row(RecordedChange))
    return cursor.execute(QUERIES["list_sensor_changes"], {"node": node}).fetchall()


def check_text(text: str) -> str:
    """Return the text as one line. Raises OperatorError if it is empty, too long or unprintable."""
    line = " ".join(text.split())
    if not line or len(line) > _MAX_TEXT or not line.isprintable():
        raise OperatorError(RefusalKind.INVALID, "text", name="reason, model or serial", most=_MAX_TEXT)
    return line


def _end_calibrations(connection: psycopg.Connection, actor: Actor, change: SensorChange) -> tuple[list[str], set[str]]:
    """Labels of the versions that end the calibrations, and the serial numbers that these named."""
    hour = change.changed_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    ended, serials = [], set()
    for name in sorted(change.properties):
        versions = load_calibrations(connection, change.node, name)
        present = find_calibration(versions, hour)
        if present is None:
            continue
        if present.serial:
            serials.add(present.serial)
        if present.valid_from >= hour:
            raise OperatorError(
                RefusalKind.INVALID, "calibrated_later", label=present.label, at=format_instant(present.valid_from)
            )
        closing = structs.replace(present, valid_until=hour, source=f"{present.source} (sensor replaced)"[:_MAX_TEXT])
        ended.append(store_calibration(connection, actor, closing).label)
    return ended, serials
