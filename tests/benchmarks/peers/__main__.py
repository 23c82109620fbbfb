"""Compare ingest with peers that do less: processor time per million values, rate, memory, and what kills lose.

python -m tests.benchmarks.peers [--batches 40000] [--rounds 3] [--nodes 100] [--kills 3] [--only NAME ...]

Each turn has new servers: PostgreSQL as `timescaledb-tune` would configure it, and a broker in whose session signed
batches wait, as in `piekwacht bench ingest`. Processor time is that of consumer, database and broker together, from
/proc, from the moment when a backlog of known size waits until all of it is stored and answered. The consumers take
turns. Afterwards each is killed (kill -9) while it drains a backlog, `--kills` times, and the stored values
are counted. Node-RED takes part if npm can install it. Prometheus with Alertmanager takes part if both are installed.
It fetches the same values every second, so its rate is no limit, and it is not killed.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_agent.wire import Signer
from gateway.errors import StartError
from tests.benchmarks.crossing.prometheus import find_programs
from tests.benchmarks.peers import node_red, prometheus_scrape
from tests.benchmarks.peers.contenders import Contender, list_contenders
from tests.benchmarks.peers.measurement import Measurement
from tests.benchmarks.peers.turn import kill_while_draining, run_measurement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batches", type=int, default=40_000, help="backlog of 80 values each (40000)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each consumer (3)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes that sent the batches (100)")
    parser.add_argument("--kills", type=int, default=3, help="kills of each consumer while it drains a backlog (3)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these consumers, such as 'ledger script'")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="piekwacht-node-red-") as folder:
        contenders = _choose(options.only, Path(folder))
        results: dict[str, list[Measurement]] = {contender.name: [] for contender in contenders}
        for _ in range(options.rounds):
            for contender in contenders:
                results[contender.name].append(run_measurement(contender, options.nodes, options.batches))
                _print_turn(contender.name, results[contender.name][-1])
            if _has_prometheus(options.only):
                results.setdefault(prometheus_scrape.NAME, []).append(prometheus_scrape.measure_scrapes(options.nodes))
                _print_turn(prometheus_scrape.NAME, results[prometheus_scrape.NAME][-1])
        kills = {
            contender.name: kill_while_draining(contender, options.nodes, options.batches // 2, options.kills)
            for contender in contenders
            if options.kills
        }
    print(json.dumps({name: _summarize(turns) | kills.get(name, {}) for name, turns in results.items()}))


def _choose(names: Sequence[str] | None, folder: Path) -> list[Contender]:
    """Return the contenders of these names, or all; without Node-RED if it cannot be installed, with a message."""
    folder.chmod(0o755)
    node_red_folder: Path | None = None
    if names is None or "Node-RED" in names:
        try:
            node_red.install(folder)
            node_red_folder = folder
        except StartError as error:
            print(f"without Node-RED: {error}", file=sys.stderr)
    contenders = list_contenders(Signer.generate("gateway.bench"), node_red_folder)
    return [contender for contender in contenders if names is None or contender.name in names]


def _has_prometheus(names: Sequence[str] | None) -> bool:
    """Whether Prometheus takes part; a message if it is to take part and is not installed."""
    if names is not None and prometheus_scrape.NAME not in names:
        return False
    is_installed = find_programs() is not None
    if not is_installed:
        print("without Prometheus: install `prometheus` and `prometheus-alertmanager` of Debian", file=sys.stderr)
    return is_installed


def _print_turn(name: str, result: Measurement) -> None:
    parts = " ".join(f"{part} {seconds:.2f}" for part, seconds in result.processor_per_million.items())
    load = os.getloadavg()[0]
    print(
        f"{name}: {result.rate:,.0f} values/s; s per million: {parts}; {result.consumer_mb:.0f} MB; load {load:.1f}",
        flush=True,
    )


def _summarize(turns: Sequence[Measurement]) -> dict[str, object]:
    parts = {part: [turn.processor_per_million[part] for turn in turns] for part in turns[0].processor_per_million}
    return {
        "values_per_second": round(statistics.median(turn.rate for turn in turns)),
        "processor_seconds_per_million": {part: round(statistics.median(all_), 2) for part, all_ in parts.items()},
        "consumer_mb": round(statistics.median(turn.consumer_mb for turn in turns)),
    }


if __name__ == "__main__":
    main()
