"""`piekwacht alerts false-alarm`, `known-source` and `end-known-source`: judge the plume of an event.

The statements, their rules and the entries in the audit log are those of the inspector's pages and API. A command acts
in every area, in the name of the account on this machine or of `--who`.
"""

import argparse
import asyncio
import getpass
from datetime import UTC, date, datetime

from alerting.decide.false_alarm import FalseAlarmCause
from alerting.errors import AlertingError
from alerting.record.cases import CaseStore
from alerting.record.plume_answers import (
    EarlierAnswer,
    KnownSourceRequest,
    PlumeAnswerStore,
    SeenPlume,
    build_source_matchers,
)
from alerting.record.plume_cases import PlumeCase, group_cases
from alerting.settings import AlertingSettings
from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.access.accounts import Accounts
from gateway.access.identity import AccessDecision, Scope

_COMMAND = "command"  # in the audit log: from where, and how an acknowledgement came in


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the actions to those of `piekwacht alerts`."""
    event_help = "id of an event of the plume, as in its address"
    false_alarm = actions.add_parser("false-alarm", help="state that the plume of an event was none; sends corrections")
    false_alarm.add_argument("event", metavar="EVENT", help=event_help)
    judgement = false_alarm.add_mutually_exclusive_group()
    judgement.add_argument(
        "--cause", choices=[str(cause) for cause in FalseAlarmCause], default=FalseAlarmCause.OTHER.value,
        help="public (other)",
    )  # fmt: skip
    judgement.add_argument("--withdraw", action="store_true", help="withdraw the false alarm: it was a peak after all")
    false_alarm.add_argument("--reason", default="", help="for colleagues and receivers; required unless --withdraw")
    false_alarm.set_defaults(action=_state_false_alarm)
    source = actions.add_parser("known-source", help="name the permitted source of the plume of an event")
    source.add_argument("event", metavar="EVENT", help=event_help)
    source.add_argument("--name", required=True, help="which source it is")
    source.add_argument("--legal-basis", required=True, metavar="TEXT", help="permit or exemption, such as its number")
    source.add_argument("--until", required=True, metavar="DATE", help="last day, such as 2027-02-01; a year at most")
    source.add_argument(
        "--level", required=True, type=float, metavar="NUMBER", help="excess from which peaks are notified all the same"
    )
    source.add_argument("--whole-area", action="store_true", help="for every station of the area")
    source.set_defaults(action=_name_source)
    end = actions.add_parser("end-known-source", help="end a known source now")
    end.add_argument("id", type=int, help="number of the known source, as `known-source` prints it")
    end.set_defaults(action=_end_source)
    for action in (false_alarm, source, end):
        action.add_argument(
            "--who", dest="author", default=getpass.getuser(), help="the name to record; default: your login name"
        )


def _state_false_alarm(arguments: argparse.Namespace, _: AlertingSettings, dsn: str) -> None:
    asyncio.run(_store_false_alarm(arguments, dsn))


def _name_source(arguments: argparse.Namespace, _: AlertingSettings, dsn: str) -> None:
    asyncio.run(_store_source(arguments, dsn))


def _end_source(arguments: argparse.Namespace, _: AlertingSettings, dsn: str) -> None:
    asyncio.run(_store_end_of_source(arguments, dsn))


async def _store_false_alarm(arguments: argparse.Namespace, dsn: str) -> None:
    plume_case, store = await _load_plume(dsn, arguments.event), PlumeAnswerStore(dsn)
    plume, reason = str(plume_case.alert.plume), _to_single_line(arguments.reason)
    if arguments.withdraw:
        await _record(dsn, arguments.author, f"withdraw false alarm {plume}")
        if not await store.withdraw_false_alarm(plume, arguments.author):
            raise AlertingError(f"plume {plume} has no false alarm to withdraw")
        print(f"false alarm of plume {plume} withdrawn by {arguments.author}")
        return
    if not reason:
        raise AlertingError("--reason: write why it was no peak, for colleagues and receivers")
    alerts = [case.alert for case in plume_case.cases]
    seen = SeenPlume(
        stations=sorted({alert.station for alert in alerts}),
        severity=max((alert.severity for alert in alerts), key=lambda severity: severity.rank),
    )
    await _record(dsn, arguments.author, f"false alarm {plume}")
    cause = FalseAlarmCause(arguments.cause)
    _require_first(await store.state_false_alarm(plume, cause, reason, arguments.author, seen), "a false alarm")
    print(f"plume {plume} is a false alarm ({cause}), stated by {arguments.author}; corrections go out")


async def _store_source(arguments: argparse.Namespace, dsn: str) -> None:
    plume_case, store = await _load_plume(dsn, arguments.event), PlumeAnswerStore(dsn)
    alert, plume = plume_case.alert, str(plume_case.alert.plume)
    station = None if arguments.whole_area else alert.station
    request = KnownSourceRequest(
        name=_to_single_line(arguments.name)[:120],
        match=build_source_matchers(alert.area, alert.observed_property, station),
        legal_basis=_to_single_line(arguments.legal_basis)[:200],
        until=_parse_date(arguments.until),
        level=arguments.level,
        today=datetime.now(UTC).astimezone(LOCAL_TIMEZONE).date(),
    )
    await _record(dsn, arguments.author, f"known source {request.name} {plume}")
    _require_first(await store.name_source(plume, request, arguments.author), "a known source")
    events, text = [case.alert.event_id for case in plume_case.cases], f"{request.name} ({request.legal_basis})"
    await store.acknowledge(plume, events, arguments.author, text, via=_COMMAND)
    number = (await store.load(plume)).sources[-1].id
    print(f"known source {number} until {request.until}: {', '.join(request.match)}: {text}")


async def _store_end_of_source(arguments: argparse.Namespace, dsn: str) -> None:
    await _record(dsn, arguments.author, f"end known source {arguments.id}")
    is_storable = 0 < arguments.id < 1 << 62
    if not is_storable or not await PlumeAnswerStore(dsn).end_source(arguments.id, arguments.author):
        raise AlertingError(f"no known source {arguments.id} is in force")
    print(f"known source {arguments.id} ended by {arguments.author}")


async def _load_plume(dsn: str, event: str) -> PlumeCase:
    """The plume of an event. Raises AlertingError if alerting has no such event, or the event has no plume."""
    case = await CaseStore(dsn).get_case(event)
    if case is None:
        raise AlertingError(f"alerting has no event {event!r}")
    if not case.alert.plume:
        raise AlertingError(f"event {event} belongs to no plume; only plumes are judged")
    (plume_case,) = group_cases(await CaseStore(dsn).list_plume_cases(case.alert.plume))
    return plume_case


async def _record(dsn: str, author: str, act: str) -> None:
    """Record the act in the audit log, as the pages do before they store it."""
    outcome = AccessDecision.ALLOWED.value
    await Accounts(dsn).record_audit(author, Scope.ANSWER_ALERTS.value, act, address=_COMMAND, outcome=outcome)


def _require_first(earlier: EarlierAnswer | None, what: str) -> None:
    if earlier is not None:
        at = earlier.at.astimezone(UTC)
        raise AlertingError(f"{earlier.author} stated {what} at {at:%Y-%m-%dT%H:%M:%SZ} already; nothing was stored")


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AlertingError(f"--until {text!r}: write the last day as year-month-day, such as 2027-02-01") from None


def _to_single_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:1_000]
