"""The meaning of each column of a file: the result of recognising a format, and the input of reading its rows. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from edge_agent.recordings.times import DayOrder
from edge_agent.recordings.units import same


class RecordingOptions(Struct, frozen=True, kw_only=True):
    """The options of an operator for a file.

    format      name of its format; None: recognised
    columns     role (time, date, station, property, value, flags) or property -> name of the column
    time_zone   zone of times without an offset
    day_order   how 3-4-2026 is read; None: the file decides
    station     station of a file without a column of stations; None: the name of the file
    model       sensor model whose row judges the values; None: the one that the file or its format names
    """

    format: str | None = None
    columns: Mapping[str, str] = {}
    time_zone: str | None = None
    day_order: DayOrder | None = None
    station: str | None = None
    model: str | None = None


class ValueColumn(NamedTuple):
    """A column of numbers.

    cell               index of the column
    observed_property  None: as in the row's column of properties
    station            None: the row's column of stations, or the file
    convert            number of the file -> unit of the property
    no_value           numbers of the file that mean that there is no value
    is_condition       stands beside every property of its moment and is one value all the same
    """

    cell: int
    observed_property: str | None
    station: str | None = None
    convert: Callable[[float], float] = same
    no_value: frozenset[float] = frozenset()
    is_condition: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """Columns of one file.

    format       name of the format
    times        columns whose cells together are the time
    hour         column of hours (1 to 24) that are added to the date, if there is one
    zone         zone of times without an offset, if the format fixes it
    unit         column of units of the values, if there is one
    model        sensor model of all files of this format, or empty
    model_name   column that names the sensor model, if there is one
    is_model_needed  the columns have no meaning without a known sensor model
    flag_mask    flags of the file that count
    notes        sentences for the operator
    """

    format: str
    times: Sequence[int]
    columns: Sequence[ValueColumn]
    hour: int | None = None
    zone: str | None = None
    station: int | None = None
    observed_property: int | None = None
    flags: int | None = None
    unit: int | None = None
    model: str = ""
    model_name: int | None = None
    is_model_needed: bool = False
    flag_mask: int = (1 << 31) - 1
    notes: Sequence[str] = ()

    @property
    def used_cells(self) -> set[int]:
        """Indices of the columns that are read."""
        single = (self.hour, self.station, self.observed_property, self.flags, self.unit, self.model_name)
        indices = {*self.times, *(column.cell for column in self.columns)}
        return indices | {index for index in single if index is not None}
