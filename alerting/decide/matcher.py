"""Matchers on an alert's labels, written as in Alertmanager: `area="ijmond"`, `severity=~"severe|extreme"`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Generic, Self, TypeVar

from msgspec import Struct

from alerting.errors import SettingsError

T = TypeVar("T")

_FORM = re.compile(r'\s*(?P<label>[a-z_]+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"\s*')
LABELS = ("area", "site", "station", "property", "severity", "kind", "late")
_NARROWEST = ("station", "site", "area", "property", "kind", "severity", "late")
Labels = Mapping[str, str | tuple[str, ...]]
_Entry = tuple[int, T, tuple[Callable[[Labels], bool], ...]]  # its number, itself, what is left to be asked


class Matcher(Struct, frozen=True, kw_only=True, gc=False):
    """One condition; a regular expression must fit the whole value."""

    label: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one matcher, or SettingsError with what is wrong."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise SettingsError(f'matcher {text!r}: write label="value", with =, !=, =~ or !~')
        if match["label"] not in LABELS:
            raise SettingsError(f"matcher {text!r}: no label {match['label']!r}; there are {', '.join(LABELS)}")
        if match["operator"] in {"=~", "!~"}:
            try:
                re.compile(match["value"])
            except re.error as error:
                raise SettingsError(f"matcher {text!r}: {error}") from None
        return cls(label=match["label"], operator=match["operator"], value=match["value"])

    def matches(self, labels: Labels) -> bool:
        """Whether the labels fulfil it; a label that is not there counts as empty, of several values one must fit."""
        equal = any(self._equals(value) for value in values(labels.get(self.label, "")) or ("",))
        return equal != self.operator.startswith("!")

    def _equals(self, found: str) -> bool:
        return _compiled(self.value).fullmatch(found) is not None if "~" in self.operator else found == self.value

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


def values(found: str | tuple[str, ...]) -> tuple[str, ...]:
    """A label's values, one or several."""
    return (found,) if isinstance(found, str) else found


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _test(matcher: Matcher) -> Callable[[Labels], bool]:
    """`matcher.matches`, with all that is known beforehand looked up beforehand."""
    label, matches = matcher.label, matcher.matches
    if matcher.operator != "=~":
        return matches
    fullmatch = _compiled(matcher.value).fullmatch

    def fits(labels: Labels) -> bool:
        found = labels.get(label, "")
        return fullmatch(found) is not None if isinstance(found, str) else matches(labels)

    return fits


class Matching(Generic[T]):
    """Things with matchers, found by the labels they fit.

    Each is filed under its narrowest equality, so that ten thousand silences of single stations cost
    one look-up and not ten thousand comparisons.
    """

    def __init__(self, things: Sequence[tuple[T, Sequence[str]]]) -> None:
        """`things`: (the thing, its matchers as text), in order."""
        self._filed: dict[tuple[str, str], list[_Entry[T]]] = {}
        self._others: list[_Entry[T]] = []
        for number, (thing, texts) in enumerate(things):
            matchers = [Matcher.parse(text) for text in texts]
            # an equality with nothing also fits a label that is not there, so nothing can be filed under it
            equalities = [matcher for matcher in matchers if matcher.operator == "=" and matcher.value]
            if equalities:
                key = min(equalities, key=lambda matcher: _NARROWEST.index(matcher.label))
                left = tuple(_test(matcher) for matcher in matchers if matcher != key)
                self._filed.setdefault((key.label, key.value), []).append((number, thing, left))
            else:
                self._others.append((number, thing, tuple(map(_test, matchers))))

    def fitting(self, labels: Labels) -> Iterator[T]:
        """All that fit, in the order they were given in."""
        pairs = [(label, value) for label, found in labels.items() for value in values(found)]
        candidates = [entry for pair in pairs for entry in self._filed.get(pair, ())]
        found = sorted(candidates + self._others, key=itemgetter(0)) if candidates else self._others
        for _, thing, tests in found:
            for test in tests:
                if not test(labels):
                    break
            else:
                yield thing
