"""Delays between attempts to sign in, per source. Pure: takes `now`.

A source is an address, or an address with an account name. An attempt is counted before it is judged, so attempts at
the same time cannot pass together. No source delays another one: a stranger who guesses delays only themselves.
"""

from collections import OrderedDict
from typing import NamedTuple

from msgspec import Struct

_MAX_SOURCES = 50_000


class DelaySettings(Struct, frozen=True, kw_only=True):
    """`free` attempts without a delay, then one of `first_seconds` that doubles up to `max_seconds`.

    A source that waits `forget_seconds` after its last attempt begins again.
    """

    free: int
    first_seconds: float = 30.0
    max_seconds: float = 900.0
    forget_seconds: float = 3_600.0


class _Attempts(NamedTuple):
    number: int
    next_at: float
    last_at: float


class AttemptDelays:
    """Counts of attempts, for a bounded number of sources; the source unused for longest is dropped first."""

    def __init__(self, settings: DelaySettings, max_sources: int = _MAX_SOURCES) -> None:
        self._settings, self._max_sources = settings, max_sources
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def wait(self, source: str, now: float) -> float:
        """Return the seconds until this source may try again, 0 if it may now; counts nothing."""
        attempts = self._attempts.get(source)
        return 0.0 if attempts is None else max(0.0, attempts.next_at - now)

    def count(self, source: str, now: float) -> None:
        """Count one attempt."""
        previous = self._attempts.pop(source, None)
        if previous is None or now - previous.last_at > self._settings.forget_seconds:
            previous = _Attempts(0, now, now)
        number = previous.number + 1
        self._attempts[source] = _Attempts(number, now + self._delay(number), now)
        if len(self._attempts) > self._max_sources:
            self._attempts.popitem(last=False)

    def forget(self, source: str) -> None:
        """Begin again: the source signed in."""
        self._attempts.pop(source, None)

    def give_back(self, source: str, now: float) -> None:
        """Take back one attempt, with its delay: it succeeded."""
        attempts = self._attempts.get(source)
        if attempts is not None:
            self._attempts[source] = _Attempts(max(0, attempts.number - 1), now, attempts.last_at)

    def _delay(self, number: int) -> float:
        doublings = number - self._settings.free
        if doublings < 0:
            return 0.0
        return min(self._settings.max_seconds, self._settings.first_seconds * 2.0 ** min(doublings, 30))

    def __len__(self) -> int:
        return len(self._attempts)


class SignInLimit:
    """The delays of sign-in: per address and account, and more widely per address with any account."""

    def __init__(self) -> None:
        self._by_account = AttemptDelays(DelaySettings(free=5))
        self._by_address = AttemptDelays(DelaySettings(free=20))

    def take_attempt(self, address: str, account: str, now: float) -> float:
        """Count an attempt and return 0, or return the seconds to wait. `address`: the client of `rate_limit_key`."""
        wait = max(self._by_account.wait(_source(address, account), now), self._by_address.wait(address, now))
        if not wait:
            self._by_account.count(_source(address, account), now)
            self._by_address.count(address, now)
        return wait

    def record_success(self, address: str, account: str, now: float) -> None:
        """The attempt succeeded. The address keeps its other failures, so an own account does not clear them."""
        self._by_account.forget(_source(address, account))
        self._by_address.give_back(address, now)


def _source(address: str, account: str) -> str:
    return f"{address} {account}"
