import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_SEARCH_PATH = [str(ROOT / ".venv/programs/usr/bin"), *os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin"]


def uncomment(settings_text: str) -> str:
    """The settings with the table [subscriptions] that stands in comments at their end."""
    before, header, lines = settings_text.partition("# [subscriptions]\n")
    assert header
    return before + (header + lines).replace("\n# ", "\n").removeprefix("# ")


@pytest.fixture(scope="session", autouse=True)
def pip_that_does_not_compile() -> Iterator[None]:
    """Installing a release compiles every module of a hundred packages, of which a test imports a few."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIP_COMPILE", "no")
        yield


@pytest.fixture(scope="session")
def judge() -> Callable[..., str]:
    """Run a program that judges files; return its output if it accepts them. Skips if it is not installed."""

    def run_checker(
        program: str, *arguments: str | Path, cwd: Path = DEPLOY, environment: dict[str, str] | None = None
    ) -> str:
        path = shutil.which(program, path=os.pathsep.join(_SEARCH_PATH))
        if path is None:
            pytest.skip(f"no {program} on this machine: sh deploy/prepare --test-programs")
        command = [path, *map(str, arguments)]
        process = subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **(environment or {})}
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    return run_checker
