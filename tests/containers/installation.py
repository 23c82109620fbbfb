"""deploy/compose, installed by docs/operator/install.md on loopback ports that the machine has free."""

import json
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.containers.docker import Docker
from tests.containers.images import ROOT

PARTS = (
    *("database", "broker", "public-broker", "gateway", "api", "alerting", "evaluation", "subscriptions", "web"),
    *("prometheus", "alertmanager"),
)
# A test differs from an operator only in its ports.
_TEST_OVERRIDES = """
services:
  broker: { ports: !override ["127.0.0.1::8883"] }
  public-broker: { ports: !override ["127.0.0.1::1883"] }
  web: { ports: !override ["127.0.0.1::443"] }
"""
_ENV = "PIEKWACHT_VERSION=0.1.0\nPIEKWACHT_DOMAIN=localhost\nPIEKWACHT_EMAIL=beheer@example.org\n"
_KIT = """title = "simulated"
[batch]
interval_seconds = 1
[[sensor]]
driver = "simulated"
interval_seconds = 1
properties = ["pm2_5", "pm10"]
"""


def enable_optional_tables(text: str) -> str:
    """The settings with the tables that are comments in the release: an operator removes these signs."""
    tables = text[text.index("# [subscriptions]") :].replace("\n# ", "\n").removeprefix("# ")
    return text[: text.index("# [subscriptions]")].replace("# [selftest]", "[selftest]") + tables


class Installation:
    """`folder` is the unpacked release."""

    def __init__(self, docker: Docker, folder: Path, *, stand_ins: bool) -> None:
        self.docker, self.folder, self.stand_ins = docker, folder, stand_ins
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        self.firmware = Path(shutil.copytree(ROOT / "firmware_configs", folder / "firmware_configs"))
        self.home = folder / "deploy/compose"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything healthy; afterwards nothing is left, the volumes neither."""
        self._prepare()
        try:
            self.compose("up", "--detach", *PARTS)
            self.wait_until(lambda: set(self.states().values()) == {"running, healthy"}, 300)
            self.compose(
                "run", "--rm", "-T", "--volume", f"{ROOT}/deploy/examples/site.toml:/site.toml:ro",
                "gateway", "site", "apply", "/site.toml",
            )  # fmt: skip
            yield
        finally:
            (self.folder / "log").write_text(self.compose("logs", "--no-color", check=False))
            self.compose("down", "--volumes", "--timeout", "30", check=False)

    def _prepare(self) -> None:
        (self.home / ".env").write_text(_ENV)
        (self.home / "trial.yaml").write_text(_TEST_OVERRIDES)
        settings = self.home / "piekwacht.toml"
        settings.write_text(enable_optional_tables(settings.read_text()))
        command = [self.home / "prepare", "localhost"]
        process = subprocess.run(command, env=self.docker.environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr

    def enrol(self, node: str) -> Path:
        """Make the archive of a node by docs/operator/nodes.md and unpack it; return the folder with agent.toml."""
        site = self.firmware / "sites/ijmond/site.toml"
        text = site.read_text().replace("broker.ijmond.piekwacht.example", "localhost")
        text = text.replace("ntp.piekwacht.example", "localhost")
        site.write_text(f"{text}broker_port = {self.port('broker', 8883)}\n")
        (self.firmware / "kits/sps30-sgp41.toml").write_text(_KIT)
        self.compose(
            *("run", "--rm", "-T", "--user", "0:0", "--cap-add", "DAC_OVERRIDE"),
            *("--volume", f"{self.home}/ca:/ca", "--volume", f"{self.firmware}:/firmware_configs:ro"),
            *("gateway", "node", "enrol", "ijmond", node, "--ca", "/ca", "--out", f"/ca/{node}.zip"),
            *("--firmware-configs", "/firmware_configs"),
        )
        card = self.folder / node
        with zipfile.ZipFile(self.home / f"ca/{node}.zip") as archive:
            archive.extractall(card)
        config = card / "piekwacht/agent.toml"
        text = config.read_text().replace("/etc/piekwacht", str(card / "piekwacht"))
        config.write_text(text.replace("/var/lib/piekwacht", str(card)))
        return config

    def compose(self, *arguments: str, check: bool = True) -> str:
        """`docker compose ...` in the installation's folder."""
        files = (
            "--file",
            "compose.yaml",
            "--file",
            "trial.yaml",
            "--profile",
            "evaluation",
            "--profile",
            "subscriptions",
        )
        return self.docker.run("compose", *files, *arguments, cwd=self.home, check=check)

    def states(self) -> dict[str, str]:
        """Part -> `running, healthy`."""
        lines = self.compose("ps", "--format", "json").splitlines()
        return {service["Service"]: f"{service['State']}, {service['Health']}" for service in map(json.loads, lines)}

    def run_python(self, part: str, program: str) -> str:
        """Return the output of a line of Python in a container of ours."""
        return self.compose("exec", "-T", part, "python", "-c", program).strip()

    def port(self, part: str, inner: int) -> int:
        return int(self.compose("port", part, str(inner)).rpartition(":")[2])

    def get(self, path: str, **values: Any) -> httpx.Response:
        """GET through the web server; Caddy made its certificate for localhost."""
        return httpx.get(f"https://localhost:{self.port('web', 443)}{path}", params=values, verify=False)

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """A form, as a browser sends it from a page of the site."""
        address = f"https://localhost:{self.port('web', 443)}{path}"
        return httpx.post(address, data=fields, headers={"Sec-Fetch-Site": "same-origin"}, verify=False)

    def log(self, part: str) -> str:
        return self.compose("logs", "--no-color", "--no-log-prefix", part)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, f"waited in vain: {self.states()}"
            time.sleep(1)
