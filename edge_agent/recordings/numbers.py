"""Read a number as people and programs write it. Pure.

1.234 is a thousand in a file with decimal commas, and 1,234 is one in a file with decimal points. The other numbers of
the file decide it.
"""

import math
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cached_property

_POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_POINTS_IN_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})", re.ASCII)
_COMMAS_IN_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})", re.ASCII)
_THOUSAND = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)  # or a decimal mark and three digits
_SPACES_IN_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
_MINUS = str.maketrans("\u2212\u2013", "--")
_NO_VALUE = frozenset(
    {"", "-", "--", "---", ".", "na", "n/a", "n.a.", "#n/a", "#n/b", "nan", "-nan", "<na>", "null", "none", "nil",
     "nvt", "n.v.t.", "nb", "n.b.", "nodata", "no data", "geen data", "missing", "unavailable", "unknown", "undefined"}
)  # fmt: skip


class UnreadableCellError(ValueError):
    """A cell that cannot be read; the message names the fault."""


class DecimalMark(StrEnum):
    """The mark before the decimals of a file's numbers."""

    POINT = "."
    COMMA = ","


def prove_decimal_mark(text: str) -> DecimalMark | None:
    """Return the decimal mark that a number proves: 8,5 and 1.234,5 the comma, 8.5 the point, 8 and 1.234 neither."""
    text = text.strip()
    if _THOUSAND.fullmatch(text):
        return None
    if _POINTS_IN_THOUSANDS.fullmatch(text) or ("," in text and _COMMA.fullmatch(text)):
        return DecimalMark.COMMA
    if _COMMAS_IN_THOUSANDS.fullmatch(text) or ("." in text and _POINT.fullmatch(text)):
        return DecimalMark.POINT
    return None


class NumberReader:
    """Reads the numbers of one file.

    comma_is_separator  the file separates its cells by commas, so that 1,234 alone proves nothing
    texts               gives the cells with numbers again, for a number that another one must decide
    """

    def __init__(self, *, comma_is_separator: bool, texts: Callable[[], Iterable[str]]) -> None:
        self._comma_is_separator, self._texts = comma_is_separator, texts

    def read(self, text: str) -> float | None:
        """8.5, 8,5, 1.234,5 or 1e3 -> number; an empty cell, NA or NaN -> None. Raises UnreadableCellError."""
        text = text.strip()
        if text[-4:-3] in {".", ","} and _THOUSAND.fullmatch(text):
            return float(text.replace(text[-4], "" if self._is_thousand(text) else "."))
        return parse_number(text)

    def _is_thousand(self, text: str) -> bool:
        mark = text[-4]
        if len(self._marks) > 1 or (not self._marks and mark == "," and self._comma_is_separator):
            raise UnreadableCellError(f"{shorten(text)} may be a decimal {_NAMES[mark]} or thousands; write 1234.5")
        return bool(self._marks) and mark not in self._marks

    @cached_property
    def _marks(self) -> set[str]:
        """The decimal marks that the numbers of the file prove."""
        return {mark for text in self._texts() if (mark := prove_decimal_mark(text)) is not None}


_NAMES = {".": "point", ",": "comma"}


def parse_number(text: str) -> float | None:
    """Return a number whose marks are clear by themselves, or None. Raises UnreadableCellError."""
    text = text.strip()
    if _POINT.fullmatch(text):
        return _finite(text, text)
    if text.lower() in _NO_VALUE:
        return None
    digits = _SPACES_IN_THOUSANDS.sub("", text.translate(_MINUS))
    if _POINTS_IN_THOUSANDS.fullmatch(digits):
        return _finite(digits.replace(".", "").replace(",", "."), text)
    if _COMMAS_IN_THOUSANDS.fullmatch(digits):
        return _finite(digits.replace(",", ""), text)
    if _COMMA.fullmatch(digits) or _POINT.fullmatch(digits):
        return _finite(digits.replace(",", "."), text)
    raise UnreadableCellError(f"{shorten(text)} is no number")


def _finite(digits: str, text: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UnreadableCellError(f"{shorten(text)} is larger than any number")
    return number


def shorten(text: str) -> str:
    """A cell as it appears in a sentence."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
