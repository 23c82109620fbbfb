"""`piekwacht calibration`: add a version of a calibration, list the calibrations, show all versions of one.

Versions are never changed or removed: a mistake is corrected by a newer version.
"""

import argparse
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite

import msgspec

from alerting.log import escape_unprintable
from edge_agent.command_line import parse_time
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.cli import calibration_fit
from gateway.errors import GatewayError
from gateway.model.timestamps import format_instant
from gateway.operator.actor import local_actor
from gateway.operator.calibration import store_calibration
from gateway.quality.calibration import CalibrationVersion, find_calibration, group_versions
from gateway.store.calibrations import load_calibrations
from gateway.store.connection import connect

_MAX_TEXT = 500
_LARGEST = 1e9
_LARGEST_KAPPA = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add the next version; corrected values follow it from --from on")
    _add_target(add, optional=False)
    add.add_argument(
        "--from", dest="valid_from", required=True, type=parse_time, metavar="TIME", help="whole hour, RFC 3339"
    )
    add.add_argument(
        "--until", dest="valid_until", type=parse_time, metavar="TIME", help="end, such as the removal of the sensor"
    )
    add.add_argument("--model", required=True, help="model of the sensor, such as 'Sensirion SPS30'")
    add.add_argument("--serial", help="serial number of the sensor")
    add.add_argument(
        "--offset", type=_parse_number, default=0.0, metavar="NUMBER", help="in the unit of the property (0)"
    )
    add.add_argument("--slope", type=_parse_number, default=1.0, metavar="NUMBER", help="factor of the raw value (1)")
    add.add_argument(
        "--humidity-slope", type=_parse_number, default=0.0, metavar="NUMBER", help="unit per %% relative humidity (0)"
    )
    add.add_argument(
        "--kappa",
        type=_parse_number,
        default=0.0,
        metavar="NUMBER",
        help="growth of particles in humid air, 0 to 10 (0)",
    )
    add.add_argument(
        "--uncertainty", type=_parse_number, metavar="NUMBER", help="expanded (k = 2), of a corrected value in its unit"
    )
    add.add_argument("--source", required=True, help="how the coefficients were obtained: reference station, report")
    add.add_argument("--author", required=True, help="organisation or function that states them; it is public")
    add.set_defaults(action=_add)
    fit = actions.add_parser("fit", help="fit a line beside a reference; with --apply add it as the next version")
    calibration_fit.add_arguments(fit)
    list_ = actions.add_parser("list", help="the calibrations that hold now")
    _add_target(list_, optional=True)
    list_.set_defaults(action=_list)
    show = actions.add_parser("show", help="every version of one calibration, with its coefficients and source")
    _add_target(show, optional=False)
    show.set_defaults(action=_show)
    for subparser in (list_, show):
        subparser.add_argument("--json", action="store_true", help="print the versions as a JSON list")


def _add_target(parser: argparse.ArgumentParser, *, optional: bool) -> None:
    count = "?" if optional else None
    parser.add_argument("node", nargs=count, help="id of the node, such as ijm-001")
    parser.add_argument("property", nargs=count, help="observed property, such as pm2_5")


def run(args: argparse.Namespace) -> None:
    """Run the chosen action. Raises ConfigurationError for a wrong value, GatewayError if the database refuses it."""
    args.action(args, settings.read(args.config).database.dsn)


def _add(args: argparse.Namespace, dsn: str) -> None:
    calibration = read_calibration(args)
    with connect(dsn) as connection, connection.transaction():
        added = store_calibration(connection, local_actor(getpass.getuser()), calibration)
    end = "" if added.valid_until is None else f" until {format_instant(added.valid_until)}"
    print(f"{added.label} holds from {format_instant(added.valid_from)}{end}")


