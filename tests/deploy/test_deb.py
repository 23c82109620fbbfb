"""The agent's Debian package: it installs without a network, and a broken version never replaces a working one."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "{}.{}".format(*sys.version_info[:2])
FORCES = ["--force-script-chrootless", "--force-depends", "--force-not-root", "--force-bad-path", "--force-unsafe-io"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # two packages are built and installed
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg on this machine"),
]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """build(version) -> the package, for this machine and this Python: built once, other versions packed from it."""
    out = tmp_path_factory.mktemp("packages")
    first = "0.1.0"
    bin_ = tmp_path_factory.mktemp("bin")
    (bin_ / "python3").symlink_to(sys._base_executable)
    path = f"{bin_}:{os.environ['PATH']}"

    @functools.cache
    def build(version: str) -> Path:
        package = out / f"piekwacht-agent_{version}_amd64.deb"
        if version != first:
            return packed(build(first), version, package)
        words = ["--arch", "amd64", "--python", PYTHON, "--out", out, "--version", version]
        environment = {**os.environ, "PATH": path}
        subprocess.run(["sh", ROOT / "deploy/deb/build", *words], check=True, capture_output=True, env=environment)
        return package

    def packed(old: Path, version: str, package: Path) -> Path:
        root = tmp_path_factory.mktemp("unpacked") / "root"
        subprocess.run(["dpkg-deb", "--raw-extract", old, root], check=True)
        for part in (root / "DEBIAN").iterdir():
            part.write_text(part.read_text().replace(first, version))
        words = ["--root-owner-group", "-Zgzip", "-z1", "--build", root, package]
        subprocess.run(["dpkg-deb", *words], check=True, capture_output=True)
        return package

    return build, path


class Machine:
    """A root folder with dpkg's own files in it, and nothing else."""

    def __init__(self, root: Path, path: str) -> None:
        self.root, self.home, self._path = root, root / "opt/piekwacht", path
        for folder in ("info", "updates", "triggers"):
            (root / "var/lib/dpkg" / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()

    def dpkg(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = ["dpkg", f"--root={self.root}", f"--log={self.root}/log", *FORCES, *map(str, words)]
        environment = {**os.environ, "PATH": self._path}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def rollback(self) -> subprocess.CompletedProcess[str]:
        script = self.root / "usr/sbin/piekwacht-agent-rollback"
        environment = {**os.environ, "DPKG_ROOT": str(self.root)}
        return subprocess.run([script], capture_output=True, text=True, env=environment, check=False)

    def agent(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.home / "current/bin/python", "-m", "edge_agent", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.root, check=False)

    @property
    def version(self) -> str:
        return str((self.home / "current").readlink())


def test_installing_upgrading_refusing_and_rolling_back(build, tmp_path):
    build, path = build
    machine = Machine(tmp_path / "root", path)
    result = machine.dpkg("-i", build("0.1.0"))
    assert result.returncode == 0, result.stderr
    assert machine.version == "versions/0.1.0"
    assert "read the sensors" in machine.agent("--help").stdout
    installed = subprocess.run(
        [
            machine.home / "current/bin/python",
            "-c",
            "import importlib.metadata as m; print(*(d.name for d in m.distributions()))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "numba", "psycopg", "fastapi", "pandas"} & set(installed.stdout.lower().split())
    assert (machine.root / "lib/systemd/system/piekwacht-agent.service").exists()
    assert machine.rollback().returncode == 1, "there is nothing to go back to"

    config = machine.root / "etc/piekwacht/agent.toml"
    config.parent.mkdir(parents=True)
    shutil.copy(ROOT / "firmware_configs/examples/agent.toml", config)
    good = config.read_text()
    config.write_text(good + "\n[surprise]\nkey = 1\n")
    refused = machine.dpkg("-i", build("0.2.0"))
    assert refused.returncode != 0
    assert "it cannot use" in refused.stderr
    assert "the version before it stays in force" in refused.stderr
    assert machine.version == "versions/0.1.0"
    assert [p.name for p in (machine.home / "versions").iterdir()] == ["0.1.0"]

    config.write_text(good)
    assert machine.dpkg("-i", build("0.2.0")).returncode == 0
    assert machine.version == "versions/0.2.0"
    assert machine.rollback().stdout == "piekwacht-agent: 0.1.0 is in force\n"
    assert machine.agent("settings", "--config", str(config)).returncode == 0

    spool = machine.root / "var/lib/piekwacht/spool.sqlite"
    spool.parent.mkdir(parents=True)
    spool.touch()
    assert "may hold readings" in machine.dpkg("--purge", "piekwacht-agent").stdout
    assert spool.exists()
    assert not machine.home.exists()
