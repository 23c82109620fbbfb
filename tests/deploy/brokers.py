"""The brokers as deploy/ configures them; only paths and addresses differ."""

import getpass
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.enrolment import authority as enrolment
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import _locate_programs
from tests.deploy.conftest import DEPLOY

_SEARCH_PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", sysconfig.get_path("scripts"))
)


class CommandLineAuthority:
    """A certificate authority, used through the operator's commands."""

    def __init__(self, folder: Path, name: str = "ours") -> None:
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.run("init", name)

    def run(self, *arguments: object) -> None:
        assert main(["ca", *map(str, arguments), "--ca", str(self.folder)]) == 0

    def revoke(self, name: str) -> None:
        """Put every certificate of this name on the revocation list."""
        enrolment.CertificateAuthority.load(self.folder).revoke(name, datetime.now(UTC))

    def issue(self, name: str, *, use: str = "client") -> dict[str, Path]:
        """Issue certificate and key, in a new folder with the authority's certificate and revocation list."""
        target = self.folder / f"{use}-{name}-{len(list(self.folder.iterdir()))}"
        target.mkdir()
        hosts = ["--host", "127.0.0.1", "--host", "localhost"] if use == "server" else []
        self.run(use, name, *hosts, "--out", target)
        (target / f"{name}.pem").rename(target / "certificate.pem")
        (target / f"{name}.key").rename(target / "key.pem")
        for file in ("ca.pem", "crl.pem"):
            shutil.copy(self.folder / file, target)
        return {"ca": target / "ca.pem", "certificate": target / "certificate.pem", "key": target / "key.pem"}


class DeployedBroker:
    """A running Mosquitto or NATS with its configuration from deploy/."""

    def __init__(self, kind: str, folder: Path, authority: CommandLineAuthority) -> None:
        program = self.find_program(kind)
        self.kind, self.folder, self.port, self.authority = kind, folder, find_free_port(), authority
        self._program = program
        folder.mkdir(exist_ok=True)
        self.tls = authority.issue("piekwacht.broker", use="server")["certificate"].parent
        self._command = self._mosquitto_arguments() if kind == "mosquitto" else self._nats_arguments()
        self.start()

    @staticmethod
    def find_program(kind: str) -> str:
        """Return the program's path; skip the test if it is not installed."""
        path = shutil.which(kind, path=_SEARCH_PATH)
        if path is None:
            pytest.skip(f"no {kind} on this machine: sh deploy/prepare --test-programs")
        return path

    def start(self) -> None:
        self._child = Child(self.kind, [self._program, *self._command], log=self.folder / "broker.log")
        self._child.wait_until(lambda: is_port_open("127.0.0.1", self.port))

    def stop(self) -> None:
        self._child.stop()

    def signal(self, number: int) -> None:
        self._child.process.send_signal(number)

    def log(self) -> str:
        return (self.folder / "broker.log").read_text(errors="replace")

    def _write_config(self, name: str, changes: Mapping[str, str]) -> str:
        text = (DEPLOY / name).read_text()
        for before, after in changes.items():
            assert before in text, f"{name} has no {before!r}"
            text = text.replace(before, after)
        path = self.folder / Path(name).name
        path.write_text(text)
        return str(path)

    def _mosquitto_arguments(self) -> list[str]:
        (self.folder / "data").mkdir()
        shutil.copy(DEPLOY / "mosquitto/acl", self.folder / "acl")
        changes = {
            "/etc/piekwacht/tls": str(self.tls),
            "/mosquitto/config/acl": str(self.folder / "acl"),
            "/mosquitto/data/": f"{self.folder}/data/",
            "listener 8883": f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1",
        }
        return ["-c", self._write_config("mosquitto/mosquitto.conf", changes)]

    def _nats_arguments(self) -> list[str]:
        changes = {
            "/etc/piekwacht/tls": str(self.tls),
            "/var/lib/nats": str(self.folder / "data"),
            "0.0.0.0:8883": f"127.0.0.1:{self.port}",
            "127.0.0.1:4222": f"127.0.0.1:{find_free_port()}",
        }
        return ["-c", self._write_config("nats/nats.conf", changes)]


def write_users(folder: Path, dsn: str) -> None:
    """Write users.conf for NATS by the script that an operator runs."""
    path = f"{_locate_programs(None)}:{os.environ['PATH']}"
    command = [DEPLOY / "nats/nodes", dsn]
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert process.returncode == 0, process.stderr
    folder.mkdir(exist_ok=True)
    (folder / "users.conf").write_text(process.stdout)
