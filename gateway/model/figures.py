"""Computed figures without the noise of binary fractions. Pure."""

_FORMAT = "{:.12g}".format


def round_figure(value: float) -> float:
    """Round to twelve significant digits."""
    return float(_FORMAT(value))


def shorten(value: float | None) -> float | None:
    """Round a computed value to twelve significant digits: 15.38, not 15.380000000000004. Readings stay as they are."""
    return None if value is None else round_figure(value)
