"""A process that sequences a log and ends itself with SIGKILL after the n-th part of a step, or not at all.

python -m tests.gateway.transparency.step_until_killed DSN FOLDER KEY_FILE PARTS
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from edge_agent.wire import Signer
from gateway.transparency.sequencer import StepPart
from tests.gateway.transparency.logs import TestLog


def main(dsn: str, folder: str, key_file: str, parts: str) -> None:
    """Run steps until nothing waits."""
    remaining = int(parts)

    def count_down(_: StepPart) -> None:
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    log = TestLog(dsn, Path(folder), Signer.parse(Path(key_file).read_text()))
    sequencer = log.sequencer(max_batches=300, report=count_down)

    async def run() -> None:
        while (await sequencer.run_step()).has_more:
            pass

    asyncio.run(run())
    sequencer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
