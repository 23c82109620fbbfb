"""Waiting for another process or thread, in tests without an event loop."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object],
    seconds: float = 60.0,
    failure: str = "the condition did not hold in time",
    *,
    pause: float = 0.02,
) -> None:
    """Check the condition every `pause` seconds until it holds. Fails with `failure` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(pause)
