"""Check of the public log: keys, signatures and age of the newest heads, and the files with the last signed heads."""

from collections.abc import Iterator

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from alerting.errors import one_line
from edge_agent.wire import NoteError, Verifier
from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.settings import Settings
from gateway.store.connection import connect
from gateway.store.public_log import QUERIES
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.settings import PublicLogSettings

_MAX_INTERVALS = 6  # after which a head is old
_MIN_OLD_SECONDS = 60.0
_FINDING = FindingFactory("log")


class _LogRow(Struct, frozen=True, kw_only=True):
    area: str
    size: int
    signed_size: int
    signed_root: bytes | None
    age: float | None


def check_log(settings: Settings) -> Iterator[Finding]:
    """Return one finding per problem of an area's log, or one that its newest head is recent and verified."""
    log = settings.public_log
    if log is None:
        yield _FINDING.note("there is no [public_log]: strangers cannot check figures offline")
        return
    try:
        with connect(settings.database.dsn) as connection:
            cursor = connection.cursor(row_factory=class_row(_LogRow))
            rows = cursor.execute(QUERIES["select_log_checks"]).fetchall()
    except (StartError, psycopg.Error) as error:
        yield _FINDING.fault("the state of the public log cannot be read", one_line(error))
        return
    if not rows:
        yield _FINDING.warning("no area has a public log yet", "start the gateway, and see its log")
    for row in rows:
        yield from _check_area(log, row)


def _check_area(settings: PublicLogSettings, row: _LogRow) -> Iterator[Finding]:
    name, folder = f"the public log of {row.area}", LogFolder.of(settings, row.area)
    try:
        verifier = settings.load_signer(row.area).verifier
        published = _open(folder.read_checkpoint(), verifier)
        state = _open(folder.read_state(), verifier)
    except (StartError, OSError, ProofError, NoteError) as error:
        yield _FINDING.fault(f"{name} cannot be checked ({one_line(error)})", "see the gateway's log")
        return
    old = max(_MIN_OLD_SECONDS, _MAX_INTERVALS * settings.interval_seconds)
    if state is None or published is None:
        yield _FINDING.fault(f"{name} lacks the file with its last head", "put it back from its disk or a backup")
    elif row.size < state.size:
        yield _FINDING.fault(
            f"{name} has {row.size} leaves in the database, and {state.size} are signed",
            f"a backup was restored: restore a newer one, or run `piekwacht log recover {row.area}`",
        )
    elif row.age is None or row.age > old:
        age = "never" if row.age is None else f"{row.age:.0f} s ago"
        yield _FINDING.fault(f"{name} was last complete {age}", "see the gateway's log: it names the reason")
    else:
        yield _FINDING.ok(f"{name} has a signed head of {published.size} leaves")


def _open(note: bytes | None, verifier: Verifier) -> Checkpoint | None:
    return None if note is None else open_checkpoint(note, verifier)
