"""`python -m tests.faults.failpoints NAME COUNT <words of piekwacht>`: a gateway that dies at a named boundary.

The points are laid from outside: the gateway's own code knows nothing of them. At the COUNT-th time a
point is reached the process kills itself with SIGKILL, so that nothing is flushed, closed or said.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from gateway import __main__ as command
from gateway.ingest import consumer
from gateway.mqtt import connection
from gateway.store import ledger, observations
from gateway.store.connection import Store

Wrapped = Callable[..., Any]


def before(owner: object, name: str, reach: Callable[[], None]) -> None:
    """Reach the point as the function is entered."""
    function: Wrapped = getattr(owner, name)

    def wrapped(*arguments: object, **named: object) -> object:
        reach()
        return function(*arguments, **named)

    setattr(owner, name, wrapped)


def after(owner: object, name: str, reach: Callable[[], None]) -> None:
    """Reach the point when the coroutine has returned."""
    function: Wrapped = getattr(owner, name)

    async def wrapped(*arguments: object, **named: object) -> object:
        result = await function(*arguments, **named)
        reach()
        return result

    setattr(owner, name, wrapped)


POINTS = {
    "before_the_transaction": (before, Store, "transaction"),
    "before_copy": (before, observations, "copy"),
    "after_copy": (after, observations, "copy"),
    "before_commit": (after, ledger, "keep"),  # the last statement of the transaction
    "after_commit": (after, consumer.Ingest, "_commit"),
    "before_acknowledge": (before, connection.Link, "acknowledge"),
    "after_acknowledge": (before, consumer.Ingest, "_tell"),
    "before_stored_ranges": (before, consumer.Ingest, "_publish_stored"),
    "after_stored_ranges": (after, consumer.Ingest, "_publish_stored"),
}


def lay(name: str, count: int) -> None:
    """Die when the point is reached for the `count`-th time."""
    left = [count]

    def reach() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    lay_at, owner, attribute = POINTS[name]
    lay_at(owner, attribute, reach)


if __name__ == "__main__":
    lay(sys.argv[1], int(sys.argv[2]))
    sys.exit(command.main(sys.argv[3:]))
