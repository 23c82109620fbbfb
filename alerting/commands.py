"""`piekwacht alerts`: why somebody was told or not, what would happen, and the answers people give.

`add_arguments(parser)` mounts the actions, `run(arguments, settings, dsn)` does the chosen one. Light to import:
what needs the database's driver asks for it when it runs.
"""

import argparse
import getpass
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alerting.alert import Alert
from alerting.errors import AlertingError
from alerting.matcher import Matcher
from alerting.pipeline import Rules
from alerting.queries import load

if TYPE_CHECKING:
    import psycopg

    from alerting.settings import AlertingSettings

_QUERIES = load(Path(__file__).with_name("queries.sql"))
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `piekwacht alerts` its actions; the chosen one is `arguments.action`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    explain = actions.add_parser("explain", help="who was told what of an event, when, and why others were not")
    explain.add_argument("event", metavar="EVENT")
    explain.set_defaults(action=_explain)
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
    end = actions.add_parser("unsilence", help="end a silence now")
    end.add_argument("id", type=int)
    end.set_defaults(action=_end_silence)
    enable = actions.add_parser("enable", help="send to a webhook again that had answered 410 (gone)")
    enable.add_argument("url")
    enable.set_defaults(action=_enable)
    for action in (ack, silence, end):
        action.add_argument("--who", default=getpass.getuser(), help="who says so; otherwise your login name")


def run(given: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> int:
    """Do what was asked. Raises AlertingError in one sentence where that cannot be done."""
    import psycopg

    try:
        return int(given.action(given, settings, dsn) or 0)
    except psycopg.Error as error:
        raise AlertingError(f"database: {' '.join(str(error).split())}") from None


def _explain(given: argparse.Namespace, _: "AlertingSettings", dsn: str) -> None:
    with _connect(dsn) as connection:
        rows = connection.execute(_QUERIES["explain"], {"event": given.event}).fetchall()
    if not rows:
        raise AlertingError(f"alerting has never heard of event {given.event!r}")
    for at, what in rows:
        print(f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z  {what}")


def _route(given: argparse.Namespace, settings: "AlertingSettings", dsn: str) -> None:
    del dsn  # a question about the rules, not about what happened
    try:
        alert = msgspec.json.decode(given.event.read_bytes(), type=Alert)
    except OSError as error:
        raise AlertingError(f"{given.event}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise AlertingError(f"{given.event}: no alert: {error}") from None
    for verdict in Rules(settings.route, settings.known_source).decide(alert, {}, datetime.now(UTC)):
        detail = f" ({verdict.detail})" if verdict.detail else ""
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
    now = datetime.now(UTC)
    ends = now + length(given.length)
    values: Mapping[str, object] = {
        "match": given.match, "author": given.who, "reason": given.reason, "starts": now, "ends": ends,
    }  # fmt: skip
    with _connect(dsn) as connection:
        row = connection.execute(_QUERIES["silence"], values).fetchone()
    print(f"silence {row[0] if row else '?'} until {ends:%Y-%m-%dT%H:%M:%SZ}")


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
