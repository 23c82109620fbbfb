"""Calibrations in the database: versions are added, and never changed. Called by `piekwacht calibration`.

`connection` is in autocommit mode. Each version becomes a leaf of the public log by a trigger.
"""

from pathlib import Path

import msgspec
import psycopg
from psycopg.rows import class_row, scalar_row

from alerting.sql import load_queries
from gateway.errors import GatewayError
from gateway.quality.calibration import CalibrationVersion
from gateway.quality.humidity_correction import HUMIDITY_PROPERTY

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class CalibrationError(GatewayError):
    """A calibration that cannot be stored; the message is one sentence."""


def add_calibration(connection: psycopg.Connection, calibration: CalibrationVersion) -> CalibrationVersion:
    """Store it as the newest version of its property and node, and return it with its number.

    Raises CalibrationError if the node or property is unknown, or these coefficients have no meaning for it.
    """
    values = msgspec.structs.asdict(calibration)
    with connection.transaction():
        cursor = connection.cursor(row_factory=scalar_row)
        if cursor.execute(_QUERIES["lock_node"], values).fetchone() is None:
            raise CalibrationError(f"no node {calibration.node!r} is enrolled; `piekwacht node list` shows all")
        unit: str | None = cursor.execute(_QUERIES["select_unit"], values).fetchone()
        _check_property(calibration, unit)
        version: int = cursor.execute(_QUERIES["insert_calibration"], values).fetchone() or 0
    return msgspec.structs.replace(calibration, version=version)


def load_calibrations(
    connection: psycopg.Connection, node: str | None = None, observed_property: str | None = None
) -> list[CalibrationVersion]:
    """Every version by node, property and version; with a node or property only of these."""
    cursor = connection.cursor(row_factory=class_row(CalibrationVersion))
    values = {"node": node, "observed_property": observed_property}
    return cursor.execute(_QUERIES["select_calibrations_of"], values).fetchall()


def _check_property(calibration: CalibrationVersion, unit: str | None) -> None:
    name = calibration.observed_property
    if unit is None:
        raise CalibrationError(f"no property {name!r} is registered; `/api/v1/observed-properties` has all")
    if unit == "deg":
        raise CalibrationError(f"{name} is a direction, for which slope and offset have no meaning")
    if name == HUMIDITY_PROPERTY and calibration.needs_humidity:
        raise CalibrationError(f"{name} cannot be corrected by itself: leave out --humidity-slope and --kappa")
