"""`piekwacht calibration fit`: a line for a sensor that stands beside a reference instrument."""

import argparse
import getpass
from pathlib import Path

import msgspec

from edge_agent.command_line import parse_time
from edge_agent.configuration import ConfigurationError
from gateway.model.timestamps import format_instant
from gateway.operator.actor import local_actor
from gateway.operator.calibration import (
    Application,
    Collocation,
    FitPreview,
    apply_fit,
    describe_source,
    parse_reference,
    preview_fit,
)
from gateway.store.connection import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the action `fit`."""
    parser.add_argument("node", help="id of the node, such as ijm-001")
    parser.add_argument("property", help="observed property, such as pm2_5")
    reference = parser.add_mutually_exclusive_group(required=True)
    reference.add_argument("--beside", metavar="STATION", help="station of this network with the reference instrument")
    reference.add_argument(
        "--reference",
        type=Path,
        metavar="FILE.csv",
        help="hourly values of the reference: lines `time,value`, RFC 3339",
    )
    parser.add_argument("--title", default="", help="name of the reference of the file, such as NL49570; it is public")
    parser.add_argument("--start", type=parse_time, required=True, metavar="TIME", help="start of the period, RFC 3339")
    parser.add_argument("--end", type=parse_time, required=True, metavar="TIME", help="end of the period, RFC 3339")
    parser.add_argument("--apply", action="store_true", help="add the line as the next version")
    parser.add_argument("--from", dest="valid_from", type=parse_time, metavar="TIME", help="whole hour, with --apply")
    parser.add_argument("--model", help="model of the sensor, with --apply")
    parser.add_argument("--serial", help="serial number of the sensor")
    parser.add_argument("--author", help="organisation or function that states the fit; public; with --apply")
    parser.add_argument("--confirm", default="", metavar="TEXT", help="confirms a line that moves values by half")
    parser.add_argument("--json", action="store_true", help="print the fit as a JSON object")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace, dsn: str) -> None:
    """Print the fit, or apply it. Raises OperatorError with one sentence."""
    collocation = _read_collocation(args)
    actor = local_actor(getpass.getuser())
    with connect(dsn) as connection, connection.transaction():
        preview = preview_fit(connection, actor, collocation)
        if not args.apply:
            _print(preview, as_json=args.json)
            return
        added = apply_fit(connection, actor, collocation, _read_application(args))
    print(f"{added.label} holds from {format_instant(added.valid_from)}: {added.source}")


def _read_collocation(args: argparse.Namespace) -> Collocation:
    values = None
    if args.reference is not None:
        try:
            values = parse_reference(args.reference.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{args.reference} cannot be read: {error}") from None
    return Collocation(
        node=args.node,
        observed_property=args.property,
        start=args.start,
        end=args.end,
        station=args.beside,
        values=values,
        title=args.title or (args.reference.name if args.reference else ""),
    )


def _read_application(args: argparse.Namespace) -> Application:
    missing = [
        name
        for name, value in (("--from", args.valid_from), ("--model", args.model), ("--author", args.author))
        if not value
    ]
    if missing:
        raise ConfigurationError(f"--apply also needs {', '.join(missing)}")
    return Application(
        valid_from=args.valid_from,
        sensor_model=args.model,
        serial=args.serial,
        author=args.author,
        confirmation=args.confirm,
    )


def _print(preview: FitPreview, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode({"reference": preview.reference, **msgspec.structs.asdict(preview.fit)}).decode())
        return
    print(describe_source(preview))
    uncertainty = f"{preview.fit.uncertainty:.3g} (k = 2)"
    print(f"it moves values by {100 * preview.fit.shift:.0f} % (median); uncertainty {uncertainty}")
    print("nothing is changed; --apply adds it as the next version")
    if preview.confirmation:
        print(f"it moves values by half or more: add --confirm '{preview.confirmation}' if that is right")
