import json
import subprocess
import sys

import pytest

from gateway.__main__ import main


def test_bench_detect_ends_with_its_figures_in_json(capsys):
    assert main(["bench", "detect", "--sensors", "200", "--datastreams", "1000", "--runs", "1"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["ns_per_reading"] > 0
    assert figures["ns_per_reading_network"] > 0
    assert figures["bytes_per_datastream"] <= 256
    assert (figures["river_ratio"] is None) == (figures["river_reason"] is not None)


@pytest.mark.slow
def test_bench_ingest_stores_the_waiting_batches_and_ends_with_its_figures_in_json(capsys):
    assert main(["bench", "ingest", "--seconds", "2", "--nodes", "10"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < figures["ratio_to_copy"] < 2
    assert len(figures["ratios"]) == 1
    assert figures["rows_per_second"] > 0


@pytest.mark.slow
def test_bench_steady_stores_all_it_sent_and_ends_with_its_figures_in_json(capsys):
    assert main(["bench", "steady", "--rate", "20", "--seconds", "3", "--nodes", "10"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["batches"] == 60
    assert figures["commit_p99_seconds"] >= figures["commit_p50_seconds"] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bench_live_ends_with_its_figures_in_json_and_nchans_where_that_is_installed():
    command = [sys.executable, "-m", "gateway", "bench", "live", "--viewers", "50", "--seconds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    for result in (figures, *([figures["nchan"]] if "nchan" in figures else [])):
        assert result["viewers"] == 50
        assert 0 < result["p50_seconds"] <= result["p99_seconds"]
        assert {"kib_per_viewer", "cpu_percent"} <= result.keys()
