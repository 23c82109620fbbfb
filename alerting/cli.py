"""`piekwacht alerts`: why somebody was told or not, what would happen, and the answers people give.

`add_arguments(parser)` mounts the actions, `run(arguments, settings, dsn)` does the chosen one. Light to import:
what needs the database's driver asks for it when it runs.
"""

import argparse
import asyncio
import getpass
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alerting.alert import Alert
from alerting.decide.matcher import Matcher
from alerting.decide.reason_detail import worded
from alerting.decide.rules import Rules
from alerting.decide.validation import check_values, known
from alerting.errors import AlertingError
from alerting.message.texts import headline
from alerting.record import evidence
from alerting.record.history import particulars, said
from alerting.sql import load

if TYPE_CHECKING:
    import psycopg

    from alerting.settings import AlertingSettings

_QUERIES = load(Path(__file__).with_name("dispatch") / "queries.sql")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `piekwacht alerts` its actions; the chosen one is `arguments.action`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    explain = actions.add_parser("explain", help="who was told what of an event, when, and why others were not")
    explain.add_argument("event", metavar="EVENT")
    explain.add_argument("--language", choices=("nl", "en"), default="en")
    explain.set_defaults(action=_explain)
    record = actions.add_parser("record", help="the record of an event as evidence: every step and every message")
    record.add_argument("--event", required=True)
    record.add_argument("--output", type=Path, metavar="FILE", help="otherwise it is printed")
    record.set_defaults(action=_record)
    verify = actions.add_parser("verify", help="does a record hold together? Needs nothing but the file")
    verify.add_argument("file", type=Path)
    verify.add_argument("--messages", type=Path, metavar="FOLDER", help="put every message that was sent there")
    verify.set_defaults(action=_verify)
    route = actions.add_parser("route", help="which receivers an alert would go to; asks and sends nothing")
    route.add_argument("--event", type=Path, required=True, metavar="FILE", help="an alert in JSON")
    route.set_defaults(action=_route)
    ack = actions.add_parser("ack", help="answer: somebody is on it; stops reminders and escalation")
    ack.add_argument("event", metavar="EVENT")
    ack.add_argument("--note", default="")
    ack.set_defaults(action=_acknowledge)
    silence = actions.add_parser("silence", help="do not tell of what fits, until a moment, with a reason")
    silence.add_argument("match", nargs="+", metavar="MATCHER", help="such as 'station=\"wijk-aan-zee\"'")
    silence.add_argument("--for", dest="length", required=True, metavar="TIME", help="how long: 30m, 8h, 2d")
    silence.add_argument("--reason", required=True)
    silence.set_defaults(action=_silence)
    works = actions.add_parser("maintenance", help="work at a station, site or area: what it measures pages nobody")
    where = works.add_mutually_exclusive_group(required=True)
    for label in ("station", "site", "area"):
        where.add_argument(f"--{label}", metavar="NAME")
    works.add_argument("--for", dest="length", required=True, metavar="TIME", help="how long: 30m, 8h, 2d")
    works.add_argument("--from", dest="begins", metavar="WHEN", help="when it begins, as 2026-11-21T08:00+01:00; now")
    works.add_argument("--reason", required=True)
    works.set_defaults(action=_maintenance)
    listed = actions.add_parser("silences", help="what is silenced or under maintenance, by whom and until when")
    listed.set_defaults(action=_silences)
    check = actions.add_parser("check", help="do rules, channels and names work? Asks the registry; sends nothing")
    check.set_defaults(action=_check)
    end = actions.add_parser("unsilence", help="end a silence now")
    end.add_argument("id", type=int)
    end.set_defaults(action=_end_silence)
    enable = actions.add_parser("enable", help="send to a webhook again that had answered 410 (gone)")
    enable.add_argument("url")
    enable.set_defaults(action=_enable)
    for action in (ack, silence, works, end):
        action.add_argument("--who", default=getpass.getuser(), help="who says so; otherwise your login name")


