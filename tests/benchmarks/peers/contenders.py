"""The consumers that are compared: how each is started on a separate database, and what it stored."""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from edge_agent.wire import Signer
from gateway.bench.backlog import ROWS_PER_BATCH
from gateway.bench.fixture import AREA, Servers, run_gateway
from gateway.ingest.consumer import derive_session_name
from gateway.system.child_process import Child
from tests.benchmarks.peers import ledger_script, node_red, staged_script

_ROOT = Path(__file__).parents[3]
_TOPIC = f"pw/v1/{AREA}/+/readings"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One consumer.

    session      its session on the broker
    schema       statements that prepare its database, beside Piekwacht's own tables
    is_stored    query: whether the last batch of `node` is stored, with number `seq` and a reading at `at` (ms UTC)
    count        query: values that are stored
    duplicates   query: values that are stored twice
    start        context manager that runs it
    share        how many of the batches it gets, as a slow one needs minutes for all
    """

    name: str
    session: str
    schema: str
    is_stored: str
    count: str
    duplicates: str
    start: Callable[[Servers], AbstractContextManager[Child]]
    share: float = 1.0


_SCRIPT_DUPLICATES = "SELECT count(*) - count(DISTINCT (datastream_id, observed_at)) FROM script_observation"


def list_contenders(key: Signer, node_red_folder: Path | None) -> list[Contender]:
    """Piekwacht with this key, the scripts, and Node-RED if it is installed in this folder."""
    piekwacht = Contender(
        name="Piekwacht",
        session=derive_session_name(key, [AREA]),
        schema="",
        is_stored="SELECT count(*) FROM batch WHERE node_id = %(node)s AND seq = %(seq)s",
        count=f"SELECT count(*) * {ROWS_PER_BATCH} FROM batch",
        duplicates="SELECT count(*) - count(DISTINCT (datastream_id, observed_at)) FROM observation",
        start=lambda servers: run_gateway(servers.folder, servers.dsn, servers.broker.settings, key),
    )
    staged = Contender(
        name="staged script",
        session="peer-staged",
        schema=staged_script.SCHEMA,
        is_stored="SELECT count(*) FROM script_observation o JOIN script_datastream d ON d.id = o.datastream_id"
        " WHERE d.node = %(node)s AND o.observed_at = to_timestamp(%(at)s / 1000.0)",
        count="SELECT count(*) FROM script_observation",
        duplicates=_SCRIPT_DUPLICATES,
        start=lambda servers: _run_script(servers, "staged_script", "peer-staged"),
    )
    contenders = [
        piekwacht,
        _ledger("ledger script", "ledger_script"),
        _ledger("signed ledger script", "signed_script"),
        staged,
    ]
    if node_red_folder is not None:
        contenders.append(_node_red(node_red_folder))
    return contenders


def _ledger(name: str, module: str) -> Contender:
    session = f"peer-{module}"
    return Contender(
        name=name,
        session=session,
        schema=ledger_script.SCHEMA,
        is_stored="SELECT count(*) FROM script_ledger WHERE node = %(node)s AND seq = %(seq)s",
        count=f"SELECT count(*) * {ROWS_PER_BATCH} FROM script_ledger",
        duplicates=_SCRIPT_DUPLICATES,
        start=lambda servers: _run_script(servers, module, session),
    )


def _node_red(folder: Path) -> Contender:
    return Contender(
        name="Node-RED",
        session="peer-node-red",
        schema=node_red.SCHEMA,
        is_stored="SELECT count(*) FROM script_observation"
        " WHERE node = %(node)s AND observed_at = to_timestamp(%(at)s / 1000.0)",
        count="SELECT count(*) FROM script_observation",
        duplicates="SELECT 0",  # the key of the table
        start=lambda servers: _run_node_red(servers, folder),
        share=0.1,
    )


@contextmanager
def _run_script(servers: Servers, module: str, session: str) -> Iterator[Child]:
    broker = servers.broker.settings
    arguments = [servers.dsn, broker.host, str(broker.port), session, _TOPIC]
    command = [sys.executable, "-m", f"tests.benchmarks.peers.{module}", *arguments]
    environment = {"PYTHONPATH": str(_ROOT)}
    with Child(module, command, log=servers.folder / "script.log", environment=environment) as child:
        yield child


@contextmanager
def _run_node_red(servers: Servers, folder: Path) -> Iterator[Child]:
    with psycopg.connect(servers.dsn) as connection:
        database = connection.info.host, connection.info.dbname
    command: Sequence[str] = node_red.write_flow(folder, database, servers.broker.settings, "peer-node-red", _TOPIC)
    for state in folder.glob(".config*"):
        shutil.rmtree(state) if state.is_dir() else state.unlink()
    with Child("node-red", command, log=servers.folder / "node-red.log") as child:
        yield child
