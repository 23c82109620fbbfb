"""Commands for field engineers: plain sentences, an exit code, and never a traceback."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent import bus_scan, check
from edge_agent.__main__ import main
from edge_agent.check import NodeFindingLevel
from tests.edge_agent import fakes
from tests.edge_agent.running_agent import stop
from tests.waiting import wait_until

SIMULATED = 'driver = "simulated"\ninterval_seconds = 0.05\nproperties = ["pm10", "humidity"]'
ROOT = Path(__file__).resolve().parents[2]


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_agent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


def test_check_lists_every_part_and_ends_with_0_if_nothing_is_bad(node, broker, capsys):
    node.write_config(broker.port, SIMULATED)
    (node.folder / "node.key").chmod(0o600)
    assert main(["check", "--config", str(node.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[9:].split(":")[0] for line in lines] == ["sensor", "clock", "disk", "spool", "keys", "broker"]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda node: (node.folder / "node.key").unlink(), "node.key cannot be read"),
        (lambda node: (node.folder / "node.key").chmod(0o644), "chmod 600"),
        (lambda node: node.write_config(1, SIMULATED), "check host, port, firewall and certificate"),
        (lambda node: node.spool.write_bytes(b"junk" * 5000), "is damaged"),
        (lambda node: node.write_config(1, 'driver = "sps30"\nbus = 97'), "/dev/i2c-97 is not there"),
        (lambda node: node.write_config(1, 'driver = "pms"\nport = "/dev/nothing"'), "/dev/nothing is not there"),
        (lambda node: node.write_config(1, 'driver = "opcn3"\nbus = 9'), "spidev"),
    ],
)
def test_check_names_the_fault_and_the_remedy(node, broker, capsys, broken, sentence):
    node.write_config(broker.port, SIMULATED)
    broken(node)
    code = main(["check", "--config", str(node.config)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if sentence in line]
    assert code == (1 if line.startswith("bad") else 0)


def certificate(begins: int, ends: int) -> bytes:
    key, now = Ed25519PrivateKey.generate(), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ijm-001")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + dt.timedelta(days=begins))
    built = builder.not_valid_after(now + dt.timedelta(days=ends)).sign(key, None)
    return built.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("begins", "ends", "verdict", "word"),
    [
        (-10, 300, NodeFindingLevel.GOOD, "valid until"),
        (-10, 20, NodeFindingLevel.WARNING, "renew"),
        (-10, -1, NodeFindingLevel.BAD, "expired"),
        (5, 300, NodeFindingLevel.BAD, "clock"),
    ],
)
def test_check_warns_before_a_certificate_expires(tmp_path, begins, ends, verdict, word):
    path = tmp_path / "node.pem"
    path.write_bytes(certificate(begins, ends))
    finding = check._check_certificate(path, dt.datetime.now(dt.UTC))
    assert finding.level is verdict
    assert word in finding.sentence


def test_sensors_lists_connected_sensors_with_their_configuration(tmp_path):
    (tmp_path / "i2c-1").touch()
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "spidev0.0").touch()
    bus = fakes.make_bus({0x48: fakes.FakeAds1115(100.0)})
    assert list(bus_scan.scan_buses(tmp_path, lambda _: bus)) == [
        "/dev/i2c-1, address 0x48: an ADS1115 (pid?)",
        f"{tmp_path}/ttyUSB0: a serial port; pms, sds011, gill, davis, modbus_wind or gps may sit there",
        f"{tmp_path}/spidev0.0: SPI; an opcn3 may sit there",
    ]
    assert list(bus_scan.scan_buses(tmp_path / "empty")) == [
        "no I2C bus: switch it on with dtparam=i2c_arm=on in config.txt and reboot"
    ]


def test_tail_prints_the_readings_of_a_running_agent(node):
    node.write_config(1, SIMULATED, batch="drain_seconds = 0")
    process = node.start()
    wait_until(lambda: node.generated.exists() and node.generated.stat().st_size)
    shown = agent("tail", "--config", str(node.config), "--count", "3")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 3
    assert all("simulated" in line and "pm10" in line for line in shown.stdout.splitlines())
    stop(process)
    assert not list(node.folder.glob("*.tail"))


def test_every_command_explains_itself():
    for command in ("run", "check", "sensors", "tail", "bench"):
        shown = agent(command, "--help")
        assert shown.returncode == 0
        assert "usage: piekwacht-agent" in shown.stdout


@pytest.mark.slow
def test_the_bench_ends_with_its_figures_as_json():
    shown = agent("bench", "--days", "1")
    assert shown.returncode == 0, shown.stderr
    figures = json.loads(shown.stdout.splitlines()[-1])
    assert figures["rss_mb"] < 60
    assert figures["bytes_per_value_live"] < 12
    assert figures["bytes_per_value_sparse"] < 14
    assert figures["startup_seconds"] < 5
