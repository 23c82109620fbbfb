"""A full disk costs lines of the log of readings, which counts them; it never stops the agent."""

import json
import subprocess
import sys

_WRITE = """
import resource, signal, sys
from pathlib import Path
from edge_agent.reading_log import ReadingLog
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import ClockState

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with ReadingLog(Path(sys.argv[1])) as log:
    for second in range(30):
        # a file may have 500 bytes in the middle of the run
        resource.setrlimit(resource.RLIMIT_FSIZE, (500 if 10 <= second < 20 else resource.RLIM_INFINITY, hard))
        log.write([[Reading(observed_at=second, mono=second, clock=ClockState.SYNCED, values={"pm2_5": 8.0})]])
"""


def write_with_full_disk(path):
    subprocess.run([sys.executable, "-c", _WRITE, path], check=True, timeout=60)


def test_readings_that_a_full_disk_kept_out_are_counted(tmp_path):
    path = tmp_path / "generated.jsonl"
    write_with_full_disk(path)
    entries, cut_lines = [], 0
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            cut_lines += 1
    logged = {entry["observed_at"] for entry in entries if "observed_at" in entry}
    omitted = sum(entry.get("omitted", 0) for entry in entries)
    assert len(logged) < 30
    assert len(logged) + omitted >= 30
    assert set(range(20, 30)) <= logged
    assert cut_lines <= 1


def test_a_line_that_a_kill_cut_does_not_spoil_the_next_one(tmp_path):
    path = tmp_path / "generated.jsonl"
    path.write_text('{"observed_at":1,"values":{}}\n{"observed_at":2,"val')
    write_with_full_disk(path)
    assert path.read_text().splitlines()[2].startswith('{"observed_at":0,')
