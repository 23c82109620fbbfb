"""The agent as `piekwacht-agent run` starts it, with a sensor of fixed values."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edge_agent import clock
from edge_agent.agent import Agent
from edge_agent.remote_config import RemoteConfig
from edge_agent.sensors.sensor import Reading, reading_at
from tests.benchmarks.agent.load import INTERVAL, VALUES


class FixedSensor:
    """Gives the same values each time."""

    name, properties, hang_timeout, state = "fixed", tuple(VALUES), 60.0, "ok"

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Yield a reading when it is due."""
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            yield reading_at(clock.now(), VALUES)
            due += INTERVAL


def main(folder: Path) -> None:
    """Run until terminated."""
    remote_config = RemoteConfig(folder / "spool.remote")
    configuration = remote_config.load_effective(folder / "agent.toml")
    agent = Agent(configuration, base=folder / "agent.toml", remote_config=remote_config, sensors=[FixedSensor()])
    agent.run(until_done=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
