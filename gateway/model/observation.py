"""Observations as structs of arrays: decoding builds them, the flagger flags them, the detector reads them.

One row is one value of one datastream. Rows are in the order of their micro-batches, within one by the first time and
the key of their payload, within a payload by property and time. Every later step and the stored batches keep that
order, so that a detector can be run again over exactly the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FlagArray = NDArray[np.int32]
SlotArray = NDArray[np.int32]
IndexArray = NDArray[np.integer | np.bool_]
Column = NDArray[np.generic]

_NEUTRAL_VALUES: dict[str, tuple[float, type[np.generic]]] = {
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
    batch        int32    index of its ReadingBatch
    observed_at  int64    ms UTC, the time that is believed: the node's stamp, or what dated it again
    value        float64  in the property's unit; NaN if the sensor returned none
    flags        int32    bits of edge_agent.wire.Flag
    rh           float64  relative humidity at the station, %; NaN if unknown
    wind_speed, wind_direction  float64  m/s and degrees from north; NaN if unknown
    late         bool     from the backlog lane (`hist`): stored and detected on later, never live
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
        datastream: Sequence[int] | Column,
        observed_at: Sequence[int] | Column,
        value: Sequence[float] | Column,
        **columns: Sequence[float] | Column,
    ) -> Self:
        """Build a batch from some columns; the others get their neutral value."""
        length = len(observed_at)
        optional_columns = {
            name: np.ascontiguousarray(columns[name], dtype) if name in columns else np.full(length, fill, dtype)
            for name, (fill, dtype) in _NEUTRAL_VALUES.items()
        }
        return cls(
            datastream=np.ascontiguousarray(datastream, np.int32),
            observed_at=np.ascontiguousarray(observed_at, np.int64),
            value=np.ascontiguousarray(value, np.float64),
            **optional_columns,
        )

    @classmethod
    def concatenate(cls, batches: Sequence[Self]) -> Self:
        """Return the rows of all batches, at least one, in their order; `batch` keeps counting within each."""
        if len(batches) == 1:
            return batches[0]
        return cls(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in cls.__slots__})

    def __getitem__(self, rows: slice | IndexArray) -> Self:
        """The chosen rows, in the order given."""
        return type(self)(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def non_neutral_columns(self) -> dict[str, Column]:
        """Columns that `from_columns` needs to build an equal batch; the neutral ones are half of most batches."""
        return {name: column for name in self.__slots__ if not _is_neutral(name, column := getattr(self, name))}

    def with_flags(self, flags: FlagArray) -> Self:
        """The same rows with other flags."""
        return replace(self, flags=flags)


def _is_neutral(name: str, column: Column) -> bool:
    if name not in _NEUTRAL_VALUES:
        return False
    return bool(np.isnan(column).all()) if column.dtype == np.float64 else not column.any()
