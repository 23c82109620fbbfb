"""Actions of `piekwacht node` for work on a node: show, history, maintain, end-maintenance, replace-sensor."""

import argparse
import getpass
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from alerting.log import escape_unprintable
from edge_agent.command_line import parse_time
from gateway import settings
from gateway.model.timestamps import format_instant, format_seconds
from gateway.operator import audit, fleet
from gateway.operator.actor import local_actor
from gateway.operator.sentences import describe_changes, describe_remark
from gateway.store.connection import connect

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
AddAction = Callable[[str, Callable[..., None], str], argparse.ArgumentParser]


def add_actions(add_action: AddAction) -> None:
    """Add the actions to those of `piekwacht node`."""
    show = add_action("show", _show, "print one node: what it reports, data capture, doubts, work on it")
    show.add_argument("--json", action="store_true", help="print it as a JSON object")
    history = add_action("history", _print_history, "print what operators did with a node, newest first")
    history.add_argument("--limit", type=int, default=50, help="number of entries (50)")
    history.add_argument("--json", action="store_true", help="print the entries as a JSON list")
    maintain = add_action("maintain", _maintain, "announce work on a node: its readings are flagged and alert nobody")
    maintain.add_argument(
        "--for", dest="length", type=_parse_length, required=True, metavar="LENGTH", help="30m, 8h, 2d"
    )
    maintain.add_argument("--from", dest="start", type=parse_time, metavar="TIME", help="RFC 3339 (the next minute)")
    maintain.add_argument("--reason", required=True, help="goes on record")
    maintain.add_argument(
        "--property",
        action="append",
        default=[],
        help="only this one, of a doubtful sensor; may be repeated",
    )
    end = add_action("end-maintenance", _end_maintenance, "end the maintenance of a node now")
    replace = add_action("replace-sensor", _replace_sensor, "record another instrument, and end the former calibration")
    replace.add_argument(
        "--property", action="append", required=True, help="property that it measures; may be repeated"
    )
    replace.add_argument("--model", required=True, help="model of the new sensor, such as 'Sensirion SPS30'")
    replace.add_argument("--serial", help="serial number of the new sensor")
    replace.add_argument("--at", type=parse_time, metavar="TIME", help="RFC 3339 (now)")
    replace.add_argument("--reason", required=True, help="goes on record")
    for subparser in (show, history, maintain, end, replace):
        subparser.add_argument("node", help="id of the node")


def _show(args: argparse.Namespace) -> None:
    from gateway.operator import node_work  # loads numpy, which listing nodes does without

    config, actor = settings.read(args.config), local_actor(getpass.getuser())
    agent_version = config.operator.agent_version
    with connect(config.database.dsn) as connection:
        node = fleet.load_node(connection, actor, args.node, datetime.now(UTC), wanted_agent=agent_version)
        windows = node_work.list_windows(connection, args.node)
        changes = node_work.list_changes(connection, args.node)
    if args.json:
        document = {
            "node": node.row,
            "facts": node.facts,
            "captures": node.captures,
            "doubts": node.doubts,
            "remarks": [describe_remark(remark, "en") for remark in node.remarks],
            "maintenance": windows,
            "sensor_changes": changes,
        }
        print(msgspec.json.encode(document).decode())
        return
    last_seen_text = "never" if node.row.last_seen is None else format_seconds(node.row.last_seen)
    print(f"{args.node} at {node.row.area}/{node.row.station}, last heard {last_seen_text}")
    for remark in node.remarks:
        print(escape_unprintable(f"  ! {describe_remark(remark, 'en')}"))
    for capture in node.captures:
        share = "unknown" if capture.share is None else f"{100 * capture.share:.0f} %"
        print(f"  {capture.observed_property:20} data capture of seven days: {share}")
    for window in windows:
        span = f"{format_seconds(window.starts_at)} to {format_seconds(window.ends_at)}"
        what = f" {', '.join(window.properties)}" if window.properties else ""
        print(escape_unprintable(f"  maintenance #{window.id}{what} {span}: {window.reason} ({window.created_by})"))
    for change in changes:
        sensor = " ".join(filter(None, (change.model, change.serial)))
        print(escape_unprintable(f"  {format_seconds(change.changed_at)} {', '.join(change.properties)}: now {sensor}"))


def _print_history(args: argparse.Namespace) -> None:
    actor = local_actor(getpass.getuser())
    with connect(settings.read(args.config).database.dsn) as connection:
        fleet.require_node(connection, actor, args.node)
        acts = audit.list_acts(connection, actor, args.limit, args.node)
    if args.json:
        print(msgspec.json.encode(acts).decode())
        return
    for act in acts:
        changes = describe_changes(act.before, act.after)
        print(escape_unprintable(f"{format_seconds(act.at)} {act.who} {act.action} {act.outcome}  {changes}".rstrip()))
    if not acts:
        print(f"no operator has changed {args.node} yet")


def _maintain(args: argparse.Namespace) -> None:
    from gateway.operator import node_work  # loads numpy, which listing nodes does without

    start = args.start or node_work.next_minute()
    with connect(settings.read(args.config).database.dsn) as connection, connection.transaction():
        window = node_work.add_window(
            connection,
            local_actor(getpass.getuser()),
            args.node,
            args.start,
            start + args.length,
            reason=args.reason,
            properties=args.property,
        )
    span = f"from {format_seconds(window.starts_at)} to {format_seconds(window.ends_at)}"
    what = f"{', '.join(args.property)} of {args.node}" if args.property else args.node
    print(f"readings of {what} are flagged {span}; `piekwacht node end-maintenance {args.node}` ends it earlier")


def _end_maintenance(args: argparse.Namespace) -> None:
    from gateway.operator import node_work  # loads numpy, which listing nodes does without

    actor = local_actor(getpass.getuser())
    with connect(settings.read(args.config).database.dsn) as connection, connection.transaction():
        windows = node_work.end_windows_of_node(connection, actor, args.node)
    print(f"the maintenance of {args.node} ends at {format_seconds(windows[0].ends_at)}")


def _replace_sensor(args: argparse.Namespace) -> None:
    from gateway.operator import node_work  # loads numpy, which listing nodes does without

    change = node_work.SensorChange(
        node=args.node,
        properties=args.property,
        changed_at=args.at or datetime.now(UTC),
        model=args.model,
        serial=args.serial,
        reason=args.reason,
    )
    with connect(settings.read(args.config).database.dsn) as connection, connection.transaction():
        ended = node_work.replace_sensor(connection, local_actor(getpass.getuser()), change)
    print(f"{args.node} has another sensor for {', '.join(args.property)} since {format_instant(change.changed_at)}")
    print(f"ended with the former one: {', '.join(ended)}" if ended else "the former one had no calibration")


def _parse_length(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text}: write 30m, 8h or 2d")
    return int(match[1]) * _UNITS[match[2]]
