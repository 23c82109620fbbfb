"""Parser of `$filter` and `$orderby`: text to the nodes of `query`. Pure; knows no entities.

Recursive descent over the tokens of one regular expression, with a bound on nodes and depth, so that no text costs more
than its length. Raises BadQueryError with the place of the mistake, UnsupportedError for OData that is not offered.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.api.sensorthings.errors import BadQueryError, UnsupportedError
from gateway.api.sensorthings.literals import (
    parse_date,
    parse_duration,
    parse_geometry,
    parse_interval,
    parse_time,
    parse_time_of_day,
)
from gateway.api.sensorthings.query import (
    MAX_EXPRESSION_DEPTH,
    MAX_EXPRESSION_NODES,
    MAX_ORDER_TERMS,
    MAX_PATH_STEPS,
    Arithmetic,
    ComparisonNode,
    Expression,
    FunctionCall,
    ListMembership,
    Literal,
    Logical,
    Not,
    OrderTerm,
    Path,
    Value,
)

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[-+ ]\d\d:?\d\d)?"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<geometry>(?i:geography|geometry)'(?:[^']|'')*')
  | (?P<duration>(?i:duration)'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<interval>{_TIME}/{_TIME})
  | (?P<time>{_TIME})
  | (?P<date>\d{{4}}-\d\d-\d\d)
  | (?P<day_time>\d\d:\d\d:\d\d(?:\.\d{{1,6}})?)
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
  | (?P<name>[A-Za-z_@][\w.@]*)
  | (?P<sign>[(),/:])
    )\s*""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}
_RESERVED = _COMPARISONS | {"and", "or", "not", "add", "sub", "mul", "div", "mod", "in", "asc", "desc"}
_MAX_DIGITS = 30
_TIME_PARSERS: Mapping[str, Callable[[str], Value]] = {
    "time": parse_time,
    "interval": parse_interval,
    "date": parse_date,
    "day_time": parse_time_of_day,
}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_filter(text: str) -> Expression:
    """The expression of a `$filter`."""
    parser = _Parser(text, "$filter")
    expression = parser.parse_or(0)
    parser.expect_end()
    return expression


def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """The terms of an `$orderby`."""
    parser = _Parser(text, "$orderby")
    terms = [parser.parse_order_term()]
    while parser.take_sign(","):
        terms.append(parser.parse_order_term())
    parser.expect_end()
    if len(terms) > MAX_ORDER_TERMS:
        raise BadQueryError(f"$orderby: at most {MAX_ORDER_TERMS} terms")
    return tuple(terms)


def _tokenise(text: str, option: str) -> list[_Token]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if not text[position:].strip():
                break
            raise BadQueryError(f"{option}: cannot read {text[position : position + 20]!r} at character {position + 1}")
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, text: str, option: str) -> None:
        self._tokens, self._option = _tokenise(text, option), option
        self._index = self._nodes = 0

    def parse_order_term(self) -> OrderTerm:
        """An expression with its direction, in any case: clients write `DESC`."""
        expression = self._parse_sum(0)
        token = self._peek()
        direction = token.text.lower() if token is not None and token.kind == "name" else ""
        if direction in {"asc", "desc"}:
            self._index += 1
        return OrderTerm(expression, direction == "desc")

    def parse_or(self, depth: int) -> Expression:
        """The lowest rank."""
        return self._parse_chain({"or"}, self._parse_and, Logical, depth)

    def expect_end(self) -> None:
        """Raise unless everything was read."""
        token = self._peek()
        if token is not None:
            raise self._problem("did not expect", token)

    def take_sign(self, sign: str) -> bool:
        """Whether the next token is this sign, which is then read."""
        token = self._peek()
        is_there = token is not None and token.kind == "sign" and token.text == sign
        self._index += is_there
        return is_there

    def _parse_and(self, depth: int) -> Expression:
        return self._parse_chain({"and"}, self._parse_not, Logical, depth)

    def _parse_not(self, depth: int) -> Expression:
        if self._take_word({"not"}):
            self._count(depth)
            return Not(self._parse_not(depth + 1))
        return self._parse_comparison(depth)

    def _parse_comparison(self, depth: int) -> Expression:
        left = self._parse_sum(depth)
        if self._take_word({"in"}):
            self._count(depth)
            return ListMembership(left, self._parse_items())
        word = self._take_word(_COMPARISONS)
        if word is None:
            return left
        self._count(depth)
        return ComparisonNode(word, left, self._parse_sum(depth))

    def _parse_items(self) -> tuple[Literal, ...]:
        self._expect_sign("(")
        items = []
        while True:
            item = self._parse_primary(MAX_EXPRESSION_DEPTH)
            if not isinstance(item, Literal):
                raise BadQueryError(f"{self._option}: `in` takes a list of constants")
            items.append(item)
            if not self.take_sign(","):
                break
        self._expect_sign(")")
        return tuple(items)

    def _parse_sum(self, depth: int) -> Expression:
        return self._parse_chain({"add", "sub"}, self._parse_product, Arithmetic, depth)

    def _parse_product(self, depth: int) -> Expression:
        return self._parse_chain({"mul", "div", "mod"}, self._parse_primary, Arithmetic, depth)

    def _parse_chain(
        self,
        words: set[str],
        parse: Callable[[int], Expression],
        build: Callable[[str, Expression, Expression], Expression],
        depth: int,
    ) -> Expression:
        """Operands of one rank, from left to right."""
        expression = parse(depth)
        while word := self._take_word(words):
            self._count(depth)
            expression = build(word, expression, parse(depth))
        return expression

    def _parse_primary(self, depth: int) -> Expression:
        self._count(depth)
        token = self._peek()
        if token is None:
            raise BadQueryError(f"{self._option}: ends too early")
        self._index += 1
        if token.kind == "sign":
            if token.text != "(":
                raise self._problem("did not expect", token)
            inner = self.parse_or(depth + 1)
            self._expect_sign(")")
            return inner
        if token.kind == "name":
            return self._parse_name(token, depth)
        return Literal(self._parse_constant(token))

    def _parse_name(self, token: _Token, depth: int) -> Expression:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text in _RESERVED:
            raise self._problem("did not expect", token)
        if self.take_sign("("):
            arguments: list[Expression] = []
            if not self.take_sign(")"):
                arguments.append(self.parse_or(depth + 1))
                while self.take_sign(","):
                    arguments.append(self.parse_or(depth + 1))
                self._expect_sign(")")
            return FunctionCall(token.text, tuple(arguments))
        names = [token.text]
        while self.take_sign("/"):
            step = self._peek()
            if step is None or step.kind not in {"name", "number"}:
                raise BadQueryError(f"{self._option}: a name is missing after '/'")
            self._index += 1
            following = self._peek()
            if step.text in {"any", "all"} and following is not None and following.text == "(":
                raise UnsupportedError(f"{self._option}: `{step.text}` is not supported; name the path without it")
            names.append(step.text)
        if len(names) > MAX_PATH_STEPS:
            raise BadQueryError(f"{self._option}: a path has at most {MAX_PATH_STEPS} names")
        return Path(tuple(names))

    def _parse_constant(self, token: _Token) -> Value:
        text = token.text
        if token.kind == "number":
            if len(text) > _MAX_DIGITS:
                raise BadQueryError(f"{self._option}: {text[:20]!r} has more than {_MAX_DIGITS} digits")
            number = int(text) if text.lstrip("-").isdecimal() else float(text)
            return number if isinstance(number, int) and abs(number) < 2**63 else _finite(float(number), self._option)
        if token.kind in _TIME_PARSERS:
            return _TIME_PARSERS[token.kind](text)
        inner = text[text.index("'") + 1 : -1].replace("''", "'")
        if "\0" in inner:
            raise BadQueryError(f"{self._option}: holds a NUL character")
        if token.kind == "geometry":
            return parse_geometry(inner)
        return parse_duration(inner) if token.kind == "duration" else inner

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_EXPRESSION_NODES:
            raise BadQueryError(f"{self._option}: more than {MAX_EXPRESSION_NODES} parts; ask for less at a time")
        if depth > MAX_EXPRESSION_DEPTH:
            raise BadQueryError(f"{self._option}: more than {MAX_EXPRESSION_DEPTH} levels deep")

    def _peek(self) -> _Token | None:
        return self._tokens[self._index] if self._index < len(self._tokens) else None

    def _take_word(self, words: set[str] | frozenset[str]) -> str | None:
        token = self._peek()
        if token is None or token.kind != "name" or token.text not in words:
            return None
        self._index += 1
        return token.text

    def _expect_sign(self, sign: str) -> None:
        if not self.take_sign(sign):
            token = self._peek()
            where = "at the end" if token is None else f"before {token.text[:20]!r} at character {token.at + 1}"
            raise BadQueryError(f"{self._option}: {sign!r} is missing {where}")

    def _problem(self, what: str, token: _Token) -> BadQueryError:
        return BadQueryError(f"{self._option}: {what} {token.text[:20]!r} at character {token.at + 1}")


def _finite(number: float, option: str) -> float:
    if abs(number) > 1e308:
        raise BadQueryError(f"{option}: a number is too large")
    return number
