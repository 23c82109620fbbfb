"""Matchers on an alert's labels, written as in Alertmanager: `area="ijmond"`, `severity=~"severe|extreme"`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Generic, Self, TypeVar

from msgspec import Struct

from alerting.decide.pattern import Pattern, compile_pattern
from alerting.errors import SettingsError

T = TypeVar("T")

_PATTERN = re.compile(r'\s*(?P<label>[a-z_]+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"\s*')
LABELS = ("area", "site", "station", "property", "severity", "kind", "late")
_LABELS_NARROWEST_FIRST = ("station", "site", "area", "property", "kind", "severity", "late")
MAX_TOTAL_COST = 200_000  # of all patterns of an index: one alert then takes at most some 60 ms
_CALL_COST = 20  # a call of RE2, in instructions
_TOO_MANY = (
    "there are too many regular expressions before this one; name values with = where that is possible, or end others"
)
_MAX_QUOTED = 200  # characters of a matcher in a sentence
Labels = Mapping[str, str | tuple[str, ...]]
_Entry = tuple[int, T, tuple[Callable[[Labels], bool], ...]]  # position, item, tests that the index does not answer


class Matcher(Struct, frozen=True, kw_only=True, gc=False):
    """One condition; a regular expression must match the whole value."""

    label: str
    operator: str
    value: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one matcher without compiling its pattern. Raises SettingsError, which states the error."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise SettingsError(f'matcher {_quote(text)}: write label="value", with =, !=, =~ or !~')
        if match["label"] not in LABELS:
            raise SettingsError(f"matcher {_quote(text)}: no label {match['label']!r}; there are {', '.join(LABELS)}")
        return cls(label=match["label"], operator=match["operator"], value=match["value"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one matcher that can be evaluated. Raises SettingsError, which names the matcher and the remedy."""
        matcher = cls.read(text)
        try:
            _ = matcher.pattern
        except SettingsError as error:
            raise SettingsError(f"matcher {_quote(text)}: {error}") from None
        return matcher

    @property
    def pattern(self) -> Pattern | None:
        """The compiled regular expression; None for an equality. Raises SettingsError."""
        return compile_pattern(self.value) if "~" in self.operator else None

    @property
    def cost(self) -> int:
        """The instructions that one test takes at most, per character of a label. Raises SettingsError."""
        pattern = self.pattern
        return 0 if pattern is None else _CALL_COST + pattern.instructions

    def matches(self, labels: Labels) -> bool:
        """Return whether the labels match; a missing label counts as empty, of several values one must match."""
        return self.compile_test()(labels)

    def compile_test(self) -> Callable[[Labels], bool]:
        """Return the function that tests labels, with the pattern compiled beforehand."""
        pattern = self.pattern
        equals = self.value.__eq__ if pattern is None else pattern.matches
        label, is_negated = self.label, self.operator.startswith("!")

        def test(labels: Labels) -> bool:
            label_value = labels.get(label, "")
            if isinstance(label_value, str):
                return equals(label_value) != is_negated
            return any(equals(value) for value in label_value or ("",)) != is_negated

        return test

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


def label_values(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return a label's values as a tuple."""
    return (value,) if isinstance(value, str) else value


def _quote(text: str) -> str:
    return repr(text) if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]!r}..."


class MatcherIndex(Generic[T]):
    """Items with matchers, looked up by an alert's labels.

    Each item is indexed by its narrowest equality, so that ten thousand silences of single stations cost
    one look-up and not ten thousand comparisons.

    set_aside   items that are left out because they cannot be evaluated, each with the reason in one sentence
    """

    def __init__(self, items: Sequence[tuple[T, Sequence[str]]]) -> None:
        """`items`: (item, its matchers as text), in order. One that cannot be evaluated stops none of the others."""
        self._by_equality: dict[tuple[str, str], list[_Entry[T]]] = {}
        self._unindexed: list[_Entry[T]] = []
        self._remaining_cost = MAX_TOTAL_COST
        self.set_aside: list[tuple[T, str]] = []
        for number, (item, texts) in enumerate(items):
            try:
                self._add(number, item, self._parse(texts))
            except SettingsError as error:
                self.set_aside.append((item, str(error)))

    def _parse(self, texts: Sequence[str]) -> list[Matcher]:
        """Raises SettingsError if a matcher cannot be evaluated, or if all patterns together are too large."""
        matchers = [Matcher.parse(text) for text in texts]
        cost = sum(matcher.cost for matcher in matchers)
        if cost > self._remaining_cost:
            raise SettingsError(_TOO_MANY)
        self._remaining_cost -= cost
        return matchers

    def _add(self, number: int, item: T, matchers: Sequence[Matcher]) -> None:
        # an equality with the empty string also matches a missing label, which no look-up finds
        equalities = [matcher for matcher in matchers if matcher.operator == "=" and matcher.value]
        if not equalities:
            self._unindexed.append((number, item, tuple(matcher.compile_test() for matcher in matchers)))
            return
        key = min(equalities, key=lambda matcher: _LABELS_NARROWEST_FIRST.index(matcher.label))
        tests = tuple(matcher.compile_test() for matcher in matchers if matcher != key)
        self._by_equality.setdefault((key.label, key.value), []).append((number, item, tests))

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
