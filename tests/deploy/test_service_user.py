"""A user without a home and without write access to the release, as of a unit, has a cache folder for kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BECOMES_NOBODY = """
import atexit, os, pathlib, pwd
from gateway.detection import kernel_cache
os.setgid(65534)
os.setuid(pwd.getpwnam("nobody").pw_uid)
kernel_cache.choose_cache_folder()
folder = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
assert os.access(folder, os.W_OK) and folder.stat().st_mode & 0o077 == 0, oct(folder.stat().st_mode)
print(folder)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without a home")
@pytest.mark.parametrize("cache_folder", [None, "/usr/lib"], ids=["none named", "one that cannot be written"])
def test_compiled_kernels_have_a_cache_folder_that_is_deleted_at_the_end(cache_folder):
    environment = {name: value for name, value in os.environ.items() if name not in {"NUMBA_CACHE_DIR", "HOME"}}
    done = subprocess.run(
        [sys.executable, "-c", BECOMES_NOBODY],
        env={**environment, "HOME": "/nonexistent", **({"NUMBA_CACHE_DIR": cache_folder} if cache_folder else {})},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()
