"""`python -m tests.faults.failpoints NAME COUNT <piekwacht arguments>`: a gateway that dies at a named boundary.

The points are added from outside: the gateway's code does not know them. When a point is reached for the COUNT-th time
the process kills itself with SIGKILL, so that nothing is flushed, closed or sent.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from gateway import __main__ as command
from gateway.ingest import session
from gateway.mqtt import connection
from gateway.store import ledger, observations
from gateway.store.connection import Store

Wrapped = Callable[..., Any]


def wrap_before(owner: object, name: str, reach_point: Callable[[], None]) -> None:
    """Reach the point as the function is entered."""
    function: Wrapped = getattr(owner, name)

    def wrapped(*arguments: object, **named: object) -> object:
        reach_point()
        return function(*arguments, **named)

    setattr(owner, name, wrapped)


def wrap_after(owner: object, name: str, reach_point: Callable[[], None]) -> None:
    """Reach the point when the coroutine has returned."""
    function: Wrapped = getattr(owner, name)

    async def wrapped(*arguments: object, **named: object) -> object:
        result = await function(*arguments, **named)
        reach_point()
        return result

    setattr(owner, name, wrapped)


POINTS = {
    "before_the_transaction": (wrap_before, Store, "transaction"),
    "before_copy": (wrap_before, observations, "copy_observations"),
    "after_copy": (wrap_after, observations, "copy_observations"),
    "before_commit": (wrap_after, ledger, "copy_batches"),  # the last statement of the transaction
    "after_commit": (wrap_after, session, "commit_with_retry"),
    "before_acknowledge": (wrap_before, connection.MqttConnection, "acknowledge"),
    "after_acknowledge": (wrap_after, connection.MqttConnection, "acknowledge"),
    "before_stored_ranges": (wrap_before, session.IngestSession, "_publish_stored_ranges"),
    "after_stored_ranges": (wrap_after, session.IngestSession, "_publish_stored_ranges"),
}


def arm_failpoint(name: str, count: int) -> None:
    """Die when the point is reached for the `count`-th time."""
    remaining = [count]

    def reach_point() -> None:
        remaining[0] -= 1
        if remaining[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    wrap, owner, attribute = POINTS[name]
    wrap(owner, attribute, reach_point)


if __name__ == "__main__":
    arm_failpoint(sys.argv[1], int(sys.argv[2]))
    sys.exit(command.main(sys.argv[3:]))
