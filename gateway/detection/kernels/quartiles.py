"""Quartiles of a few values, fast: a sorting network has no mispredicted branch.

Batcher's odd-even merge sort (AFIPS 32, 307): 5, 19, 63 and 191 comparisons for 4, 8, 16 and 32 values.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_VALUES = 32


def _build_network(n: int) -> list[tuple[int, int]]:
    """Return the pairs of places to compare, in order."""
    pairs = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                lows = range(j, j + min(k, n - j - k))
                pairs += [(i, i + k) for i in lows if i // (2 * p) == (i + k) // (2 * p)]
            k //= 2
        p *= 2
    return pairs


_NETWORKS = np.array(_build_network(4) + _build_network(8) + _build_network(16) + _build_network(32), np.uint8)
_NETWORK_4_END, _NETWORK_8_END, _NETWORK_16_END, _NETWORK_32_END = 5, 5 + 19, 5 + 19 + 63, 5 + 19 + 63 + 191


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def sort_in_place(a: NDArray[np.float64], n: int) -> None:
    """Sort a[:n] in place, n <= 32; the rest of `a` (32,) is lost."""
    begin, end, padded_size = _NETWORK_16_END, _NETWORK_32_END, 32
    if n <= 4:
        begin, end, padded_size = 0, _NETWORK_4_END, 4
    elif n <= 8:
        begin, end, padded_size = _NETWORK_4_END, _NETWORK_8_END, 8
    elif n <= 16:
        begin, end, padded_size = _NETWORK_8_END, _NETWORK_16_END, 16
    for i in range(n, padded_size):
        a[i] = np.inf
    for k in range(begin, end):
        i, j = _NETWORKS[np.uint64(k), 0], _NETWORKS[np.uint64(k), 1]
        x, y = a[i], a[j]
        less = x < y
        a[i] = x if less else y
        a[j] = y if less else x


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def interpolate(sorted_values: NDArray[np.float64], position: float) -> float:
    """The value at a place between two."""
    k = int(position)
    fraction = position - k
    if fraction == 0.0:
        return float(sorted_values[k])
    return float(sorted_values[k] + fraction * (sorted_values[k + 1] - sorted_values[k]))


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def compute_quartiles(a: NDArray[np.float64], n: int) -> tuple[float, float, float]:
    """The quartiles of a[:n], interpolated linearly as numpy does; 1 <= n <= 32. `a` (32,) is put in order."""
    sort_in_place(a, n)
    last_index = n - 1
    return interpolate(a, 0.25 * last_index), interpolate(a, 0.5 * last_index), interpolate(a, 0.75 * last_index)
