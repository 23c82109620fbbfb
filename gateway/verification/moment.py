"""Times of leaves and claims: RFC 3339 in UTC -> milliseconds since 1970. Pure."""

import re
from datetime import UTC, datetime, timedelta

from gateway.transparency.errors import ProofError

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_LIMIT = 2**62


def parse_moment(text: str) -> int:
    """Milliseconds since 1970; parts of one are dropped. Raises ProofError if the text is no time in UTC."""
    try:
        moment = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ProofError(f"{text[:40]!r} is no time in UTC such as 2026-11-29T02:00:00.000Z")
    return to_ms(moment)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware time; parts of one are dropped."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def read_moment(text: str) -> datetime:
    """Time in UTC. Raises ProofError as `parse_moment`."""
    return _EPOCH + timedelta(milliseconds=parse_moment(text))
