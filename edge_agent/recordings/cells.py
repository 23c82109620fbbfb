"""Cells that are no numbers: names of properties, flags, hours and dates. Pure."""

from functools import lru_cache

from edge_agent.recordings import names
from edge_agent.recordings.numbers import UnreadableCellError, parse_number, shorten
from edge_agent.wire import Flag


@lru_cache(maxsize=1000)
def name_property(text: str) -> str:
    """Property that a cell names. Raises UnreadableCellError."""
    observed_property = names.name_property(text)
    if observed_property is None:
        raise UnreadableCellError(f"{shorten(text)} is no property")
    return observed_property


@lru_cache(maxsize=1000)
def parse_flags(text: str) -> int:
    """`out_of_range stuck` or the number of the bits -> bits. Raises UnreadableCellError."""
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text) < 1 << 31:
        return int(text)
    bits = 0
    for name in text.split():
        if name.upper() not in Flag.__members__:
            raise UnreadableCellError(f"{shorten(name)} is no flag")
        bits |= Flag[name.upper()]
    return bits


def read_hour(text: str) -> int:
    """Hour of the day, 0 to 24. Raises UnreadableCellError."""
    hour = parse_number(text)
    if hour is None or not 0 <= hour <= 24 or hour != int(hour):
        raise UnreadableCellError(f"{shorten(text)} is no hour from 1 to 24")
    return int(hour)


def date_of_knmi(text: str) -> str:
    """20261121 -> the beginning of that day."""
    digits = text.strip()
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        raise UnreadableCellError(f"{shorten(text)} is no date YYYYMMDD")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]} 00:00"
