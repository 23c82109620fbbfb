"""Ranges of indices as one array. Pure."""

import numpy as np
from numpy.typing import NDArray


def expand_spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.intp]:
    """Concatenate the ranges `starts[i], starts[i] + 1, ...` of `lengths[i]` elements."""
    before = np.cumsum(lengths) - lengths
    spans: NDArray[np.intp] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return spans
