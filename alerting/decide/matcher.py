"""Matchers on an alert's labels, written as in Alertmanager: `area="ijmond"`, `severity=~"severe|extreme"`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Generic, Self, TypeVar

from msgspec import Struct

from alerting.errors import SettingsError

T = TypeVar("T")

_PATTERN = re.compile(r'\s*(?P<label>[a-z_]+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"\s*')
LABELS = ("area", "site", "station", "property", "severity", "kind", "late")
_LABELS_NARROWEST_FIRST = ("station", "site", "area", "property", "kind", "severity", "late")
Labels = Mapping[str, str | tuple[str, ...]]
_Entry = tuple[int, T, tuple[Callable[[Labels], bool], ...]]  # position, item, tests that the index does not answer


class Matcher(Struct, frozen=True, kw_only=True, gc=False):
    """One condition; a regular expression must match the whole value."""

    label: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one matcher. Raises SettingsError, which states the error."""
        match = _PATTERN.fullmatch(text)
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
        """Return whether the labels match; a missing label counts as empty, of several values one must match."""
        equal = any(self._equals(value) for value in label_values(labels.get(self.label, "")) or ("",))
        return equal != self.operator.startswith("!")

    def _equals(self, label_value: str) -> bool:
        return (
            _compile_pattern(self.value).fullmatch(label_value) is not None
            if "~" in self.operator
            else label_value == self.value
        )

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


def label_values(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return a label's values as a tuple."""
    return (value,) if isinstance(value, str) else value


@cache
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _compile_test(matcher: Matcher) -> Callable[[Labels], bool]:
    """Return `matcher.matches`, with the pattern compiled beforehand."""
    label, matches = matcher.label, matcher.matches
    if matcher.operator != "=~":
        return matches
    fullmatch = _compile_pattern(matcher.value).fullmatch

    def matches_pattern(labels: Labels) -> bool:
        label_value = labels.get(label, "")
        return fullmatch(label_value) is not None if isinstance(label_value, str) else matches(labels)

    return matches_pattern


class MatcherIndex(Generic[T]):
    """Items with matchers, looked up by an alert's labels.

    Each item is indexed by its narrowest equality, so that ten thousand silences of single stations cost
    one look-up and not ten thousand comparisons.
    """

    def __init__(self, items: Sequence[tuple[T, Sequence[str]]]) -> None:
        """`items`: (item, its matchers as text), in order. Raises SettingsError if a matcher cannot be read."""
        self._by_equality: dict[tuple[str, str], list[_Entry[T]]] = {}
        self._unindexed: list[_Entry[T]] = []
        for number, (item, texts) in enumerate(items):
            matchers = [Matcher.parse(text) for text in texts]
            # an equality with the empty string also matches a missing label, which no look-up finds
            equalities = [matcher for matcher in matchers if matcher.operator == "=" and matcher.value]
            if equalities:
                key = min(equalities, key=lambda matcher: _LABELS_NARROWEST_FIRST.index(matcher.label))
                tests = tuple(_compile_test(matcher) for matcher in matchers if matcher != key)
                self._by_equality.setdefault((key.label, key.value), []).append((number, item, tests))
            else:
                self._unindexed.append((number, item, tuple(map(_compile_test, matchers))))

    def find_matching(self, labels: Labels) -> Iterator[T]:
        """Yield the items whose matchers all match, in their original order."""
        pairs = [(label, value) for label, label_value in labels.items() for value in label_values(label_value)]
        candidates = [entry for pair in pairs for entry in self._by_equality.get(pair, ())]
        entries = sorted(candidates + self._unindexed, key=itemgetter(0)) if candidates else self._unindexed
        for _, item, tests in entries:
            for test in tests:
                if not test(labels):
                    break
            else:
                yield item