def read_calibration(args: argparse.Namespace) -> CalibrationVersion:
    """Return what the arguments of `add` state, with version 0. Raises ConfigurationError with one sentence."""
    calibration = CalibrationVersion(
        node=args.node,
        observed_property=args.property,
        version=0,
        valid_from=_check_hour("--from", args.valid_from),
        valid_until=None if args.valid_until is None else _check_hour("--until", args.valid_until),
        sensor_model=_check_text("--model", args.model),
        serial=None if args.serial is None else _check_text("--serial", args.serial),
        offset=args.offset,
        slope=args.slope,
        humidity_slope=args.humidity_slope,
        kappa=args.kappa,
        uncertainty=args.uncertainty,
        source=_check_text("--source", args.source),
        author=_check_text("--author", args.author),
    )
    if calibration.valid_until is not None and calibration.valid_until <= calibration.valid_from:
        raise ConfigurationError("--until must be after --from")
    if not 1 / _LARGEST <= abs(calibration.slope) <= _LARGEST:
        raise ConfigurationError(
            f"--slope {calibration.slope}: its size must be between {1 / _LARGEST:g} and {_LARGEST:g}"
        )
    if not 0 <= calibration.kappa <= _LARGEST_KAPPA:
        raise ConfigurationError(f"--kappa {calibration.kappa}: must be between 0 and {_LARGEST_KAPPA:g}")
    if calibration.uncertainty is not None and calibration.uncertainty < 0:
        raise ConfigurationError(f"--uncertainty {calibration.uncertainty}: must be 0 or more")
    return calibration


def _parse_number(text: str) -> float:
    number = float(text)
    if not isfinite(number) or abs(number) > _LARGEST:
        raise argparse.ArgumentTypeError(f"{text}: a number up to {_LARGEST:g}")
    return number


def _check_hour(name: str, moment: datetime) -> datetime:
    if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
        raise ConfigurationError(
            f"{name} {format_instant(moment)}: must be a whole hour in UTC, so that each mean has one version"
        )
    return moment


def _check_text(name: str, text: str) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > _MAX_TEXT or not stripped.isprintable():
        raise ConfigurationError(f"{name}: 1 to {_MAX_TEXT} printable characters in one line")
    return stripped


def _list(args: argparse.Namespace, dsn: str) -> None:
    with connect(dsn) as connection:
        versions = group_versions(load_calibrations(connection, args.node, args.property))
    now = datetime.now(UTC)
    if args.json:
        chosen = [find_calibration(group, now) for group in versions.values()]
        print(msgspec.json.encode([version for version in chosen if version is not None]).decode())
        return
    for name, group in versions.items():
        present = find_calibration(group, now)
        state = f"none holds now, of {len(group)}" if present is None else _describe_line(present)
        print(f"{'/'.join(name)}: {state}")
    if not versions:
        print("no calibration is registered; `piekwacht calibration add` adds one")


def _show(args: argparse.Namespace, dsn: str) -> None:
    with connect(dsn) as connection:
        versions = load_calibrations(connection, args.node, args.property)
    if not versions:
        raise GatewayError(
            f"{args.node} has no calibration of {args.property}; `piekwacht calibration list` shows those that exist"
        )
    if args.json:
        print(msgspec.json.encode(versions).decode())
        return
    for version in versions:
        print("\n".join(_describe(version)))


def _describe_line(calibration: CalibrationVersion) -> str:
    return (
        f"version {calibration.version}, from {format_instant(calibration.valid_from)}, {_describe_sensor(calibration)}"
    )


def _describe_sensor(calibration: CalibrationVersion) -> str:
    serial = "" if calibration.serial is None else f" {calibration.serial}"
    return escape_unprintable(f"{calibration.sensor_model}{serial}")


def _describe(calibration: CalibrationVersion) -> Iterator[str]:
    end = "" if calibration.valid_until is None else f" until {format_instant(calibration.valid_until)}"
    yield f"{calibration.label} from {format_instant(calibration.valid_from)}{end}"
    yield f"    sensor       {_describe_sensor(calibration)}"
    yield (
        f"    coefficients offset {calibration.offset:.12g}, slope {calibration.slope:.12g}, "
        f"humidity slope {calibration.humidity_slope:.12g}, kappa {calibration.kappa:.12g}"
    )
    if calibration.uncertainty is not None:
        yield f"    uncertainty  {calibration.uncertainty:.12g} (k = 2)"
    yield f"    source       {escape_unprintable(calibration.source)}"
    yield f"    author       {escape_unprintable(calibration.author)}"
