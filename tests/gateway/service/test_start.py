"""A gateway loads only what ingest needs before its first commit; the machine is checked later, or at the end."""

import asyncio
import subprocess
import sys

import pytest

from edge_agent.wire import Signer
from gateway.service import run
from gateway.system.child_process import find_free_port

_START = """
import sys
from pathlib import Path
from gateway.__main__ import main
from gateway.errors import StartError
main(["gateway", "--config", "no such file"])
from gateway import settings
from gateway.service import run
run.check_schema = lambda dsn: None  # there is no database
try:
    run.run(settings.read(Path(sys.argv[1])), "gateway", lambda settings, names: None)
except StartError as error:
    assert "no broker" in str(error), error
assert "numba" in sys.modules
print(*sorted({name.partition(".")[0] for name in sys.modules} | {n for n in sys.modules if n.startswith("gateway.")}))
"""


def test_a_gateway_loads_no_unneeded_module_before_it_connects(tmp_path):
    """Everything up to here delays readings after a crash; each of these takes 0.05 to 0.4 s."""
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        f'[database]\ndsn = "host=127.0.0.1 port={find_free_port()}"\n[broker]\nport = {find_free_port()}\n'
        '[ingest]\nkey_file = "gateway.key"\n'
    )
    result = subprocess.run([sys.executable, "-c", _START, config], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.split())
    assert "gateway.ingest.pipeline" in loaded
    unneeded = {"scipy", "rich", "yaml", "httpx", "fastapi", "jinja2", "pyarrow", "gateway.doctor", "gateway.api.app"}
    assert sorted(loaded & unneeded) == []


async def test_the_machine_is_checked_once_when_the_service_works(monkeypatch):
    monkeypatch.setattr(run, "_CHECK_DELAY", 0.01)
    calls: list[str] = []
    await run._check_later(lambda: calls.append("checked"))
    assert calls == ["checked"]


async def test_the_machine_is_checked_once_when_the_service_ends_before(monkeypatch):
    monkeypatch.setattr(run, "_CHECK_DELAY", 60)
    calls: list[str] = []
    check = asyncio.create_task(run._check_later(lambda: calls.append("checked")))
    await asyncio.sleep(0)
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    assert calls == ["checked"]
