"""Observations as structs of arrays: what decoding makes, quality flags and detection reads.

One row is one value of one datastream. Rows stand in the order in which the gateway took them
in: payload by payload, within a payload property by property, as the node listed them. Every later
step keeps that order; the stored batches keep it for ever, so that a detector can be run again over
exactly what it saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FlagArray = NDArray[np.int32]
SlotArray = NDArray[np.int32]


_DEFAULTS: dict[str, tuple[Any, type[np.generic]]] = {
    "batch": (0, np.int32),
    "flags": (0, np.int32),
    "rh": (np.nan, np.float64),
    "wind_speed": (np.nan, np.float64),
    "wind_direction": (np.nan, np.float64),
    "late": (False, np.bool_),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservationBatch:
    """n observations in columns; all arrays have shape (n,).

    datastream   int32    slot of the datastream in the registry (not its database id)
    batch        int32    index of the ReadingBatch it came from, in the order of arrival
    observed_at  int64    ms UTC, the node's own stamp, never rewritten
    value        float64  in the property's unit; NaN where the sensor gave none
    flags        int32    bits of edge_agent.wire.Flag
    rh           float64  relative humidity at the station, %, NaN where unknown
    wind_speed, wind_direction  float64  m/s and degrees from north, NaN where unknown
    late         bool     from the backlog lane (`hist`): stored and re-detected, never live
    """

    datastream: SlotArray
    batch: SlotArray
    observed_at: IntArray
    value: FloatArray
    flags: FlagArray
    rh: FloatArray
    wind_speed: FloatArray
    wind_direction: FloatArray
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.observed_at)

    @classmethod
    def from_columns(
        cls,
        datastream: Sequence[int] | NDArray[Any],
        observed_at: Sequence[int] | NDArray[Any],
        value: Sequence[float] | NDArray[Any],
        **columns: Sequence[float] | NDArray[Any],
    ) -> Self:
        """A batch from the columns at hand; the others get their neutral value."""
        length = len(observed_at)
        optional_columns = {
            name: np.ascontiguousarray(columns[name], dtype) if name in columns else np.full(length, fill, dtype)
            for name, (fill, dtype) in _DEFAULTS.items()
        }
        return cls(
            datastream=np.ascontiguousarray(datastream, np.int32),
            observed_at=np.ascontiguousarray(observed_at, np.int64),
            value=np.ascontiguousarray(value, np.float64),
            **optional_columns,
        )

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """The chosen rows, in the order given."""
        return type(self)(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the columns that say nothing, which are half of most rows."""
        columns = {name: column for name in self.__slots__ if not _is_default(name, column := getattr(self, name))}
        return partial(type(self).from_columns, **columns), ()

    def with_flags(self, flags: FlagArray) -> Self:
        """The same rows with other flags."""
        return replace(self, flags=flags)


def _is_default(name: str, column: NDArray[Any]) -> bool:
    if name not in _DEFAULTS:
        return False
    return bool(np.isnan(column).all()) if column.dtype == np.float64 else not column.any()
