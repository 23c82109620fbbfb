"""The names of the columns of a file, and the columns of values among them. Pure."""

from collections.abc import Mapping, Sequence

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import units
from edge_agent.recordings.plan import ValueColumn
from edge_agent.recordings.units import Conversion


class Header:
    """The names of the columns of a file."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.texts = [cell.strip().lstrip("#").strip() for cell in cells]
        self._lower = [text.lower() for text in self.texts]

    def has(self, *columns: str) -> bool:
        """Whether all these columns are there."""
        return all(column in self._lower for column in columns)

    def find(self, *columns: str) -> int | None:
        """Index of the first of these columns that is there. Raises ConfigurationError if it is there twice."""
        for column in columns:
            if column in self._lower:
                if self._lower.count(column) > 1:
                    raise ConfigurationError(f"the column {column!r} stands there twice; rename one of the two")
                return self._lower.index(column)
        return None

    def index(self, *columns: str) -> int:
        """Index of a column that is there."""
        index = self.find(*columns)
        assert index is not None  # noqa: S101 - the format has recognised it
        return index


Columns = Mapping[str, tuple[str, Conversion]]  # column -> property and conversion


def choose_columns(header: Header, columns: Columns, *, condition: bool = False) -> list[ValueColumn]:
    """The columns that are there; of several with one property the first."""
    chosen: dict[str, ValueColumn] = {}
    for name, (observed_property, convert) in columns.items():
        index = header.find(name)
        if index is not None and observed_property not in chosen:
            chosen[observed_property] = ValueColumn(index, observed_property, convert=convert, is_condition=condition)
    return list(chosen.values())


def convert_columns(
    header: Header, columns: Mapping[str, int], *, is_condition: bool = False
) -> tuple[list[ValueColumn], list[str]]:
    """Return the columns with the conversion from their units, and a note for each whose unit is not read."""
    values, notes = [], []
    for name, index in columns.items():
        convert = units.find_header_conversion(header.texts[index], name)
        if convert is None:
            notes.append(f"the column {header.texts[index]!r} is not read: its unit is none of {name} that is read")
        else:
            values.append(ValueColumn(index, name, convert=convert, is_condition=is_condition))
    return values, notes
