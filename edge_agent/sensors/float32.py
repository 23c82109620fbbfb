"""Numbers that a sensor sends as 32-bit floats."""

import struct


def shortest_decimal(value: float) -> float:
    """A 32-bit float as the shortest decimal that means the same 32-bit float: 12.1, not 12.100000381469727."""
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.pack(">f", float(text)) == struct.pack(">f", value):
            return float(text)
    return float(f"{value:.9g}")
