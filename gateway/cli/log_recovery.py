"""`piekwacht log recover`: take leaves that a restored database lacks from the published log.

It may run beside the gateway, which goes on with the log by itself afterwards.
"""

import time
from pathlib import Path

from alerting.errors import one_line
from gateway import settings
from gateway.errors import GatewayError, StartError
from gateway.store.connection import LockHeldError
from gateway.store.migrate import check_schema
from gateway.store.public_log import LogStore
from gateway.transparency.errors import ProofError
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.recovery import Recovery, describe_batches, recover_log
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.log_files import UnreachableError, open_log, read_tile

_LOCK_SECONDS = 30.0  # the gateway tries a log that stands still again and again, a moment each time


def recover(config: Path, area: str, copy: str | None) -> None:
    """Recover the log of an area and print what was lost. Raises GatewayError with a sentence if that is impossible."""
    configuration = settings.read(config)
    log = configuration.public_log
    if log is None:
        raise StartError(f"{config} has no [public_log]: there is no log to recover")
    check_schema(configuration.database.dsn)
    try:
        recovery = _recover(log, configuration.database.dsn, area, copy)
    except (ProofError, UnreachableError, OSError) as error:
        raise GatewayError(f"the log of {area} is not recovered, and nothing has changed: {one_line(error)}") from None
    print("\n".join(describe_recovery(area, recovery)))


def _recover(log: PublicLogSettings, dsn: str, area: str, copy: str | None) -> Recovery:
    folder, verifier = LogFolder.of(log, area), log.load_signer(area).verifier
    read_file = open_log(str(folder.path) if copy is None else copy)
    checkpoint = None if copy is None else read_file("checkpoint")
    store = LogStore(dsn, area, name="piekwacht log recover")
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return recover_log(store, folder, verifier, lambda tile: read_tile(read_file, tile), checkpoint)
        except LockHeldError as error:
            if time.monotonic() > deadline:
                raise GatewayError(f"{one_line(error)}: stop the gateway, and try again") from None
            time.sleep(0.2)
        finally:
            store.close()


def describe_recovery(area: str, recovery: Recovery) -> list[str]:
    """Lines that state what was taken back, and what is lost."""
    recovered = recovery.size - recovery.former_size
    lines = [
        f"{area}: leaves taken back: {recovered}. The log has {recovery.size}, and the gateway goes on from there."
    ]
    if recovery.lost_batches:
        lines.append("in the log and not in the database, unless a node still has them and delivers them again:")
        lines += [f"  batch {text}" for text in describe_batches(recovery.lost_batches)]
    if recovery.lost_leaves:
        lines.append("of these only the hash is left:")
        lines += [f"  {leaf.kind} {' '.join(leaf.fields)}" for leaf in recovery.lost_leaves]
    return lines
