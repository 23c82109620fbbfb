"""A short script: one thread samples and commits, paho's own thread tries to connect."""

import json
import sqlite3
import sys
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.benchmarks.agent.load import COMMIT_INTERVAL, INTERVAL, VALUES

_SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS reading (id INTEGER PRIMARY KEY, line TEXT);
"""


def main(folder: Path) -> None:
    """Run until terminated."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "script", clean_session=False)
    client.connect_async("127.0.0.1", 1)
    client.loop_start()
    database = sqlite3.connect(folder / "script.sqlite")
    database.executescript(_SCHEMA)
    due = commit_due = time.monotonic()
    lines: list[tuple[str]] = []
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        due += INTERVAL
        lines.append((json.dumps({"at": time.time(), "values": VALUES}),))
        if time.monotonic() >= commit_due:
            commit_due += COMMIT_INTERVAL
            with database:
                database.executemany("INSERT INTO reading (line) VALUES (?)", lines)
            lines.clear()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
