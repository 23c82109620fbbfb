"""Checks of the running services, by the metrics that Prometheus reads."""

from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from alerting.vocabulary import count_things
from gateway.doctor.finding import Finding, FindingFactory
from gateway.settings import Settings
from gateway.system.service_manager import SILENCE_LIMIT

_TIMEOUT = 5.0  # s
_STALE_HEARTBEAT = 300.0  # s
_STALE_SHADOW = 3600.0  # s
_QUEUE_LABELS = {"inbox": "alerts wait for a decision", "outbox": "notifications wait"}

START_REMEDY = "start it; if it runs, the end of its log names what it waits for"
_SHADOW_NEWEST = "piekwacht_shadow_newest_timestamp_seconds/"

Samples = Mapping[str, float]
Hosts = Mapping[str, str]
"""Service -> host, for services on other machines."""


def fetch_samples(url: str) -> Samples | None:
    """Fetch all samples by name and label values; None if the address does not answer."""
    try:
        text = httpx.get(url, timeout=_TIMEOUT, trust_env=False).raise_for_status().text
        families = list(text_string_to_metric_families(text))
    except (httpx.HTTPError, ValueError):
        return None
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def _url_host(host: str) -> str:
    """Return the address to reach a process on this machine that listens on `host`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{address}]" if ":" in address else address


def metrics_url(settings: Settings, hosts: Hosts, part: str) -> str | None:
    """Return the address of the metrics of a service's own process; None if it has no port."""
    port = settings.telemetry.port_of(part)
    return None if port is None else f"http://{hosts.get(part) or _url_host(settings.telemetry.host)}:{port}/metrics"


def _api_url(settings: Settings, hosts: Hosts) -> str:
    return f"http://{hosts.get('api') or _url_host(settings.api.host)}:{settings.api.port}"


def fetch_metrics(settings: Settings, hosts: Hosts, part: str, required: str) -> Samples | None:
    """Fetch the metrics of a service: at its port in `[telemetry]`, else at the API if one process runs all."""
    for url in (metrics_url(settings, hosts, part), f"{_api_url(settings, hosts)}/metrics"):
        metrics = fetch_samples(url) if url else None
        if metrics is not None and required in metrics:
            return metrics
    return None


