"""`piekwacht adapter`: list the formats of foreign sensors; show what a sample of a message would become."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.configuration import ConfigurationError
from gateway.adapters.foreign import ForeignMessage, RefusedError
from gateway.adapters.formats import FORMATS, MAPPED_FORMATS, JudgedReading, read_message
from gateway.adapters.mapping import load_mapping
from gateway.api.schemas.observations import flag_names
from gateway.errors import GatewayError
from gateway.model.properties import PROPERTIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    list_ = actions.add_parser("list", help="print the formats, and which of them need a mapping file")
    list_.add_argument("--json", action="store_true", help="print the formats as a JSON list")
    list_.set_defaults(action=_list)
    try_ = actions.add_parser("try", help="read one message from a file; nothing is stored or sent")
    try_.add_argument("file", type=Path, metavar="FILE", help="the body of one message, exactly as the sensor sends it")
    try_.add_argument("--format", required=True, choices=FORMATS, help="format of the message")
    try_.add_argument("--mapping", type=Path, metavar="FILE.toml", help="where the message has its values")
    try_.add_argument("--topic", default="", metavar="TOPIC", help="MQTT topic of the message")
    try_.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="HTTP header of the message, such as X-Pin:1",
    )
    try_.add_argument("--json", action="store_true", help="print JSON for programs")
    try_.set_defaults(action=_try)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action. Raises ConfigurationError or GatewayError with one sentence."""
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps([{"format": name, "needs_mapping": name in MAPPED_FORMATS} for name in FORMATS]))
        return 0
    for name in FORMATS:
        print(f"{name:18}{'needs a mapping file' if name in MAPPED_FORMATS else ''}".rstrip())
    return 0


def _try(args: argparse.Namespace) -> int:
    message = ForeignMessage(body=_read_body(args.file), headers=_parse_headers(args.header), topic=args.topic)
    mapping = load_mapping(args.mapping) if args.mapping else None
    try:
        readings = read_message(message, args.format, mapping)
    except RefusedError as error:
        raise GatewayError(f"{args.file}: {error}") from None
    if args.json:
        print(json.dumps([_to_dict(reading) for reading in readings], indent=1))
    elif not readings:
        print("the message is read and holds no reading")
    else:
        print("\n\n".join(_describe(reading) for reading in readings))
    return 0


def _read_body(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None


def _parse_headers(texts: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition(":")
        if not mark or not name.strip():
            raise ConfigurationError(f"--header {text!r}: write it as NAME:VALUE")
        headers[name.strip().lower()] = value.strip()
    return headers


def _describe(reading: JudgedReading) -> str:
    time = "the time of receipt" if reading.at is None else _format_time(reading.at)
    lines = [f"device {reading.sender}, {time}"]
    for name, value in reading.values.items():
        source, flags = reading.sources[name], reading.flags.get(name, 0)
        shown = "-" if value is None else f"{value:g} {PROPERTIES[name].unit if name in PROPERTIES else ''}".rstrip()
        remarks = [*([source.refusal.value] if source.refusal else []), *flag_names(flags)]
        lines.append(f"  {name:20}{shown:>16}  from {source.name}{': ' + ', '.join(remarks) if remarks else ''}")
    lines += [f"  left out: {value.name}, {value.refusal or 'named twice'}" for value in reading.left_out]
    return "\n".join(lines)


def _format_time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")


def _to_dict(reading: JudgedReading) -> dict[str, object]:
    return {
        "device": reading.sender,
        "time": None if reading.at is None else _format_time(reading.at),
        "messageId": reading.message_id,
        "values": dict(reading.values),
        "flags": {name: flag_names(flags) for name, flags in reading.flags.items()},
        "refused": {name: v.refusal.value for name, v in reading.sources.items() if v.refusal is not None},
        "leftOut": [value.name for value in reading.left_out],
    }
