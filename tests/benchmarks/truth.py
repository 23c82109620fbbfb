"""How many published numbers a flagged value changes: `python -m tests.benchmarks.truth`.

A table of flags and faces: each cell is the number of published numbers that differ between a clean recording and the
same one with an absurd value under that flag, and `of` how many numbers the face publishes. Every cell should be 0.
Starts a database, a broker and two servers for each flag; takes some minutes.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from tests.gateway.api.faces import FACES
from tests.gateway.api.test_validity_law import EXCLUDED, fetch_names, published, read_face, recent_start


async def count_changes(clean_dsn, flagged_dsn, broker, flag) -> tuple[Counter, Counter]:
    """Return, per route, the numbers that changed and all numbers."""
    changed, total = Counter(), Counter()
    start = recent_start()
    async with (
        published(clean_dsn, broker, start, None) as clean,
        published(flagged_dsn, broker, start, flag) as flagged,
    ):
        names = [await fetch_names(client) for client in (clean, flagged)]
        for route, faces in FACES.items():
            for face in faces:
                _, before = await read_face(clean, face, names[0])
                _, after = await read_face(flagged, face, names[1])
                total[route] += len(before)
                changed[route] += sum(after.get(key) != number for key, number in before.items())
    return changed, total


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="piekwacht-truth-") as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder), options={"fsync": "off"}) as server, Broker(Path(folder) / "broker") as broker:
            migrate(server.create_database("migrated"))
            results = {}
            for flag in EXCLUDED:
                pair = [
                    server.create_database(f"{side}_{flag.name.lower()}", template="migrated")
                    for side in ("clean", "flagged")
                ]
                results[flag.name.lower()] = asyncio.run(count_changes(*pair, broker.settings, flag))
    print("| face | of | " + " | ".join(results) + " |")
    print("|---|---|" + "---|" * len(results))
    for route in FACES:
        total = next(iter(results.values()))[1][route]
        print(f"| `{route}` | {total} | " + " | ".join(str(changed[route]) for changed, _ in results.values()) + " |")
    print(f"changed in all: {sum(sum(changed.values()) for changed, _ in results.values())}")


if __name__ == "__main__":
    main()