def run(given: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """Do what was asked. Raises AlertingError in one sentence where that cannot be done."""
    import psycopg

    try:
        return int(given.action(given, settings, dsn) or 0)
    except psycopg.Error as error:
        raise AlertingError(f"database: {' '.join(str(error).split())}") from None


def _explain(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import Duty

    case = asyncio.run(Duty(dsn).case(given.event))
    if case is None:
        raise AlertingError(f"alerting has never heard of event {given.event!r}")
    print(headline(case.alert, given.language))
    for step in case.steps:
        print(f"{step.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z  {said(step, given.language)}")
        print(f"{'':27}  {particulars(step, given.language)}")


def _record(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    from alerting.record.cases import Duty

    found = asyncio.run(Duty(dsn).record(given.event))
    if found is None:
        raise AlertingError(f"alerting has never heard of event {given.event!r}")
    if given.output is None:
        print(evidence.write(found).decode(), end="")
        return
    try:
        given.output.write_bytes(evidence.write(found))
    except OSError as error:
        raise AlertingError(f"{given.output}: cannot be written ({error.strerror})") from None
    print(f"{len(found.entries)} entries; the last hash, to be kept elsewhere: {found.head}")


def _verify(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> int:
    del dsn  # it must hold without us
    try:
        found = evidence.read(given.file.read_bytes())
    except OSError as error:
        raise AlertingError(f"{given.file}: cannot be read ({error.strerror})") from None
    mistakes = list(evidence.wrong(found))
    for sentence in mistakes:
        print(sentence)
    if mistakes:
        return 1
    sent = list(evidence.messages(found))
    if given.messages is not None:
        given.messages.mkdir(parents=True, exist_ok=True)
        for name, content in sent:
            (given.messages / name).write_bytes(content)
    print(f"in order: {len(found.entries)} entries, {len(sent)} messages, last hash {found.head}")
    return 0


def _route(given: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> None:
    del dsn  # a question about the rules, not about what happened
    try:
        alert = msgspec.json.decode(given.event.read_bytes(), type=Alert)
    except OSError as error:
        raise AlertingError(f"{given.event}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise AlertingError(f"{given.event}: no alert: {error}") from None
    rules = Rules(settings.routes(), settings.known_source, (), settings.roster)
    for verdict in rules.decide(alert, {}, datetime.now(UTC)):
        detail = f" ({worded(verdict.detail, 'en')})" if verdict.detail else ""
        told = "is told" if verdict.told else "is not told"
        print(f"{verdict.receiver or 'nobody'} {told}: {verdict.reason.value}{detail}")


def _acknowledge(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    values = {"event": given.event, "who": given.who, "note": given.note}
    with _connect(dsn) as connection:
        if connection.execute(_QUERIES["known_event"], values).fetchone() is None:
            raise AlertingError(f"alerting has never heard of event {given.event!r}")
        connection.execute(_QUERIES["acknowledge"], values)
    print(f"{given.event} acknowledged by {given.who}")


def _silence(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    for text in given.match:
        Matcher.parse(text)
    _withhold(given, given.match, "silence", datetime.now(UTC), dsn)


def _maintenance(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    label = next(label for label in ("station", "site", "area") if getattr(given, label) is not None)
    name = getattr(given, label)
    with _connect(dsn) as connection:
        there_are = [value for one, value in connection.execute(_QUERIES["known"]) if one == label]
    known("maintenance", name, there_are, label)
    try:
        begins = datetime.fromisoformat(given.begins) if given.begins else datetime.now(UTC)
    except ValueError:
        raise AlertingError(f"--from {given.begins!r}: write a moment such as 2026-11-21T08:00+01:00") from None
    _withhold(given, [f'{label}="{name}"'], "maintenance", begins.astimezone(UTC), dsn)


def _withhold(given: argparse.Namespace, match: list[str], kind: str, begins: datetime, dsn: str) -> None:
    ends = begins + length(given.length)
    values: Mapping[str, object] = {
        "match": match, "author": given.who, "reason": given.reason, "starts": begins, "ends": ends, "kind": kind,
    }  # fmt: skip
    with _connect(dsn) as connection:
        row = connection.execute(_QUERIES["silence"], values).fetchone()
    print(f"{kind} {row[0] if row else '?'} until {ends:%Y-%m-%dT%H:%M:%SZ}")


def _silences(_given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    with _connect(dsn) as connection:
        for number, kind, match, author, reason, begins, ends in connection.execute(_QUERIES["silences_ahead"]):
            since, until = (f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (begins, ends))
            print(f"{kind} {number} by {author}, {since} to {until}: {', '.join(match)}: {reason}")


def _check(_given: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """All that can be wrong without sending anything, a line each."""
    routes, there_are = settings.routes(), dict[str, set[str]]()
    with _connect(dsn) as connection:
        for label, value in connection.execute(_QUERIES["known"]):
            there_are.setdefault(label, set()).add(value)
    wrong = [*check_values(routes, settings.known_source, there_are), *unusable(settings)]
    for sentence in wrong:
        print(sentence)
    if not wrong:
        print(f"{len(settings.receiver)} receivers and {len(routes)} routes are in order")
    return 1 if wrong else 0


def _end_silence(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    with _connect(dsn) as connection:
        if connection.execute(_QUERIES["end_silence"], {"id": given.id, "who": given.who}).rowcount == 0:
            raise AlertingError(f"no silence {given.id} is in force")
    print(f"silence {given.id} ended by {given.who}")


def _enable(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    with _connect(dsn) as connection:
        if connection.execute(_QUERIES["enable"], {"target": given.url}).rowcount == 0:
            raise AlertingError(f"{given.url} is not disabled")
    print(f"{given.url} is enabled again")


def unusable(settings: "AlertingSettings") -> Iterator[str]:
    """Channels whose files cannot be read: they would fail when it matters."""
    files = [
        ("alerting.smtp.password_file", settings.smtp.password_file),
        ("alerting.smtp.ca_file", settings.smtp.ca_file),
    ]
    for number, receiver in enumerate(settings.receiver):
        for name, channel in receiver.channels.items():
            path = f"alerting.receiver[{number}].{name.replace(':', '[')}]"
            found = ((field, getattr(channel, field)) for field in channel.__struct_fields__ if field.endswith("_file"))
            files += [(f"{path}.{field}", file) for field, file in found]
    for path, file in files:
        if file is not None:
            try:
                if not file.read_text(encoding="utf-8").strip():
                    yield f"{path}: {file} is empty"
            except (OSError, UnicodeDecodeError) as error:
                yield f"{path}: {file} cannot be read ({getattr(error, 'strerror', None) or error})"


def _connect(dsn: str) -> "psycopg.Connection":
    import psycopg

    return psycopg.connect(dsn, connect_timeout=5)


def length(text: str) -> timedelta:
    """`30m`, `8h`, `2d` as a duration; AlertingError for anything else."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _UNITS or int(number) == 0:
        raise AlertingError(f"--for {text!r}: write a number and m, h or d, such as 8h")
    try:
        return timedelta(**{_UNITS[unit]: int(number)})
    except OverflowError:
        raise AlertingError(f"--for {text!r}: too long") from None
