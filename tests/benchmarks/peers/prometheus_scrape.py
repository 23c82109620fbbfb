"""Peer: Prometheus with Alertmanager, which fetch the same values every second instead of receiving signed batches.

It is other work: a value that nobody fetched is lost, nothing is stored exactly once, and a rule has a fixed level. The
rate is that of the scrapes and no limit. Processor time is that of both programs, without the exporter, which stands
for the nodes.
"""

import random
import re
import tempfile
import time
import urllib.request
from pathlib import Path

from gateway.bench.fixture import TYPICAL_VALUES
from gateway.demo.loopback_server import LoopbackServer, QuietHandler
from tests.benchmarks.crossing.prometheus import AlertReceiver, run_peer
from tests.benchmarks.peers.measurement import Measurement, processor_seconds, resident_megabytes

NAME = "Prometheus"
_WARM_UP_SECONDS = 15.0
_SECONDS = 60.0
_LIMIT = 1_000.0  # no value is above it
_APPENDED = re.compile(r"^prometheus_tsdb_head_samples_appended_total(?:{[^}]*})? (\S+)$", re.MULTILINE)


class _Exporter(LoopbackServer):
    """Values of all properties of so many nodes, others at every scrape."""

    def __init__(self, nodes: int) -> None:
        names = [f'{name}{{node="bench-{i:05}"}} ' for i in range(nodes) for name in TYPICAL_VALUES]
        levels = list(TYPICAL_VALUES.values()) * nodes

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                rows = [
                    f"{name}{level * random.uniform(0.9, 1.1):.1f}" for name, level in zip(names, levels, strict=True)
                ]
                body = "\n".join([*rows, ""]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler, "/metrics")


def measure_scrapes(nodes: int) -> Measurement:
    """Let Prometheus fetch the values of the nodes every second for a minute."""
    with (
        tempfile.TemporaryDirectory(prefix="piekwacht-prometheus-") as folder,
        _Exporter(nodes) as exporter,
        AlertReceiver(lambda *_: None) as receiver,
        run_peer(Path(folder), exporter=exporter.url, webhook=receiver.url, limit=_LIMIT) as programs,
    ):
        time.sleep(_WARM_UP_SECONDS)
        pids = {"consumer": programs.prometheus.process.pid, "alerts": programs.alertmanager.process.pid}
        before, appended = {name: processor_seconds(pid) for name, pid in pids.items()}, _count_samples(programs.url)
        started_at = time.perf_counter()
        time.sleep(_SECONDS)
        elapsed = time.perf_counter() - started_at
        processor = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
        values = _count_samples(programs.url) - appended
        return Measurement(
            values=values, seconds=elapsed, processor=processor, consumer_mb=resident_megabytes(pids["consumer"])
        )


def _count_samples(url: str) -> int:
    """Return how many samples Prometheus has stored."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        text = response.read().decode()
    return int(sum(float(count) for count in _APPENDED.findall(text)))
