"""The images that compose.yaml names: the originals if a registry answers, else replacements of Debian packages."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.containers.docker import Docker, NoDockerError

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).with_name("stand_ins")
_BASE = "piekwacht-stand-in:base"
_PACKAGES = (
    *("python3", "python3-pip", "python3-venv", "postgresql-15", "mosquitto", "caddy", "prometheus"),
    *("prometheus-alertmanager", "netcat-openbsd", "wget", "ca-certificates"),
)
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_PYTHON = "python:3.12.11-slim-bookworm"
_IMAGE_BY_PART = {
    "python": _PYTHON,
    "database": "timescale/timescaledb:2.23.0-pg17",
    "broker": "eclipse-mosquitto:2.0.22",
    "web": "caddy:2.10.2-alpine",
    "prometheus": "prom/prometheus:v3.5.0",
    "alertmanager": "prom/alertmanager:v0.28.1",
}


def provide_images(docker: Docker) -> bool:
    """All but Grafana's, and ours built from deploy/Dockerfile. Returns whether others' are stand-ins."""
    stand_ins = docker.can("image", "inspect", _BASE) or not docker.can("pull", "--quiet", _PYTHON)
    if stand_ins:
        _build_base(docker)
        for part, image in _IMAGE_BY_PART.items():
            docker.run("build", "--quiet", "--target", part, "--tag", image, STAND_INS)
    docker.run(
        *("build", "--network", "host", "--file", ROOT / "deploy/Dockerfile", "--tag", "piekwacht:0.1.0", ROOT),
    )
    return stand_ins


def _build_base(docker: Docker) -> None:
    if docker.can("image", "inspect", _BASE):
        return
    program = shutil.which("debootstrap", path="/usr/sbin:/usr/bin")
    if program is None:
        raise NoDockerError("no registry and no debootstrap: there is nothing to make images of")
    with tempfile.TemporaryDirectory(prefix="pw-stand-in-") as folder:
        root = Path(folder) / "root"
        command = [program, "--variant=minbase", f"--include={','.join(_PACKAGES)}", "bookworm", root]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise NoDockerError(f"debootstrap failed: {process.stdout.splitlines()[-1:]}")
        shutil.copy(f"/{_CERTIFICATES}", root / _CERTIFICATES)  # the authorities that a machine behind a proxy trusts
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        docker.run("import", archive, _BASE)
