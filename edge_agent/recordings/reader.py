"""Read a recording: a file -> values in order of time, and an account of what was not read.

Called by the sensor `replay` and by `piekwacht backtest`, which also hands in Parquet files as tables of cells. Every
failure is a ConfigurationError of one sentence that names file, line, column and remedy. A line that cannot be read is
counted and reported; if that is more than half of them, the file is refused.
"""

from pathlib import Path

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import formats
from edge_agent.recordings.files import Table, TextTable
from edge_agent.recordings.layout import check_first_time, choose_day_order, find_layout, read_units_row
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.recording import Recording
from edge_agent.recordings.rows import RowReader
from edge_agent.recordings.times import TimeReader, load_zone


def read_recording(path: Path, options: RecordingOptions) -> Recording:
    """Read a text file. Raises ConfigurationError."""
    return read_table(TextTable(path), options)


def read_table(table: Table, options: RecordingOptions) -> Recording:
    """Read a table of cells. Raises ConfigurationError."""
    try:
        formats.check_options(options)
        zone = load_zone(options.time_zone) if options.time_zone else None
    except ConfigurationError as error:
        raise ConfigurationError(f"{table.path}: {error}") from None
    layout = read_units_row(table, find_layout(table, options))
    check_first_time(table, layout)
    if zone is None and layout.plan.zone is not None:
        zone = load_zone(layout.plan.zone)
    times = TimeReader(zone, options.day_order or choose_day_order(table, layout))
    return RowReader(table, layout, times, options).read()
