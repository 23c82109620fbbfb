"""Each service of `piekwacht up` is a process that is started again when it ends or stops answering."""

import os
import signal
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.wire import Signer
from gateway import settings
from gateway.doctor.finding import FindingLevel
from gateway.doctor.services import check_silence
from gateway.service.supervisor import EndReason, Liveness
from gateway.system.child_process import Child, find_free_port
from gateway.system.service_manager import SILENCE_LIMIT
from tests.gateway.evaluation.shadow.test_shadow import batch, live

INTERVAL = 0.5


@given(st.lists(st.sampled_from(["report", "silence", "late check"]), max_size=80))
def test_only_a_ready_service_that_is_silent_for_the_limit_is_ended(steps):
    liveness, now, silent_for, is_ready = Liveness(heard_at=0, checked_at=0), 0.0, 0.0, False
    for step in steps:
        pause = 3600.0 if step == "late check" else INTERVAL
        now += pause
        reason = liveness.judge(now, has_reported=step == "report")
        is_ready |= step == "report"
        silent_for = 0.0 if step != "silence" else silent_for + pause
        expected = EndReason.SILENCE if is_ready and silent_for > SILENCE_LIMIT else None
        assert reason == expected


@pytest.fixture
def site(tmp_path, database, broker):
    """(settings file, port of the API, port of all metrics) of a site with gateway, API, alerting and evaluation."""
    api_port, metrics_port = find_free_port(), find_free_port()
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
    config = tmp_path / "piekwacht.toml"
    config.write_text(f"""
        [database]
        dsn = "{database}"
        [broker]
        port = {broker.port}
        [ingest]
        key_file = "gateway.key"
        [api]
        port = {api_port}
        [telemetry]
        port = {metrics_port}
        [shadow]
        name = "night"
        poll_seconds = 0.2
    """)
    return config, api_port, metrics_port


def start(config: Path) -> Child:
    return Child(
        "piekwacht up", [sys.executable, "-m", "gateway", "up", "--config", config], log=config.with_name("up.log")
    )


def read_metrics(port: int) -> dict[tuple[str, ...], float]:
    """Return metrics by name and label values; empty if the process does not answer."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        samples = [s for f in text_string_to_metric_families(response.read().decode()) for s in f.samples]
        keys = [(sample.name, *sample.labels.values()) for sample in samples]
        assert len(keys) == len(set(keys)), "one sample stands twice"
        return {key: sample.value for key, sample in zip(keys, samples, strict=True)}
    return {}


def find_processes(up: Child) -> dict[str, int]:
    """Process id of each service by its command."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == up.process.pid:
                arguments = (path.parent / "cmdline").read_bytes().split(b"\0")
                processes[arguments[3].decode()] = int(path.parent.name)
    return processes


def is_ingesting(metrics_port: int) -> bool:
    return read_metrics(metrics_port).get(("piekwacht_ingest_connected",)) == 1


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def stop_up(up: Child):
    processes = find_processes(up)
    assert up.stop() == 0, up.read_log_tail()
    assert all(is_gone(pid) for pid in processes.values())


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_services_that_end_or_hang_are_started_again_and_named(site, database, node):
    config, api_port, metrics_port = site
    await live(database, [batch(node, seq) for seq in range(1, 30)])
    with start(config) as up:
        up.wait_until(lambda: is_ingesting(metrics_port), timeout=100)
        up.wait_until(lambda: is_ingesting(api_port), timeout=20)  # the API shows the metrics of all services too
        first = find_processes(up)
        assert first.keys() == {"gateway", "api", "alerting", "evaluate"}

        up.wait_until(lambda: count_followed(database) == 30, timeout=60)
        os.kill(first["gateway"], signal.SIGKILL)
        os.kill(first["evaluate"], signal.SIGKILL)
        os.kill(first["alerting"], signal.SIGSTOP)
        up.wait_until(
            lambda: read_metrics(metrics_port).get(("piekwacht_service_restarts_total", "silence", "alerting")),
            timeout=60,
        )
        up.wait_until(lambda: is_ingesting(metrics_port), timeout=60)
        metrics = read_metrics(metrics_port)
        assert metrics[("piekwacht_service_restarts_total", "exit", "gateway")] == 1
        up.wait_until(lambda: find_processes(up).keys() == first.keys(), timeout=60)
        second = find_processes(up)
        assert second["api"] == first["api"], "the others are left alone"
        assert all(second[name] != first[name] for name in ("gateway", "alerting", "evaluate"))
        log = up.log.read_text()
        assert "service does not answer service=alerting" in log
        assert "service ended; starting it again service=gateway reason=exit exit_code=-9" in log
        findings = list(
            check_silence(
                settings.read(config), {}, metrics[("piekwacht_service_answered_timestamp_seconds", "gateway")] + 1
            )
        )
        assert any(
            f.level is FindingLevel.WARNING and "alerting stopped answering 1 times" in f.message for f in findings
        )
        answered = ("piekwacht_service_answered_timestamp_seconds", "evaluation")
        up.wait_until(lambda: read_metrics(metrics_port).get(answered, 0) > time.time() - 3, timeout=60)
        stop_up(up)


def count_followed(database: str) -> int:
    with psycopg.connect(database) as connection:
        ((number,),) = connection.execute("SELECT max(next_batch) FROM shadow").fetchall()
        return number or 0


@pytest.mark.slow
def test_a_service_that_cannot_start_ends_all_with_its_sentence_and_code(site):
    config, api_port, _ = site
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", api_port)), start(config) as up:
        assert up.process.wait(100) == 1
        log = up.log.read_text()
        assert str(api_port) in log
        assert "Traceback" not in log


def test_the_doctor_names_a_service_whose_loop_stands_still(site, tmp_path):
    """A process whose metrics thread answers while its loop has hung for a minute."""
    config, _, metrics_port = site
    program = (
        "import sys, time\n"
        "from prometheus_client import start_http_server\n"
        "from gateway import telemetry\n"
        "telemetry.ANSWERED_AT.labels('gateway').set(1_000_000)\n"
        "start_http_server(int(sys.argv[1]))\n"
        "time.sleep(600)\n"
    )
    with Child("gateway", [sys.executable, "-c", program, str(metrics_port)], log=tmp_path / "log") as child:
        child.wait_until(lambda: bool(read_metrics(metrics_port)))
        (finding,) = check_silence(settings.read(config), {}, 1_000_060)
    assert finding.level is FindingLevel.FAULT
    assert "gateway has not answered for 60 s" in finding.message
