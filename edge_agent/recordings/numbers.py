"""Read a number as people and programs write it. Pure."""

import math
import re

_POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_POINTS_IN_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+", re.ASCII)
_COMMAS_IN_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+", re.ASCII)
_THOUSAND = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+", re.ASCII)
_NO_VALUE = frozenset({"", "-", "--", "na", "n/a", "nan", "null", "none", "nil"})


class UnreadableCellError(ValueError):
    """A cell that cannot be read; the message names the fault."""


def parse_number(text: str, *, comma_is_decimal: bool) -> float | None:
    """8.5, 8,5, 1.234,5 or 1e3 -> number; an empty cell, NA or NaN -> None. Raises UnreadableCellError.

    comma_is_decimal  the file separates its columns by something else than a comma, so that 1,234 is 1.234
    """
    text = text.strip()
    if _POINT.fullmatch(text):
        return _finite(text, text)
    if text.lower() in _NO_VALUE:
        return None
    if _POINTS_IN_THOUSANDS.fullmatch(text):
        return _finite(text.replace(".", "").replace(",", "."), text)
    if _COMMAS_IN_THOUSANDS.fullmatch(text):
        return _finite(text.replace(",", ""), text)
    if _COMMA.fullmatch(text):
        if _THOUSAND.fullmatch(text) and not comma_is_decimal:
            raise UnreadableCellError(f"{shorten(text)} may be a decimal comma or thousands; write a decimal point")
        return _finite(text.replace(",", "."), text)
    raise UnreadableCellError(f"{shorten(text)} is no number")


def _finite(digits: str, text: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UnreadableCellError(f"{shorten(text)} is larger than any number")
    return number


def shorten(text: str) -> str:
    """A cell as it appears in a sentence."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
