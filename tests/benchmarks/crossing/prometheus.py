"""Peer: Prometheus and Alertmanager with steps of one second, and a webhook. They run where they are installed."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.demo.loopback_server import LoopbackServer, QuietHandler
from gateway.system.child_process import Child, find_free_port, is_port_open

AT_ONCE, FOR_5_SECONDS = "AboveLevel", "AboveLevelFor5s"
_HOST = "127.0.0.1"
_PROGRAMS = (("prometheus",), ("alertmanager", "prometheus-alertmanager"))  # the second name is Debian's


class PeerPrograms(NamedTuple):
    """The running programs, and the address of Prometheus."""

    prometheus: Child
    alertmanager: Child
    url: str


def find_programs():
    """Paths of Prometheus and Alertmanager; None if one of them is not installed."""
    paths = [next(filter(None, map(shutil.which, names)), None) for names in _PROGRAMS]
    return None if None in paths else paths


class Exporter(LoopbackServer):
    """`/metrics` with the present value of each station, as an exporter of a sensor has it."""

    def __init__(self, values):
        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                lines = [f'pm2_5{{station="{station}"}} {value}' for station, value in values.items()]
                body = "\n".join(["# TYPE pm2_5 gauge", *lines, ""]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler, "/metrics")


class AlertReceiver(LoopbackServer):
    """Webhook of Alertmanager: calls `on_alert(name of the rule, station)` for each alert that fires."""

    def __init__(self, on_alert: Callable[[str, str], None]):
        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                document = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()
                for alert in document["alerts"]:
                    if alert["status"] == "firing":
                        on_alert(alert["labels"]["alertname"], alert["labels"]["station"])

        super().__init__(Handler, "/alerts")


def write_configuration(folder: Path, *, exporter: str, webhook: str, alertmanager_port: int, limit: float) -> None:
    """prometheus.yml, rules.yml and alertmanager.yml; JSON is YAML."""
    target = exporter.removeprefix("http://").removesuffix("/metrics")
    expression = f"pm2_5 > {limit}"
    rules = [{"alert": AT_ONCE, "expr": expression}, {"alert": FOR_5_SECONDS, "expr": expression, "for": "5s"}]
    documents = {
        "prometheus.yml": {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "air", "static_configs": [{"targets": [target]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{_HOST}:{alertmanager_port}"]}]}]},
        },
        "rules.yml": {"groups": [{"name": "air", "rules": rules}]},
        "alertmanager.yml": {
            "route": {
                "receiver": "bench",
                "group_by": ["alertname", "station"],
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "4h",
            },
            "receivers": [{"name": "bench", "webhook_configs": [{"url": webhook, "send_resolved": False}]}],
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1))


@contextmanager
def run_peer(folder: Path, *, exporter: str, webhook: str, limit: float) -> Iterator[PeerPrograms]:
    """Run both programs in this folder until the block ends. Raises StartError if one does not start."""
    prometheus, alertmanager = find_programs()
    prometheus_port, alertmanager_port = find_free_port(), find_free_port()
    write_configuration(folder, exporter=exporter, webhook=webhook, alertmanager_port=alertmanager_port, limit=limit)
    commands = {
        "Alertmanager": (alertmanager_port, [
            alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={_HOST}:{alertmanager_port}", "--cluster.listen-address=",
        ]),
        "Prometheus": (prometheus_port, [
            prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address={_HOST}:{prometheus_port}",
        ]),
    }  # fmt: skip
    (_, alertmanager_command), (_, prometheus_command) = commands.values()
    with (
        Child("Alertmanager", alertmanager_command, log=folder / "alertmanager.log") as first,
        Child("Prometheus", prometheus_command, log=folder / "prometheus.log") as second,
    ):
        first.wait_until(lambda: is_port_open(_HOST, alertmanager_port))
        second.wait_until(lambda: is_port_open(_HOST, prometheus_port))
        yield PeerPrograms(prometheus=second, alertmanager=first, url=f"http://{_HOST}:{prometheus_port}")
