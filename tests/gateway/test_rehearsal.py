import os
import subprocess
import sys

import pytest

REHEARSE = """
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.quality.flagger import Flagger
from gateway.rehearsal import rehearse
rehearse(Flagger(), Detector(DetectionSettings()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 40])
def test_a_cache_that_was_cut_off_while_being_written_stops_nobody(tmp_path, left):
    def rehearse():
        return subprocess.run(
            [sys.executable, "-c", REHEARSE],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            timeout=100,
        )

    assert rehearse().returncode == 0
    files = list(tmp_path.rglob("*.nb[ic]"))
    assert len(files) >= 6
    for file in files:
        file.write_bytes(file.read_bytes()[:left])
    again = rehearse()
    assert again.returncode == 0, again.stderr
    assert "compiling again" in again.stderr
    assert "compiling again" not in rehearse().stderr
