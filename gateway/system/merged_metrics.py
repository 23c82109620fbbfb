"""The metrics of several processes as those of one.

The services of `piekwacht up` are processes; Prometheus and the doctor read one address for all of them.
"""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gateway.errors import StartError

_PORT_VARIABLE = "PIEKWACHT_METRICS_PORT"
_MERGED_VARIABLE = "PIEKWACHT_MERGED_METRICS_PORT"
_HOST = "127.0.0.1"
_TIMEOUT = 2.0  # s for the metrics of one process: a process that hangs must not hide the others
_OF_A_PROCESS = ("process_", "python_")


class MergedMetrics(Collector):
    """The metrics of this process and of others; each others' port by the name of its service."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    def collect(self) -> Iterator[Metric]:
        """Yield each family once; samples that describe a process carry the label `service`."""
        families: dict[str, list[Metric]] = {}
        for metric in self._collect_all():
            families.setdefault(metric.name, []).append(metric)
        yield from map(_merge, families.values())

    def _collect_all(self) -> Iterator[Metric]:
        yield from (_label(metric, "up") for metric in text_string_to_metric_families(generate_latest().decode()))
        for service_name, port in self._ports.items():
            yield from (_label(metric, service_name) for metric in _fetch(port))


def _merge(metrics: Sequence[Metric]) -> Metric:
    """Add up samples of one name and labels; of gauges take the largest, as all services but one have 0."""
    merged = Metric(metrics[0].name, metrics[0].documentation, metrics[0].type)
    combine = max if merged.type == "gauge" else sum
    values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    for sample in (sample for metric in metrics for sample in metric.samples):
        values.setdefault((sample.name, tuple(sample.labels.items())), []).append(sample.value)
    for (name, labels), parts in values.items():
        merged.add_sample(name, dict(labels), combine(parts))
    return merged


def _label(metric: Metric, service_name: str) -> Metric:
    if metric.name.startswith(_OF_A_PROCESS):
        metric.samples = [
            sample._replace(labels={**sample.labels, "service": service_name}) for sample in metric.samples
        ]
    return metric


def _fetch(port: int) -> list[Metric]:
    """Return no metric of a process that does not answer."""
    try:
        return list(text_string_to_metric_families(_read(port, _TIMEOUT).decode()))
    except (OSError, ValueError):
        return []


def _read(port: int | str, timeout: float) -> bytes:
    with urllib.request.urlopen(f"http://{_HOST}:{port}/metrics", timeout=timeout) as response:
        return bytes(response.read())


def build_environment(port: int, merged_port: int) -> dict[str, str]:
    """Return the variables that give a service its own port and that of the merged metrics, both on loopback."""
    return {_PORT_VARIABLE: str(port), _MERGED_VARIABLE: str(merged_port)}


def serve_for_supervisor(environment: Mapping[str, str] = os.environ) -> bool:
    """Serve this process's metrics where the supervisor reads them; False if no supervisor started it."""
    port = environment.get(_PORT_VARIABLE)
    if port is not None:
        start_http_server(int(port), addr=_HOST)
    return port is not None


def render(environment: Mapping[str, str] = os.environ) -> bytes:
    """Render the metrics of this process, or of all services if a supervisor merges them. It waits for the others."""
    port = environment.get(_MERGED_VARIABLE)
    if port is not None:
        try:
            return _read(port, 5 * _TIMEOUT)
        except urllib.error.URLError:
            pass  # the supervisor is ending: our own are better than none
    return generate_latest()


def merge_services(ports: Mapping[str, int]) -> CollectorRegistry:
    """Return the metrics of this process and those of the services with these ports."""
    merged = CollectorRegistry(auto_describe=False)
    merged.register(MergedMetrics(ports))
    return merged


def serve(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> None:
    """Serve metrics at this address. Raises StartError if it is not available."""
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise StartError(
            f"metrics cannot be shown at {host}:{port}: {error.strerror}; change [telemetry] port"
        ) from None
