"""Real servers for every test: one PostgreSQL a session, a fresh migrated database a test, a broker a test."""

import gc
import itertools
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from gateway.errors import StartError
from gateway.mqtt.settings import BrokerSettings
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from tests.server_folder import server_folder

_DATABASE_NUMBER = itertools.count()
_ROOT = Path(__file__).resolve().parents[1]

# The files that take longest from end to end, the longest first.
_LONG_FILES = (
    "flow/test_demo.py",
    "deploy/test_upgrade.py",
    "flow/test_card_copies.py",
    "faults/test_faults.py",
    "flow/test_wrong_clock.py",
    "deploy/test_release.py",
    "deploy/test_deb.py",
    "gateway/api/test_validity_law.py",
    "gateway/api/http/test_openapi.py",
    "gateway/api/http/test_every_route.py",
    "gateway/test_ways_out.py",
    "gateway/api/test_law_of_time.py",
    "gateway/access/test_sign_in_load.py",
    "attack/test_attacks.py",
    "browser/test_pages.py",
    "edge_agent/test_agent.py",
    "gateway/detection/test_warm_up.py",
    "gateway/bench/test_bench.py",
    "gateway/dossier/test_dossier.py",
)
# fsync off: a test kills servers, not the machine
POSTGRES_OPTIONS = {"fsync": "off", "max_connections": "200", "max_wal_size": "256MB"}
_SECONDS = {"slow": 10.0, "browser": 2.0}  # rough time of a test by its mark; without one 0.2 s

# Workers import hundreds of modules of tests, and tests start hundreds of processes: each module is compiled once.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure():
    """Compile catalogues of texts that are newer than what the last build compiled."""
    for source in _ROOT.glob("*/locale/*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            with source.open("rb") as file, tempfile.NamedTemporaryFile(dir=source.parent, delete=False) as output:
                write_mo(output, read_po(file, abort_invalid=True))
            Path(output.name).chmod(0o644)
            Path(output.name).replace(compiled)


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Put long files first, then others by a rough estimate.

    Else one worker has minutes of work at the end, and the others none. Files of about the same estimate stay in random
    order. A file that is in the list and not in the tree fails the run.
    """
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONG_FILES)}
    missing = [str(path) for path in ranks if not path.exists()]
    if missing:
        raise pytest.UsageError(f"_LONG_FILES in tests/conftest.py names files that are not there: {missing}")
    estimates: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        estimates[item.path] += max((_SECONDS.get(mark.name, 0.2) for mark in item.iter_markers()), default=0.2)
    items.sort(key=lambda item: (ranks.get(item.path, len(ranks)), -round(estimates[item.path] / 5)))


def pytest_collection_finish():
    """Exempt modules and items from every later garbage collection: they stay until the end anyway."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with server_folder("piekwacht-test-") as folder, Postgres(folder, options=POSTGRES_OPTIONS) as server:
        migrate(server.create_database("migrated"))
        yield server


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    """DSN of a database without any schema."""
    with temporary_database(postgres, template="template1") as dsn:
        yield dsn


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """DSN of a fresh database with the newest schema."""
    with temporary_database(postgres, template="migrated") as dsn:
        yield dsn


@contextmanager
def temporary_database(postgres: Postgres, *, template: str) -> Iterator[str]:
    """DSN of a copy of a database, which is dropped at the end."""
    name = f"test{next(_DATABASE_NUMBER)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        # files are copied, not written through the log as by default: in memory that takes two thirds of the time
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield postgres.dsn(name)
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["mosquitto", "nats-server"])
def each_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerSettings]:
    """The same test on both brokers."""
    try:
        server = Broker(tmp_path / "broker", program=request.param)
    except StartError as error:
        pytest.skip(str(error))
    yield server.settings
    _end(server)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerSettings]:
    """Whichever broker the machine has."""
    server = Broker(tmp_path / "broker")
    yield server.settings
    _end(server)


def _end(server: Broker) -> None:
    """Kill a broker whose sessions nobody needs any more: in order, Mosquitto takes a tenth of a second to end."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the embedded database's own user can reach too."""
    with server_folder("piekwacht-test-", mode=0o711) as folder:
        yield folder


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real sensors' recordings, beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings of real sensors at {folder}")
    return folder
