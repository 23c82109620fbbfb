"""`piekwacht alerts`: history and evidence of an event, checks of the settings, acknowledgements and silences.

`add_arguments(parser)` adds the actions, `run(arguments, settings, dsn)` runs the chosen one. Light to import: the
database driver and the modules that need it are imported when an action runs.
"""

import argparse
import asyncio
import getpass
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alerting.alert import Alert
from alerting.decide.matcher import Matcher
from alerting.decide.policy import NotificationPolicy
from alerting.decide.reason_detail import describe_detail
from alerting.decide.validation import check_known, find_unknown_values
from alerting.errors import AlertingError, one_line
from alerting.message.texts import build_headline
from alerting.record import evidence
from alerting.record.history import describe_step, describe_step_details
from alerting.sql import load_queries
from alerting.vocabulary import count_things, format_local_time

if TYPE_CHECKING:
    import psycopg

    from alerting.settings import AlertingSettings

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_EVENT_HELP = "id of the event, as in its address"
_DURATION_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Add the actions to the parser of `piekwacht alerts` and return them; `arguments.action` is the chosen one."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    explain = actions.add_parser("explain", help="which receivers were notified of an event, when, and why others not")
    explain.add_argument("event", metavar="EVENT", help=_EVENT_HELP)
    explain.add_argument("--language", choices=("nl", "en"), default="en", help="of the sentences (en)")
    explain.set_defaults(action=_explain)
    record = actions.add_parser("record", help="the record of an event as evidence: every step, every content sent")
    record.add_argument("--event", required=True, help=_EVENT_HELP)
    record.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    record.set_defaults(action=_record)
    verify = actions.add_parser("verify", help="check that a record is unchanged; needs only the file")
    verify.add_argument("file", type=Path, help="a record, as `record` writes it")
    verify.add_argument("--messages", type=Path, metavar="FOLDER", help="write every content that was sent there")
    verify.set_defaults(action=_verify)
    route = actions.add_parser("route", help="which receivers an alert would notify; needs no database, sends nothing")
    route.add_argument("--event", type=Path, required=True, metavar="FILE", help="an alert in JSON")
    route.set_defaults(action=_route)
    ack = actions.add_parser("ack", help="acknowledge an event; stops reminders and escalation")
    ack.add_argument("event", metavar="EVENT", help=_EVENT_HELP)
    ack.add_argument("--note", default="", help="what colleagues should know")
    ack.set_defaults(action=_acknowledge)
    silence = actions.add_parser("silence", help="suppress notifications of matching alerts for a while, with a reason")
    silence.add_argument("match", nargs="+", metavar="MATCHER", help="such as 'station=\"wijk-aan-zee\"'")
    silence.add_argument("--for", dest="length", required=True, metavar="LENGTH", help="30m, 8h, 2d")
    silence.add_argument("--reason", required=True, help="goes on record")
    silence.set_defaults(action=_silence)
    maintenance = actions.add_parser(
        "maintenance", help="suppress notifications of a station, site or area during work there"
    )
    target = maintenance.add_mutually_exclusive_group(required=True)
    for label in ("station", "site", "area"):
        target.add_argument(f"--{label}", metavar="NAME", help=f"{label} where people work")
    maintenance.add_argument("--for", dest="length", required=True, metavar="LENGTH", help="30m, 8h, 2d")
    maintenance.add_argument(
        "--from", dest="begins", type=_parse_time, metavar="TIME", help="RFC 3339 with its zone (now)"
    )
    maintenance.add_argument("--reason", required=True, help="goes on record")
    maintenance.set_defaults(action=_maintenance)
    silences = actions.add_parser("silences", help="list silences and maintenance, with author and end")
    silences.add_argument("--json", action="store_true", help="print them as a JSON list")
    silences.set_defaults(action=_silences)
    check = actions.add_parser("check", help="check routes, channels and names against the registry; sends nothing")
    check.set_defaults(action=_check)
    test = actions.add_parser("test", help="send a test message to a receiver; print the outcome per addressee")
    test.add_argument("receiver", help="name of the receiver in the settings")
    test.add_argument("--channel", metavar="NAME", help="only this channel, such as email or webhook:1")
    test.set_defaults(action=_send_test)
    unsilence = actions.add_parser("unsilence", help="end a silence now")
    unsilence.add_argument("id", type=int, help="number of the silence, as `silences` prints it")
    unsilence.set_defaults(action=_end_silence)
    enable = actions.add_parser("enable", help="deliver again to a webhook that answered 410 (gone)")
    enable.add_argument("url", help="address of the webhook")
    enable.set_defaults(action=_enable)
    for action in (ack, silence, maintenance, unsilence):
        action.add_argument(
            "--who", dest="author", default=getpass.getuser(), help="the name to record; default: your login name"
        )
    return actions


