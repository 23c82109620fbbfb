"""Page cursors, opaque to the client, and strict parsing of times in query parameters. Raises HTTPException 400."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any, TypeVar, overload

from fastapi import HTTPException

Key = datetime | int | str
A = TypeVar("A", bound=Key)
B = TypeVar("B", bound=Key)
C = TypeVar("C", bound=Key)

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)?")


def write(*keys: Key) -> str:
    """The cursor that continues after a row with these keys."""
    text = "|".join(key.isoformat() if isinstance(key, datetime) else str(key) for key in keys)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@overload
def read(text: str | None, kind: type[A], /) -> tuple[A | None]: ...
@overload
def read(text: str | None, kind_1: type[A], kind_2: type[B], /) -> tuple[A | None, B | None]: ...
@overload
def read(
    text: str | None, kind_1: type[A], kind_2: type[B], kind_3: type[C], /
) -> tuple[A | None, B | None, C | None]: ...
def read(text: str | None, *kinds: type[Any]) -> tuple[Any, ...]:
    """The keys of a cursor, of these types; None for each without a cursor. Raises 400 if `write` did not make it."""
    if text is None:
        return (None,) * len(kinds)
    try:
        parts = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode().split("|")
        return tuple(_parse_key(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, OverflowError, binascii.Error):
        raise HTTPException(400, "cursor: not one that this API gave out; start again without it") from None


def _parse_key(part: str, kind: type[Key]) -> Key:
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None or not _EARLIEST <= at <= _LATEST:
            raise ValueError(part)
        return at
    if kind is int:
        number = int(part)
        if not 0 <= number < 2**63:
            raise ValueError(part)
        return number
    if "\0" in part:
        raise ValueError(part)
    return part


def parse_instant(name: str, text: str | None) -> datetime | None:
    """A parameter as RFC 3339 with a time zone, between 2000 and 2100; the 400 names the parameter."""
    if text is None:
        return None
    normalised = text.strip().replace(" ", "+") if "T" in text.upper() else text  # a plus sign arrives as a space
    if not _RFC3339.fullmatch(normalised):
        raise HTTPException(400, f"{name}: {text[:40]!r} is no time; write it as 2026-11-21T16:00:00Z")
    try:
        at = datetime.fromisoformat(normalised.upper())
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}; write it as 2026-11-21T16:00:00Z") from None
    if at.tzinfo is None:
        raise HTTPException(400, f"{name}: add the time zone, as in 2026-11-21T16:00:00Z")
    if not _EARLIEST <= at <= _LATEST:
        raise HTTPException(400, f"{name}: must be between 2000 and 2100")
    return at.astimezone(UTC)


def parse_period(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """The parameters `start` and `end`, either of them None for no bound; HTTPException 400 if the period is empty."""
    since, until = parse_instant("start", start), parse_instant("end", end)
    if since is not None and until is not None and since >= until:
        raise HTTPException(400, "start: must be before end")
    return since, until
