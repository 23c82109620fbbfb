"""Calibrations by operators: coefficients of a document, or a line that is fitted beside a reference.

Both end as the next version of a calibration (gateway.store.calibrations), which corrected values follow and name.
The source of the version has the figures of the fit, so that every answer and dossier has them; the table
calibration_fit has them too.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import scalar_row

from gateway.model.timestamps import format_instant
from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.database import QUERIES, take_revision
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.fleet import require_node
from gateway.quality.calibration import CalibrationVersion, find_calibration
from gateway.quality.collocation import LARGE_SHIFT, MIN_HOURS, CollocationError, LineFit, fit_line
from gateway.store.calibrations import CalibrationError, add_calibration, load_calibrations

_LONGEST_PERIOD = timedelta(days=366)
_MAX_TEXT = 500
HourlyValues = Mapping[datetime, float]


class Collocation(Struct, frozen=True, kw_only=True):
    """A period of a sensor beside a reference: `station` of this network, or `values` of another, hourly."""

    node: str
    observed_property: str
    start: datetime
    end: datetime
    station: str | None = None
    values: HourlyValues | None = None
    title: str = ""  # name of the values, such as NL49570


class Application(Struct, frozen=True, kw_only=True):
    """From when on a fit corrects values, of which instrument, and who states it (public)."""

    valid_from: datetime
    sensor_model: str
    serial: str | None
    author: str
    confirmation: str = ""


class FitPreview(Struct, frozen=True, kw_only=True):
    """A fit, and what must be written to apply it; an empty confirmation: nothing."""

    collocation: Collocation
    fit: LineFit
    reference: str
    confirmation: str


def preview_fit(connection: psycopg.Connection, actor: Actor, collocation: Collocation) -> FitPreview:
    """Fit a line to the hours in which both have a valid mean. Raises OperatorError; changes nothing."""
    require_node(connection, actor, collocation.node)
    _check_period(collocation)
    raw = _load_means(connection, "select_node_hours", collocation, collocation.node)
    reference = collocation.values
    if reference is None:
        reference = _load_means(connection, "select_station_hours", collocation, collocation.station or "")
    hours = sorted(raw.keys() & reference.keys())
    try:
        fit = fit_line([raw[hour] for hour in hours], [reference[hour] for hour in hours])
    except CollocationError as error:
        raise OperatorError(RefusalKind.INVALID, error.code, hours=error.hours, least=MIN_HOURS) from None
    return FitPreview(
        collocation=collocation,
        fit=fit,
        reference=collocation.title or collocation.station or "?",
        confirmation=confirmation_of(collocation, fit) if fit.moves_by_half else "",
    )


def record_preview(connection: psycopg.Connection, actor: Actor, collocation: Collocation) -> FitPreview:
    """The same, with an entry in the audit log: for the API, where a request with values is no mere look."""
    preview = preview_fit(connection, actor, collocation)
    area = require_node(connection, actor, collocation.node)
    after = {"reference": preview.reference[:_MAX_TEXT], "hours": preview.fit.hours, "slope": preview.fit.slope}
    name = f"node {collocation.node} {collocation.observed_property}"
    record_act(connection, actor, Act(action="preview-fit", object=name, area=area, after=after))
    return preview


def confirmation_of(collocation: Collocation, fit: LineFit) -> str:
    """Return the text that must be written to apply a fit that moves values by half."""
    return f"{collocation.node} {collocation.observed_property} {100 * fit.shift:.0f} %"


def apply_fit(
    connection: psycopg.Connection,
    actor: Actor,
    collocation: Collocation,
    application: Application,
    revision: int | None = None,
) -> CalibrationVersion:
    """Fit again and add the line as the next version. Raises OperatorError.

    `revision`: the number of changes of the node that the operator saw; None: not checked.
    """
    preview = preview_fit(connection, actor, collocation)
    if preview.confirmation and application.confirmation.strip() != preview.confirmation:
        raise OperatorError(
            RefusalKind.INVALID,
            "confirm_shift",
            percent=f"{100 * preview.fit.shift:.0f}",
            sentence=preview.confirmation,
            limit=f"{100 * LARGE_SHIFT:.0f}",
        )
    calibration = CalibrationVersion(
        node=collocation.node,
        observed_property=collocation.observed_property,
        version=0,
        valid_from=_check_hour(application.valid_from),
        sensor_model=_check_text("model", application.sensor_model),
        serial=None if not (application.serial or "").strip() else _check_text("serial", application.serial or ""),
        offset=preview.fit.offset,
        slope=preview.fit.slope,
        uncertainty=preview.fit.uncertainty,
        source=describe_source(preview),
        author=_check_text("author", application.author),
    )
    added = store_calibration(connection, actor, calibration, revision)
    values = {**msgspec.structs.asdict(preview.fit), "node": added.node, "property": added.observed_property}
    period = {"start": collocation.start, "end": collocation.end, "reference": preview.reference[:_MAX_TEXT]}
    connection.execute(QUERIES["insert_fit"], {**values, **period, "version": added.version})
    return added


def store_calibration(
    connection: psycopg.Connection, actor: Actor, calibration: CalibrationVersion, revision: int | None = None
) -> CalibrationVersion:
    """Add a version in the caller's transaction, with an entry in the audit log. Raises OperatorError."""
    area = require_node(connection, actor, calibration.node)
    take_revision(connection, calibration.node, revision)
    versions = load_calibrations(connection, calibration.node, calibration.observed_property)
    former = find_calibration(versions, calibration.valid_from)
    try:
        added = add_calibration(connection, calibration)
    except CalibrationError as error:
        raise OperatorError(RefusalKind.INVALID, "other", reason=str(error)) from None
    act = Act(
        action="calibrate",
        object=f"node {added.node} {added.observed_property}",
        area=area,
        before=None if former is None else _describe(former),
        after=_describe(added),
    )
    record_act(connection, actor, act)
    return added


