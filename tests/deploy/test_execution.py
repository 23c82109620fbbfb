"""Every part starts where its unit forbids memory that is written and then executed, as a server's systemd does."""

import subprocess
import sys

import pytest

from edge_agent.wire import Signer
from gateway.__main__ import main
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.deploy.conftest import DEPLOY

_PR_SET_MDWE = 65  # linux/prctl.h, from 6.3 on: what MemoryDenyWriteExecute= asks for
HELD = f"""
import ctypes, sys
if ctypes.CDLL(None).prctl({_PR_SET_MDWE}, 1, 0, 0, 0):
    sys.exit(77)
from gateway.__main__ import main
sys.exit(main())
"""
PROBE = "import ctypes, sys; sys.exit(bool(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)))"


def list_restricted_commands():
    """The commands of units that forbid it, each with its action."""
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        text = unit.read_text()
        if "MemoryDenyWriteExecute=yes" in text and "/bin/piekwacht " in text:
            words = text.split("/bin/piekwacht ")[1].splitlines()[0].split()
            yield " ".join(word for word in words if word != "--config" and not word.startswith("/"))


@pytest.fixture
def ports():
    return {
        "api": find_free_port(),
        "alerting": find_free_port(),
        "subscriptions run": find_free_port(),
        "witness run": find_free_port(),
    }


@pytest.fixture
def config(tmp_path, database, broker, ports):
    if subprocess.run([sys.executable, "-c", PROBE]).returncode:
        pytest.skip("this kernel cannot forbid it (Linux 6.3 can)")
    path = tmp_path / "piekwacht.toml"
    path.write_text(f"""
        [database]
        dsn = "{database}"
        [retention]
        selftest_days = 400
        [broker]
        port = {broker.port}
        [api]
        port = {ports["api"]}
        [alerting]
        public_url = "http://127.0.0.1:{ports["api"]}"
        [telemetry]
        alerting_port = {ports["alerting"]}
        subscriptions_port = {ports["subscriptions run"]}
        [subscriptions]
    """)
    return path


def write_witness_settings(folder, port):
    key = folder / "witness.key"
    assert main(["witness", "key", "dorpsraad.example/w", str(key)]) == 0
    path = folder / "witness.toml"
    log = Signer.generate("piekwacht.example/log/ijmond").verifier
    path.write_text(f'key_file = "{key}"\nlogs = ["{log}"]\nport = {port}\n')
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the units are for Linux")
@pytest.mark.parametrize("part", sorted(list_restricted_commands()))
def test_a_service_without_executable_memory_starts_and_answers(part, config, ports, tmp_path):
    settings = write_witness_settings(tmp_path, ports[part]) if part == "witness run" else config
    command = [sys.executable, "-c", HELD, *part.split(), "--config", str(settings)]
    if part not in ports:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return
    with Child(part, command, log=tmp_path / "log") as child:
        child.wait_until(lambda: is_port_open("127.0.0.1", ports[part]))


def test_some_services_have_no_executable_memory_and_the_kernel_enforces_it(config):
    assert {"api", "alerting", "migrate", "upkeep run"} <= set(list_restricted_commands())
    code = f"import ctypes; ctypes.CDLL(None).prctl({_PR_SET_MDWE}, 1, 0, 0, 0); import numba"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "executable memory" in done.stderr
