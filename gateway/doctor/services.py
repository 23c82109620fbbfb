"""The running processes, asked as Prometheus would ask them."""

from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway.doctor.finding import Finding, Findings
from gateway.settings import Settings

_PATIENCE = 5.0
_STALE_BEAT = 300.0  # seconds
_STALE_SHADOW = 3600.0  # seconds
_QUEUES = {"inbox": "alerts wait undecided", "outbox": "notifications wait"}

_START = "start it; where it was started, the end of its log says what it waits for"
_NEWEST = "piekwacht_shadow_newest_timestamp_seconds/"

Samples = Mapping[str, float]
Hosts = Mapping[str, str]
"""Part -> where it runs, where that is not this machine."""


def samples(url: str) -> Samples | None:
    """Every sample at a metrics address by its name and labels; None where nobody answers."""
    try:
        text = httpx.get(url, timeout=_PATIENCE, trust_env=False).raise_for_status().text
        families = list(text_string_to_metric_families(text))
    except (httpx.HTTPError, ValueError):
        return None
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def _here(host: str) -> str:
    """Where to ask a process on this machine that listens on `host`."""
    plain = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{plain}]" if ":" in plain else plain


def _at(settings: Settings, hosts: Hosts, part: str) -> str | None:
    port = settings.telemetry.port_of([part])
    return None if port is None else f"http://{hosts.get(part) or _here(settings.telemetry.host)}:{port}/metrics"


def _api(settings: Settings, hosts: Hosts) -> str:
    return f"http://{hosts.get('api') or _here(settings.api.host)}:{settings.api.port}"


def _metrics(settings: Settings, hosts: Hosts, part: str, sign: str) -> Samples | None:
    """The metrics of a part: where `[telemetry]` says, else at the API where one process is all."""
    for url in (_at(settings, hosts, part), f"{_api(settings, hosts)}/metrics"):
        found = samples(url) if url else None
        if found is not None and sign in found:
            return found
    return None


def gateway(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether it is there and takes in."""
    say = Findings("gateway")
    if settings.ingest is None:
        yield say.note("there is no [ingest] in these settings, so no gateway is expected")
        return
    found = _metrics(settings, hosts, "gateway", "piekwacht_ingest_connected")
    if found is None:
        yield say.fault(f"the gateway does not answer at {_where(settings, hosts, 'gateway')}", _START)
    elif settings.ingest.share and not found.get("piekwacht_leased_areas"):
        yield say.note("this gateway has no area now: other workers have them all")
    elif not found["piekwacht_ingest_connected"]:
        yield say.fault("the gateway runs and takes nothing in", "its log says whether broker or database is away")
    else:
        yield say.well("the gateway takes readings in")


def api(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether it is there and can serve."""
    say, url = Findings("api"), f"{_api(settings, hosts)}/readyz"
    try:
        answer = httpx.get(url, timeout=_PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        yield say.fault(
            f"the API does not answer at {_api(settings, hosts)} ({type(error).__name__})",
            _START,
        )
        return
    if answer.is_success:
        yield say.well(f"the API answers at {_api(settings, hosts)}")
    else:
        yield say.fault(f"the API answers {answer.status_code}", "look at its log: it cannot reach the database")


def alerting(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether it is there, and what waits."""
    say, receivers = Findings("alerting"), settings.alerting.receiver
    if not receivers:
        yield say.warning("nobody would be told of a peak", "give [[alerting.receiver]] and [[alerting.route]]")
    found = _metrics(settings, hosts, "alerting", "piekwacht_alerting_queue_size/inbox")
    if found is None:
        yield say.fault(f"alerting does not answer at {_where(settings, hosts, 'alerting')}", _START)
        return
    waiting = {words: found.get(f"piekwacht_alerting_queue_size/{queue}", 0) for queue, words in _QUEUES.items()}
    for words, size in waiting.items():
        if size > 10:
            yield say.warning(f"{size:.0f} {words}", "look at alerting's log: is the mail server or a receiver away?")
    yield say.well(f"alerting answers, {len(receivers)} receivers")


def beside(settings: Settings, hosts: Hosts, now: float) -> Iterator[Finding]:
    """Whether what judges the detector runs, where it was asked for."""
    say, at = Findings("beside"), _at(settings, hosts, "beside")
    if not settings.judges:
        yield say.note("nothing judges the detector while it works", "a choice: [selftest] and [shadow] would")
        return
    if at is None:
        yield say.note("whether `piekwacht beside` runs cannot be seen", "give [telemetry] beside_port")
        return
    found = samples(at)
    if found is None:
        yield say.warning(
            f"what judges the detector does not answer at {at}", "start `piekwacht beside`, or look at its log"
        )
        return
    shadows = {name.rpartition("/")[2]: value for name, value in found.items() if name.startswith(_NEWEST)}
    stale = {name: now - value for name, value in shadows.items() if now - value > _STALE_SHADOW}
    for name, age in stale.items():
        yield say.warning(
            f"the shadow {name} has come to batches that are {age / 3600:.0f} hours old",
            "it may be catching up; if not, look at its log, and whether the gateway takes anything in",
        )
    if not stale:
        yield say.well("what judges the detector answers")


def heartbeat(settings: Settings, hosts: Hosts, now: float) -> Iterator[Finding]:
    """Whether somebody outside would notice if all of this fell silent."""
    say = Findings("heartbeat")
    if settings.alerting.heartbeat is None:
        yield say.warning("nobody outside would notice if this machine fell silent", "give [alerting.heartbeat] url")
        return
    found = _metrics(settings, hosts, "alerting", "piekwacht_alerting_queue_size/inbox") or {}
    beat = found.get("piekwacht_alerting_heartbeat_timestamp_seconds", 0)
    if not beat:
        yield say.fault("the watcher outside has not taken a heartbeat", "is its url right, and is there a way out?")
    elif now - beat > _STALE_BEAT:
        yield say.fault(f"the watcher outside took the last heartbeat {now - beat:.0f} s ago", "look at alerting's log")
    else:
        yield say.well(f"the watcher outside took a heartbeat {now - beat:.0f} s ago")


def _where(settings: Settings, hosts: Hosts, part: str) -> str:
    return _at(settings, hosts, part) or f"{_api(settings, hosts)}/metrics"
