"""A small file that unpacks to a large one is read in bounded memory, or refused in one sentence."""

import gzip
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.configuration import ConfigurationError
from gateway.evaluation import parquet_table
from gateway.evaluation.parquet_table import ParquetTable

_READ = """
import resource, sys
from pathlib import Path
from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.files import TextTable

before, rows = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
try:
    for _ in TextTable(Path(sys.argv[1])).rows(","):
        rows += 1
    print("read", rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
except ConfigurationError as error:
    print("refused", str(error).count("\\n"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
MEGABYTE = 1 << 20


def read_in_a_process(path):
    done = subprocess.run([sys.executable, "-c", _READ, path], capture_output=True, text=True, check=True, timeout=100)
    outcome, number, kilobytes = done.stdout.split()
    return outcome, int(number), int(kilobytes) * 1024


def write_bomb(path, line, count):
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"station,property,time,value\n")
        for _ in range(count):
            file.write(line)


def test_a_line_of_200_megabytes_in_a_small_file_is_refused(tmp_path):
    path = tmp_path / "line.csv.gz"
    write_bomb(path, b"0" * MEGABYTE, 200)
    assert path.stat().st_size < MEGABYTE
    outcome, newlines, memory = read_in_a_process(path)
    assert (outcome, newlines) == ("refused", 0)
    assert memory < 50 * MEGABYTE


def test_a_million_empty_lines_in_a_small_file_need_little_memory(tmp_path):
    path = tmp_path / "lines.csv.gz"
    write_bomb(path, b"\n" * MEGABYTE, 1)
    outcome, rows, memory = read_in_a_process(path)
    assert (outcome, rows) == ("read", 1)
    assert memory < 20 * MEGABYTE


def test_a_row_group_that_unpacks_to_more_than_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "bomb.parquet"
    table = pa.table({"station": ["x" * MEGABYTE] * 64, "value": [1.0] * 64})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < MEGABYTE
    assert len(list(ParquetTable(path).rows(","))) == 65
    monkeypatch.setattr(parquet_table, "_MAX_GROUP_BYTES", 32 * MEGABYTE)
    with pytest.raises(ConfigurationError, match=r"a row group has 64 MB when unpacked, more than 32; write") as error:
        list(ParquetTable(path).rows(","))
    assert "\n" not in str(error.value)
