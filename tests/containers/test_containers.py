"""deploy/compose as running containers: built, healthy, with few rights, and a reading from node to map."""

import subprocess
import sys
import time

import pytest

from gateway.system.child_process import Child
from tests.containers.installation import PARTS, Installation

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]
OURS = ("gateway", "api", "alerting", "evaluation", "subscriptions")
_BOUNDS = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.geteuid(), int(status["CapBnd"], 16), status["NoNewPrivs"].strip())
for path in ("/opt/piekwacht/x", "/etc/piekwacht/x", "/x"):
    try:
        open(path, "w")
    except OSError as error:
        print(error.errno)
"""


@pytest.fixture(scope="module")
def node(installation, tmp_path_factory):
    """A real agent that sends a reading a second over TLS."""
    config = installation.enrol("ijm-001")
    command = [sys.executable, "-m", "edge_agent", "run", "--config", config]
    with Child("agent", command, log=tmp_path_factory.mktemp("agent") / "log") as agent:
        yield agent


def source(installation: Installation, observed_property: str) -> str | None:
    """Which node the newest value is from, as the public API has it."""
    query = {"averaging": "raw", "property": observed_property}
    answer = installation.get("/api/v1/stations/wijk-aan-zee-dorp/observations", **query)
    items = answer.json()["items"] if answer.is_success else []
    return items[0]["batch"]["node"] if items else None


def count_batches(installation: Installation) -> tuple[int, int]:
    """Batches, and the numbers that are missing among them."""
    query = "SELECT count(*), coalesce(max(seq) - min(seq) + 1, 0) - count(*) FROM batch"
    words = (
        "exec",
        "-T",
        "database",
        "psql",
        "-U",
        "piekwacht",
        "-h",
        "/run/postgresql",
        "-At",
        "-F",
        " ",
        "-c",
        query,
    )
    count, missing = installation.compose(*words).split()
    return int(count), int(missing)


def test_every_container_is_healthy(installation):
    assert installation.states() == dict.fromkeys(PARTS, "running, healthy")
    assert "Exited (0)" in installation.compose("ps", "--all", "migrate")


@pytest.mark.parametrize("part", OURS)
def test_our_containers_have_no_root_no_capabilities_and_a_read_only_file_system(installation, part):
    user, *refusals = installation.run_python(part, _BOUNDS).splitlines()
    assert user == "10001 0 1"
    assert refusals == ["30", "30", "30"]  # EROFS


def test_a_reading_goes_from_a_node_to_the_map(installation, node):
    installation.wait_until(lambda: count_batches(installation)[0] > 3, 60)
    for observed_property in ("pm2_5", "pm10"):
        installation.wait_until(lambda of=observed_property: source(installation, of) == "ijm-001", 30)
    assert node.running


def test_residents_can_subscribe_by_mail_and_in_the_browser(installation):
    form = installation.get("/nl/waarschuw-mij")
    assert form.status_code == 200
    public_key = (installation.home / "secrets/vapid.public").read_text().strip()
    assert f'data-key="{public_key}"' in form.text
    fields = {"place": "area:ijmond", "level": "moderate", "cadence": "at_once", "email": "bewoner@example.org"}
    answer = installation.post("/nl/waarschuw-mij", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/nl/waarschuw-mij/verzonden")


def test_a_killed_gateway_starts_again_and_no_reading_is_lost(installation, node):
    installation.wait_until(lambda: count_batches(installation)[0] > 3, 60)
    container = installation.compose("ps", "--quiet", "gateway").strip()
    pid = installation.docker.run("inspect", "--format", "{{.State.Pid}}", container).strip()
    subprocess.run(["kill", "-9", pid], check=True)
    before = count_batches(installation)[0]
    installation.wait_until(lambda: count_batches(installation)[0] > before + 3, 90)
    assert count_batches(installation)[1] == 0
    assert node.running


def test_metrics_are_not_public_and_the_doctor_reports_no_fault(installation, node):
    assert installation.get("/metrics").status_code == 404
    installation.wait_until(lambda: count_batches(installation)[0] > 0, 60)
    report = installation.compose("run", "--rm", "-T", "doctor")
    assert "FAULT" not in report


def test_stopped_containers_end_with_code_0_before_the_kill(installation):
    began = time.monotonic()
    installation.compose("stop", *OURS)
    assert time.monotonic() - began < 20  # then they would be killed
    lines = installation.compose("ps", "--all", "--format", "{{.Service}} {{.ExitCode}}").splitlines()
    assert {line for line in lines if line.split()[0] in OURS} == {f"{part} 0" for part in OURS}
    installation.compose("start", *OURS)
    installation.wait_until(lambda: set(installation.states().values()) == {"running, healthy"}, 150)