def check_gateway(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether the gateway runs and receives readings."""
    finding = FindingFactory("gateway")
    if settings.ingest is None:
        yield finding.note("these settings have no [ingest], so no gateway is expected")
        return
    metrics = fetch_metrics(settings, hosts, "gateway", "piekwacht_ingest_connected")
    if metrics is None:
        yield finding.fault(f"the gateway does not answer at {expected_url(settings, hosts, 'gateway')}", START_REMEDY)
    elif settings.ingest.share_areas and not metrics.get("piekwacht_leased_areas"):
        yield finding.note("this gateway has no area now: other workers have all areas")
    elif not metrics["piekwacht_ingest_connected"]:
        yield finding.fault(
            "the gateway runs and receives nothing", "see its log: the broker or the database is unavailable"
        )
    else:
        yield finding.ok("the gateway receives readings")


def check_api(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether the API runs and is ready."""
    finding, url = FindingFactory("api"), f"{_api_url(settings, hosts)}/readyz"
    try:
        response = httpx.get(url, timeout=_TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        yield finding.fault(
            f"the API does not answer at {_api_url(settings, hosts)} ({type(error).__name__})",
            START_REMEDY,
        )
        return
    if response.is_success:
        yield finding.ok(f"the API answers at {_api_url(settings, hosts)}")
    else:
        yield finding.fault(f"the API answers {response.status_code}", "see its log: it cannot reach the database")


def check_alerting(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether alerting runs, and how long its queues are."""
    finding, receivers = FindingFactory("alerting"), settings.alerting.receiver
    if not receivers:
        yield finding.warning(
            "no receiver is configured: nobody gets alerts", "set [[alerting.receiver]] and [[alerting.route]]"
        )
    metrics = fetch_metrics(settings, hosts, "alerting", "piekwacht_alerting_queue_size/inbox")
    if metrics is None:
        yield finding.fault(f"alerting does not answer at {expected_url(settings, hosts, 'alerting')}", START_REMEDY)
        return
    waiting = {
        label: metrics.get(f"piekwacht_alerting_queue_size/{queue}", 0) for queue, label in _QUEUE_LABELS.items()
    }
    for label, size in waiting.items():
        if size > 10:
            yield finding.warning(
                f"{size:.0f} {label}", "see alerting's log: is the mail server or a receiver unavailable?"
            )
    set_aside = sum(value for name, value in metrics.items() if name.startswith("piekwacht_alerting_rules_set_aside/"))
    if set_aside:
        remedy = "`piekwacht alerts silences` names them; end them, and create them again without the error"
        yield finding.warning(f"{set_aside:.0f} silences or routes are not applied", remedy)
    yield finding.ok(f"alerting answers, {count_things(len(receivers), 'receiver')}")


def check_evaluation(settings: Settings, hosts: Hosts, now: float) -> Iterator[Finding]:
    """Whether `piekwacht evaluate` runs, if self-test or shadow are configured."""
    finding, url = FindingFactory("evaluation"), metrics_url(settings, hosts, "evaluation")
    if not settings.has_evaluation:
        yield finding.note(
            "the detector is not evaluated while it runs", "a choice: [selftest] and [shadow] evaluate it"
        )
        return
    if url is None:
        yield finding.note("whether `piekwacht evaluate` runs cannot be checked", "set [telemetry] evaluation_port")
        return
    metrics = fetch_samples(url)
    if metrics is None:
        yield finding.warning(f"`piekwacht evaluate` does not answer at {url}", "start it, or see its log")
        return
    shadows = {name.rpartition("/")[2]: value for name, value in metrics.items() if name.startswith(_SHADOW_NEWEST)}
    stale = {name: now - value for name, value in shadows.items() if now - value > _STALE_SHADOW}
    for name, age in stale.items():
        yield finding.warning(
            f"the newest batch of the shadow {name} is {age / 3600:.0f} hours old",
            "it may be catching up; if not, see its log, and whether the gateway receives readings",
        )
    if not stale:
        yield finding.ok("`piekwacht evaluate` answers")


def check_silence(settings: Settings, hosts: Hosts, now: float) -> Iterator[Finding]:
    """Whether the services' event loops turn, and whether `piekwacht up` had to start a silent one again."""
    finding = FindingFactory("silence")
    urls = {metrics_url(settings, hosts, name) for name in ("gateway", "alerting", "evaluation", "subscriptions")}
    urls.add(f"{_api_url(settings, hosts)}/metrics")
    metrics = {name: value for url in urls - {None} for name, value in (fetch_samples(str(url)) or {}).items()}
    answers = _select_by_service(metrics, "piekwacht_service_answered_timestamp_seconds/")
    silences = {service: now - at for service, at in answers.items() if now - at > SILENCE_LIMIT}
    for service, seconds in silences.items():
        yield finding.fault(
            f"{service} has not answered for {seconds:.0f} s",
            "systemd or `piekwacht up` starts it again; its log shows where it hung",
        )
    for service, count in _select_by_service(metrics, "piekwacht_service_restarts_total/silence/").items():
        yield finding.warning(
            f"{service} stopped answering {count:.0f} times and was started again", "its log shows where it hung"
        )
    if answers and not silences:
        yield finding.ok(f"{', '.join(sorted(answers))} answer")


def _select_by_service(metrics: Samples, prefix: str) -> Samples:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def check_heartbeat(settings: Settings, hosts: Hosts, now: float) -> Iterator[Finding]:
    """Whether an external monitor receives our heartbeats and would notice an outage."""
    finding = FindingFactory("heartbeat")
    if settings.alerting.heartbeat is None:
        yield finding.warning(
            "no external monitor would notice an outage of this machine", "set [alerting.heartbeat] url"
        )
        return
    metrics = fetch_metrics(settings, hosts, "alerting", "piekwacht_alerting_queue_size/inbox") or {}
    last_heartbeat = metrics.get("piekwacht_alerting_heartbeat_timestamp_seconds", 0)
    if not last_heartbeat:
        yield finding.fault(
            "the external monitor has not accepted a heartbeat", "check its url, and whether a firewall blocks the way"
        )
    elif now - last_heartbeat > _STALE_HEARTBEAT:
        yield finding.fault(
            f"the external monitor accepted the last heartbeat {now - last_heartbeat:.0f} s ago", "see alerting's log"
        )
    else:
        yield finding.ok(f"the external monitor accepted a heartbeat {now - last_heartbeat:.0f} s ago")


def expected_url(settings: Settings, hosts: Hosts, part: str) -> str:
    """Return the address where the metrics of a service are expected."""
    return metrics_url(settings, hosts, part) or f"{_api_url(settings, hosts)}/metrics"
