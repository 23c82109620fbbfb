"""The common part of all attacks: their target, and workers that repeat a step until the deadline."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """The ports, a key that may write silences, a node and its area, and the seconds of the attack."""

    api_port: int
    broker_port: int
    key: str
    node: str
    area: str = "ijmond"
    seconds: float = 3.0


async def run_workers(
    target: Target, step: Callable[[], Awaitable[str]], *, workers: int, pause: float = 0.0
) -> Counter[str]:
    """Repeat the step in each worker; returns how often it had which outcome."""
    outcomes: Counter[str] = Counter()
    deadline = time.monotonic() + target.seconds

    async def work() -> None:
        while time.monotonic() < deadline:
            outcomes[await step()] += 1
            await asyncio.sleep(pause)

    await asyncio.gather(*(work() for _ in range(workers)))
    return outcomes
