"""What inspectors may ask and say of alerts, each within their own areas; every word of theirs is put down.

The pages and the API both speak through here: permission, audit log and alerting's own rules are the same for both.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from fastapi import FastAPI, HTTPException, Request

from alerting.decide.silence import Silence
from alerting.errors import AlertingError
from alerting.message.texts import headline
from alerting.record.cases import Case, Duty, Wanted, areas_of, withheld
from alerting.record.history import AnyStep, Decided, Tried, channel, particulars, said
from alerting.vocabulary import Language
from gateway.access.authorization import identity_of, permit
from gateway.access.identity import EVERY_AREA, Identity, Scope, Verdict, decide

__all__ = [
    "AnyStep", "Case", "Decided", "Language", "Silence", "Tried", "Wanted", "acknowledge", "case", "cases", "channel",
    "end", "headline", "install", "may_end", "named", "particulars", "preview", "put", "reading", "said", "silence",
    "silences", "wanted",
]  # fmt: skip
_SCOPE = Scope.ANSWER_ALERTS
_LONGEST_NOTE = 1_000


def install(app: FastAPI, dsn: str) -> None:
    """Give the application its way to alerting."""
    app.state.duty = Duty(dsn)


def reading(request: Request) -> Identity:
    """Who reads what alerting keeps; 401 or 403 for whom it is not."""
    identity = identity_of(request)
    if identity is None:
        raise HTTPException(401, "sign in, or send a key", {"WWW-Authenticate": "Bearer"})
    if _SCOPE not in identity.scopes:
        raise HTTPException(403, "your role does not include this")
    return identity


async def cases(request: Request) -> list[Case]:
    """What goes on in the areas of who asks, and what was over since yesterday."""
    identity = reading(request)
    with _trying():
        return await _duty(request).cases(_areas(identity))


async def case(request: Request, event: str) -> Case:
    """One event with all that was decided, sent and answered; 404 where there is none, 403 in another's area."""
    identity = reading(request)
    with _trying():
        found = await _duty(request).case(event)
    if found is None:
        raise HTTPException(404, f"alerting has never heard of event {event[:80]!r}")
    if decide(identity, _SCOPE, found.alert.area) is not Verdict.ALLOWED:
        raise HTTPException(403, "this belongs to an area that is not yours")
    return found


async def acknowledge(request: Request, event: str, note: str) -> Case:
    """Say "I am on it"; returns the event as it is then."""
    found = await case(request, event)
    with _trying():
        identity = await permit(request, _SCOPE, f"acknowledge {event}", found.alert.area)
        await _duty(request).acknowledge(event, named(identity), _line(note))
    return await case(request, event)


async def silences(request: Request) -> list[Silence]:
    """Those in force or to come that touch an area of who asks."""
    identity = reading(request)
    with _trying():
        found = await _duty(request).silences()
    return [one for one in found if _touches(identity, one)]


async def silence(request: Request, number: int) -> Silence:
    """One of them, over or not."""
    identity = reading(request)
    with _trying():
        found = await _duty(request).silence(number)
    if found is None or not _touches(identity, found):
        raise HTTPException(404, f"no silence {number} touches an area of yours")
    return found


def wanted(  # noqa: PLR0917 - they are a form's fields
    area: str | None, match: Sequence[str], reason: str, starts_at: datetime | None, ends_at: datetime, kind: str
) -> Wanted:
    """A silence in that area (None: everywhere), or 400 with what is wrong."""
    now = datetime.now(UTC)
    try:
        bound = [] if area is None else [f'area="{area}"']
        made = Wanted(
            match=tuple(dict.fromkeys([*bound, *match])),
            reason=_line(reason),
            starts_at=starts_at or now,
            ends_at=ends_at,
            kind="maintenance" if kind == "maintenance" else "silence",
        )
    except AlertingError as error:
        raise HTTPException(400, str(error)) from None
    if made.ends_at <= now:
        raise HTTPException(400, "endsAt: this moment has passed already")
    return made


async def preview(request: Request, asked: Wanted) -> list[Case]:
    """What goes on now that it would silence, in the areas of who asks."""
    return withheld(asked, await cases(request))


async def put(request: Request, asked: Wanted) -> Silence:
    """Silence it, where who asks may: all of it within their areas."""
    with _trying():
        for area in _areas_or_none(asked):
            identity = await permit(request, _SCOPE, f"{asked.kind} {', '.join(asked.match)}", area)
        return await _duty(request).put(asked, named(identity))


async def end(request: Request, number: int) -> None:
    """End it now, where who asks may; 404 where nothing is left to end."""
    found = await silence(request, number)
    with _trying():
        for area in _areas_or_none(found):
            identity = await permit(request, _SCOPE, f"end silence {number}", area)
        if not await _duty(request).end(number, named(identity)):
            raise HTTPException(404, f"silence {number} is over already")


def may_end(identity: Identity, one: Silence) -> bool:
    """Whether they would be let."""
    return all(decide(identity, _SCOPE, area) is Verdict.ALLOWED for area in _areas_or_none(one))


def named(identity: Identity) -> str:
    """As the record names who spoke: an account, with its key where it was a program."""
    return identity.name if identity.key is None else f"{identity.name}/{identity.key}"


def _touches(identity: Identity, one: Silence) -> bool:
    areas = areas_of(one.match)
    return EVERY_AREA in identity.areas or not areas or bool(areas & identity.areas)


def _areas_or_none(one: Silence | Wanted) -> list[str | None]:
    """Whose permission it takes: of each area it names, or of everywhere."""
    return [*sorted(areas_of(one.match))] or [None]


def _areas(identity: Identity) -> list[str] | None:
    return None if EVERY_AREA in identity.areas else sorted(identity.areas)


def _line(text: str) -> str:
    """As one printable line: it goes into mails and records."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_NOTE]


def _duty(request: Request) -> Duty:
    found: Duty = request.app.state.duty
    return found


@contextmanager
def _trying() -> Iterator[None]:
    try:
        yield
    except psycopg.DataError as error:
        raise HTTPException(400, f"a value that the database cannot take: {error.diag.message_primary}") from None
    except psycopg.Error:
        raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
