import os
import shutil
import subprocess
import sys

import pytest

REHEARSE = """
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.quality.flagger import Flagger
from gateway.detection.warm_up import warm_up_kernels
warm_up_kernels(Flagger(), Detector(DetectionSettings()))
"""


def rehearsed(folder):
    return subprocess.run(
        [sys.executable, "-c", REHEARSE],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A whole cache."""
    folder = tmp_path_factory.mktemp("kernels")
    assert rehearsed(folder).returncode == 0
    assert len(list(folder.rglob("*.nb[ic]"))) >= 6
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 40])
def test_a_cache_that_was_cut_off_while_being_written_stops_nobody(compiled, tmp_path, left):
    cache = shutil.copytree(compiled, tmp_path / "cache")
    for file in cache.rglob("*.nb[ic]"):
        file.write_bytes(file.read_bytes()[:left])
    again = rehearsed(cache)
    assert again.returncode == 0, again.stderr
    assert "compiling again" in again.stderr
    assert "compiling again" not in rehearsed(cache).stderr
