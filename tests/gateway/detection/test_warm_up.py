import itertools
import os
import shutil
import subprocess
import sys

import pytest
from numba.core.caching import _CacheLocator
from numba.extending import is_jitted

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.detection.warm_up import _KERNEL_MODULES, warm_up_kernels
from gateway.quality.flagger import Flagger

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
        timeout=300,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A whole cache: a copy of the one that this checkout has, as compiling takes 12 s."""
    warm_up_kernels(Flagger(), Detector(DetectionSettings()))
    folder = tmp_path_factory.mktemp("kernels")
    for module in _KERNEL_MODULES:
        target = folder / _CacheLocator.get_suitable_cache_subpath(module.__file__)
        for kernel in filter(is_jitted, vars(module).values()):
            shutil.copytree(kernel.stats.cache_path, target, ignore=shutil.ignore_patterns("*.pyc"), dirs_exist_ok=True)
    assert len(list(folder.rglob("*.nb[ic]"))) >= 6
    return folder


@pytest.mark.slow
def test_a_whole_cache_is_used_as_it_is(compiled, tmp_path):
    cache = shutil.copytree(compiled, tmp_path / "cache")
    times = {file: file.stat().st_mtime_ns for file in cache.rglob("*.nb[ic]")}
    assert rehearsed(cache).returncode == 0
    assert times == {file: file.stat().st_mtime_ns for file in cache.rglob("*.nb[ic]")}, "nothing was compiled again"


@pytest.mark.slow
@pytest.mark.timeout(300)  # all kernels are compiled, beside other workers
def test_a_cache_that_was_cut_off_while_being_written_stops_nobody(compiled, tmp_path):
    cache = shutil.copytree(compiled, tmp_path / "cache")
    for file, left in zip(sorted(cache.rglob("*.nb[ic]")), itertools.cycle([0, 40])):
        file.write_bytes(file.read_bytes()[:left])
    again = rehearsed(cache)
    assert again.returncode == 0, again.stderr
    assert "compiling again" in again.stderr
    assert "compiling again" not in rehearsed(cache).stderr
