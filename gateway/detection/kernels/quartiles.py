"""Quartiles of a few values, fast: a sorting network has no branch to guess wrong.

Batcher's odd-even merge sort (AFIPS 32, 307): 5, 19, 63 and 191 comparisons for 4, 8, 16 and 32 values.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

MOST = 32


def _network(n: int) -> list[tuple[int, int]]:
    """Which places to compare, one pair after the other."""
    found = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                low = range(j, j + min(k, n - j - k))
                found += [(i, i + k) for i in low if i // (2 * p) == (i + k) // (2 * p)]
            k //= 2
        p *= 2
    return found


_NETWORKS = np.array(_network(4) + _network(8) + _network(16) + _network(32), np.uint8)
_END_4, _END_8, _END_16, _END_32 = 5, 5 + 19, 5 + 19 + 63, 5 + 19 + 63 + 191


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def put_in_order(a: NDArray[np.float64], n: int) -> None:
    """Sort a[:n] in place, n <= 32; the rest of `a` (32,) is lost."""
    begin, end, full = _END_16, _END_32, 32
    if n <= 4:
        begin, end, full = 0, _END_4, 4
    elif n <= 8:
        begin, end, full = _END_4, _END_8, 8
    elif n <= 16:
        begin, end, full = _END_8, _END_16, 16
    for i in range(n, full):
        a[i] = np.inf
    for k in range(begin, end):
        i, j = _NETWORKS[np.uint64(k), 0], _NETWORKS[np.uint64(k), 1]
        x, y = a[i], a[j]
        less = x < y
        a[i] = x if less else y
        a[j] = y if less else x


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def interpolated(ordered: NDArray[np.float64], place: float) -> float:
    """The value at a place between two."""
    k = int(place)
    part = place - k
    if part == 0.0:
        return float(ordered[k])
    return float(ordered[k] + part * (ordered[k + 1] - ordered[k]))


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def quarters(a: NDArray[np.float64], n: int) -> tuple[float, float, float]:
    """The quartiles of a[:n], interpolated linearly as numpy does; 1 <= n <= 32. `a` (32,) is put in order."""
    put_in_order(a, n)
    last = n - 1
    return interpolated(a, 0.25 * last), interpolated(a, 0.5 * last), interpolated(a, 0.75 * last)
