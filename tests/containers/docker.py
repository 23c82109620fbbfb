"""Docker for the tests: the daemon of the machine if it answers, else a daemon started for the test."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.system.child_process import Child

_IMAGE_FOLDER = Path(__file__).resolve().parents[2] / ".venv/containers"  # images, so that a second run is quick
_TIMEOUT_SECONDS = 1800.0  # s for one command: the first build downloads


class NoDockerError(Exception):
    """Why there is none."""


class Docker:
    """The command-line client, always towards the same daemon."""

    def __init__(self, host: str | None) -> None:
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "0", **({"DOCKER_HOST": host} if host else {})}

    def run(self, *arguments: str | Path, cwd: Path | None = None, check: bool = True, text: str | None = None) -> str:
        """Return its output. AssertionError with its error output if it fails and `check` is set."""
        process = subprocess.run(
            ["docker", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            cwd=cwd,
            input=text,
            timeout=_TIMEOUT_SECONDS,
        )
        assert process.returncode == 0 or not check, (
            f"docker {arguments}: {process.stdout[-3000:]}{process.stderr[-3000:]}"
        )
        return process.stdout

    def can(self, *arguments: str | Path) -> bool:
        """Whether a command succeeds."""
        command = ["docker", *map(str, arguments)]
        return not subprocess.run(
            command, env=self.environment, capture_output=True, timeout=_TIMEOUT_SECONDS
        ).returncode


@contextmanager
def available_docker() -> Iterator[Docker]:
    """NoDockerError with its reason if no Docker is available."""
    if shutil.which("docker") is None:
        raise NoDockerError("no docker on this machine: apt install docker.io")
    docker = Docker(None)
    if not docker.can("compose", "version"):
        raise NoDockerError("docker has no compose: apt install docker-compose (2.24 or newer)")
    if docker.can("info"):
        yield docker
        return
    daemon = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if daemon is None or os.geteuid() != 0:
        raise NoDockerError("no Docker answers, and none can be started (it takes root and dockerd)")
    with tempfile.TemporaryDirectory(prefix="pw-docker-") as folder, _daemon(daemon, Path(folder)) as client:
        yield client


@contextmanager
def _daemon(program: str, folder: Path) -> Iterator[Docker]:
    socket = f"unix://{folder}/socket"
    command = [
        program,
        "--host",
        socket,
        "--data-root",
        _IMAGE_FOLDER,
        "--exec-root",
        folder / "exec",
        "--pidfile",
        folder / "pid",
    ]
    _IMAGE_FOLDER.mkdir(parents=True, exist_ok=True)
    docker = Docker(socket)
    with Child("dockerd", command, log=folder / "log") as child:
        deadline = time.monotonic() + 60
        while not docker.can("info"):
            if not child.is_running or time.monotonic() > deadline:
                raise NoDockerError(f"dockerd does not start here: {child.read_log_tail()}")
            time.sleep(0.5)
        yield docker
    # a remaining mount would prevent the removal of the folder
    subprocess.run(["umount", "--lazy", folder / "exec/netns/default"], capture_output=True)