def run(arguments: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """Run the chosen action and return the exit code. Raises AlertingError, in one sentence, if it fails."""
    import psycopg

    try:
        return int(arguments.action(arguments, settings, dsn) or 0)
    except psycopg.Error as error:
        raise AlertingError(f"database: {one_line(error)}") from None


def _explain(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import CaseStore

    case = asyncio.run(CaseStore(dsn).get_case(arguments.event))
    if case is None:
        raise AlertingError(f"alerting has no event {arguments.event!r}")
    print(build_headline(case.alert, arguments.language))
    for step in case.steps:
        time = format_local_time(step.at, arguments.language)
        print(f"{time}  {describe_step(step, arguments.language)}")
        print(f"{'':{len(time)}}  {describe_step_details(step, arguments.language)}")


def _record(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import CaseStore

    record = asyncio.run(CaseStore(dsn).build_record(arguments.event))
    if record is None:
        raise AlertingError(f"alerting has no event {arguments.event!r}")
    if arguments.output is None:
        print(evidence.encode_record(record).decode(), end="")
        return
    try:
        arguments.output.write_bytes(evidence.encode_record(record))
    except OSError as error:
        raise AlertingError(f"{arguments.output}: cannot be written ({error.strerror})") from None
    print(f"{len(record.entries)} entries; store the last hash elsewhere: {record.head}")


def _verify(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> int:
    del dsn  # a record must verify without the database
    try:
        record = evidence.decode_record(arguments.file.read_bytes())
    except OSError as error:
        raise AlertingError(f"{arguments.file}: cannot be read ({error.strerror})") from None
    errors = list(evidence.find_errors(record))
    for error_text in errors:
        print(error_text)
    if errors:
        return 1
    files = list(evidence.extract_contents(record))
    if arguments.messages is not None:
        _write_files(arguments.messages, files)
    print(f"in order: {len(record.entries)} entries, {len(files)} messages, last hash {record.head}")
    return 0


def _route(arguments: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> None:
    del dsn  # the settings decide, not stored decisions
    try:
        alert = msgspec.json.decode(arguments.event.read_bytes(), type=Alert)
    except OSError as error:
        raise AlertingError(f"{arguments.event}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise AlertingError(f"{arguments.event}: not an alert: {error}") from None
    policy = NotificationPolicy(settings.load_routes(), settings.known_source, (), settings.roster)
    for decision in policy.decide(alert, {}, datetime.now(UTC)):
        detail = f" ({describe_detail(decision.detail, 'en')})" if decision.detail else ""
        outcome = "is notified" if decision.notify else "is not notified"
        print(f"{decision.receiver or 'nobody'} {outcome}: {decision.reason.value}{detail}")


def _write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        (folder / name).write_bytes(content)


def _acknowledge(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    values = {"event": arguments.event, "author": arguments.author, "note": arguments.note}
    with _connect(dsn) as connection:
        if connection.execute(_QUERIES["select_event"], values).fetchone() is None:
            raise AlertingError(f"alerting has no event {arguments.event!r}")
        connection.execute(_QUERIES["insert_acknowledgement"], values)
    print(f"{arguments.event} acknowledged by {arguments.author}")


def _silence(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    for text in arguments.match:
        Matcher.parse(text)
    _insert_silence(arguments, arguments.match, "silence", datetime.now(UTC), dsn)


def _maintenance(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    label = next(label for label in ("station", "site", "area") if getattr(arguments, label) is not None)
    name = getattr(arguments, label)
    check_known("maintenance", name, sorted(_select_registry_values(dsn)[label]), label)
    begins = arguments.begins or datetime.now(UTC)
    _insert_silence(arguments, [f'{label}="{name}"'], "maintenance", begins.astimezone(UTC), dsn)


def _parse_time(text: str) -> datetime:
    with suppress(ValueError):
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed
    raise argparse.ArgumentTypeError(f"{text!r} is no time with its zone, such as 2026-11-21T08:00+01:00")


def _insert_silence(arguments: argparse.Namespace, match: list[str], kind: str, begins: datetime, dsn: str) -> None:
    ends = begins + parse_duration(arguments.length)
    values: Mapping[str, object] = {
        "match": match,
        "author": arguments.author,
        "reason": arguments.reason,
        "starts": begins,
        "ends": ends,
        "kind": kind,
    }
    with _connect(dsn) as connection:
        (number,) = connection.execute(_QUERIES["insert_silence"], values).fetchone() or ("?",)
    print(f"{kind} {number} until {ends:%Y-%m-%dT%H:%M:%SZ}")


def _silences(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import CaseStore

    silences = asyncio.run(CaseStore(dsn).list_silences())
    set_aside = asyncio.run(CaseStore(dsn).find_silences_set_aside())
    silences = sorted(silences, key=lambda silence: (silence.starts_at, silence.id))
    if arguments.json:
        entries = [{**msgspec.structs.asdict(row), "not_applied": set_aside.get(row.id)} for row in silences]
        print(msgspec.json.encode(entries).decode())
        return
    if not silences:
        print("nothing is silenced")
    for silence in silences:
        since, until = (f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (silence.starts_at, silence.ends_at))
        match = ", ".join(silence.match)
        print(f"{silence.kind} {silence.id} by {silence.author}, {since} to {until}: {match}: {silence.reason}")
        if silence.id in set_aside:
            print(f"  not applied: {set_aside[silence.id]}")


def _select_registry_values(dsn: str) -> Mapping[str, set[str]]:
    """Return label -> the values that the registry has for it."""
    values_by_label = defaultdict[str, set[str]](set)
    with _connect(dsn) as connection:
        for label, value in connection.execute(_QUERIES["select_registry_values"]):
            values_by_label[label].add(value)
    return values_by_label


def _check(_arguments: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """Print every problem that shows without sending anything, one per line."""
    from alerting.record.cases import CaseStore

    routes, registry_values = settings.load_routes(), _select_registry_values(dsn)
    set_aside = asyncio.run(CaseStore(dsn).find_silences_set_aside())
    problems = [
        *(f"silence {number} is not applied: {reason}" for number, reason in set_aside.items()),
        *find_unknown_values(routes, settings.known_source, registry_values),
        *find_unreadable_files(settings),
        *find_bad_secrets(settings),
    ]
    for sentence in problems:
        print(sentence)
    if not problems:
        receivers, count = count_things(len(settings.receiver), "receiver"), count_things(len(routes), "route")
        print(f"in order: {receivers} and {count}")
    return 1 if problems else 0


def _send_test(arguments: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """Print each outcome as it is known; 1 if an addressee did not get the message."""
    del dsn  # a test message is not stored
    from alerting.delivery.addressees import iter_outcomes
    from alerting.delivery.channel import DeliveryOutcome
    from alerting.dispatch.trial_message import send_test

    async def send() -> int:
        failures = 0
        async for channel, delivery in send_test(settings, arguments.receiver, arguments.channel):
            for addressee, outcome, detail in iter_outcomes(delivery):
                failures += outcome is not DeliveryOutcome.DELIVERED
                print(f"{channel:12} {addressee}: {outcome.value} ({describe_detail(detail, 'en')})")
        return failures

    return 1 if asyncio.run(send()) else 0


def _end_silence(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import CaseStore

    if not asyncio.run(CaseStore(dsn).end_silence(arguments.id, arguments.author)):
        raise AlertingError(f"no silence {arguments.id} is in force")
    print(f"silence {arguments.id} ended by {arguments.author}")


def _enable(arguments: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    with _connect(dsn) as connection:
        if connection.execute(_QUERIES["enable_target"], {"target": arguments.url}).rowcount == 0:
            raise AlertingError(f"{arguments.url} is not disabled")
    print(f"{arguments.url} is enabled again")


def find_unreadable_files(settings: "AlertingSettings") -> Iterator[str]:
    """Yield a sentence per secret or certificate file that cannot be read: its channel would fail at an alert."""
    for path, file in _list_channel_files(settings):
        try:
            if not file.read_text(encoding="utf-8").strip():
                yield f"{path}: {file} is empty"
        except (OSError, UnicodeDecodeError) as error:
            yield f"{path}: {file} cannot be read ({getattr(error, 'strerror', None) or error})"


def _list_channel_files(settings: "AlertingSettings") -> list[tuple[str, Path]]:
    """List each secret or certificate file of a channel, after the path of its setting."""
    files = [
        ("alerting.smtp.password_file", settings.smtp.password_file),
        ("alerting.smtp.ca_file", settings.smtp.ca_file),
    ]
    for number, receiver in enumerate(settings.receiver):
        for name, channel in receiver.channels.items():
            path = f"alerting.receiver[{number}].{name.replace(':', '[')}]"
            file_fields = (
                (field, getattr(channel, field)) for field in channel.__struct_fields__ if field.endswith("_file")
            )
            files += [(f"{path}.{field}", file) for field, file in file_fields]
    return [(path, file) for path, file in files if file is not None]


def find_bad_secrets(settings: "AlertingSettings") -> Iterator[str]:
    """Yield a sentence per readable secret of a webhook that is none: no receiver could verify its signatures."""
    for number, receiver in enumerate(settings.receiver):
        for position, channel in enumerate(receiver.webhook):
            path = f"alerting.receiver[{number}].webhook[{position}].secret_file: {channel.secret_file}"
            with suppress(OSError, UnicodeDecodeError):
                if not _is_webhook_secret(channel.secret_file.read_text(encoding="utf-8").strip()):
                    yield f"{path} holds no secret of Standard Webhooks: write whsec_ and base64"


def _is_webhook_secret(text: str) -> bool:
    try:
        return bool(b64decode(text.removeprefix("whsec_"), validate=True))
    except ValueError:  # binascii.Error is one
        return False


def _connect(dsn: str) -> "psycopg.Connection":
    import psycopg

    return psycopg.connect(dsn, connect_timeout=5)


def parse_duration(text: str) -> timedelta:
    """`30m`, `8h`, `2d` as a duration; AlertingError for anything else."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _DURATION_UNITS or int(number) == 0:
        raise AlertingError(f"--for {text!r}: write a number and m, h or d, such as 8h")
    try:
        return timedelta(**{_DURATION_UNITS[unit]: int(number)})
    except OverflowError:
        raise AlertingError(f"--for {text!r}: too long") from None