def describe_source(preview: FitPreview) -> str:
    """Return the figures of a fit in one line: it is public, and part of every corrected value's rule."""
    fit, period = preview.fit, preview.collocation
    return (
        f"line fitted beside {preview.reference}, {period.start:%Y-%m-%d %H:%M}Z to {period.end:%Y-%m-%d %H:%M}Z: "
        f"n = {fit.hours} hours, r2 = {fit.r2:.3f}, residual spread {fit.spread:.3g}, "
        f"offset {fit.offset:.4g} +- {fit.offset_error:.2g}, slope {fit.slope:.4g} +- {fit.slope_error:.2g} "
        "(standard errors)"
    )[:_MAX_TEXT]


def parse_reference(text: str) -> dict[datetime, float]:
    """Read hourly values of a reference: lines `time,value`, with `,` `;` or tab. Raises OperatorError with the line.

    A time is RFC 3339 with its offset and names the start of the hour. A line without a number is skipped if it is the
    first one or its value is empty.
    """
    values: dict[datetime, float] = {}
    delimiter = next((character for character in ";\t" if character in text), ",")
    for number, cells in enumerate(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter), start=1):
        time_text, value_text = (cell.strip() for cell in [*cells, "", ""][:2])
        if not value_text and (len(cells) > 1 or not time_text):
            continue
        try:
            at, value = datetime.fromisoformat(time_text), float(value_text.replace(",", "."))
        except ValueError:
            if number == 1:
                continue
            raise OperatorError(RefusalKind.INVALID, "reference_line", number=number) from None
        if at.tzinfo is None or not isfinite(value):
            raise OperatorError(RefusalKind.INVALID, "reference_line", number=number)
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if hour in values:
            raise OperatorError(RefusalKind.INVALID, "reference_twice", number=number, hour=format_instant(hour))
        values[hour] = value
    return values


def _load_means(
    connection: psycopg.Connection, query: str, collocation: Collocation, place: str
) -> dict[datetime, float]:
    values = {
        "place": place,
        "property": collocation.observed_property,
        "start": collocation.start,
        "end": collocation.end,
    }
    ids = connection.cursor(row_factory=scalar_row).execute(QUERIES[query], values).fetchall()
    if not ids:
        raise OperatorError(RefusalKind.MISSING, "no_values", place=place[:80], property=values["property"])
    rows = connection.execute(QUERIES["select_hours"], {**values, "ids": ids[:1]}).fetchall()
    return dict(rows)


def _check_period(collocation: Collocation) -> None:
    length = collocation.end - collocation.start
    if not timedelta(0) < length <= _LONGEST_PERIOD:
        raise OperatorError(RefusalKind.INVALID, "period")


def _check_hour(at: datetime) -> datetime:
    moment = at.astimezone(UTC)
    if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
        raise OperatorError(RefusalKind.INVALID, "whole_hour", at=format_instant(moment))
    return moment


def _check_text(name: str, text: str) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > _MAX_TEXT or not stripped.isprintable():
        raise OperatorError(RefusalKind.INVALID, "text", name=name, most=_MAX_TEXT)
    return stripped


def _describe(calibration: CalibrationVersion) -> dict[str, object]:
    fields: Sequence[str] = (
        "version",
        "valid_from",
        "valid_until",
        "offset",
        "slope",
        "humidity_slope",
        "kappa",
        "serial",
    )
    return {name: getattr(calibration, name) for name in fields}
