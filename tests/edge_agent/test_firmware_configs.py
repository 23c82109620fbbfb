"""Everything in firmware_configs/ is valid by the agent's own types and renders to what is written in golden/.

After an intended change: PIEKWACHT_WRITE_GOLDEN=1 pytest tests/edge_agent/test_firmware_configs.py, and read the diff.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from edge_agent import provisioning
from edge_agent.configuration import ConfigurationError, load_toml
from edge_agent.settings import Settings, read_configuration

FOLDER = Path(__file__).resolve().parents[2] / "firmware_configs"
NODES = provisioning.list_nodes(FOLDER)


def golden(path: Path, text: str) -> None:
    if os.environ.get("PIEKWACHT_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize(("site", "node"), NODES)
def test_every_node_renders_to_its_golden_files(site, node):
    for name, text in provisioning.render_node(FOLDER, site, node).items():
        golden(FOLDER / "golden" / node / name, text)


def test_every_golden_file_belongs_to_a_node():
    assert {path.name for path in (FOLDER / "golden").iterdir()} == {node for _, node in NODES}


@pytest.mark.parametrize(("site", "node"), NODES)
def test_the_agent_reads_every_rendered_configuration(site, node, tmp_path):
    files = provisioning.render_node(FOLDER, site, node)
    (tmp_path / "agent.toml").write_text(files["agent.toml"])
    settings = load_toml(tmp_path / "agent.toml", Settings)
    assert (settings.node.id, settings.node.area) == (node, site)
    assert settings.broker.tls is not None, "never without TLS in the field"
    assert yaml.safe_load(files["user-data"])["hostname"] == node
    assert yaml.safe_load(files["network-config"])["version"] == 2
    assert "{{" not in "".join(files.values())


def test_every_pilot_kit_and_board_is_used_somewhere():
    plans = [tomllib.loads(path.read_text()) for path in FOLDER.glob("sites/*/nodes/*.toml")]
    assert {plan["kit"] for plan in plans} == {path.stem for path in FOLDER.glob("kits/*.toml")}
    assert {plan["board"] for plan in plans} == {path.stem for path in FOLDER.glob("boards/*.toml")}
    assert {site for site, _ in NODES} == {"ijmond", "chemelot", "dordrecht", "nijmegen"}


def test_the_example_is_valid_with_and_without_its_comments(tmp_path):
    example = FOLDER / "examples/agent.toml"
    read_configuration(example)
    text = re.sub(r"^# (\[|\w+ = )", r"\1", example.read_text(), flags=re.MULTILINE)
    assert text.count("[[sensor]]") == 2
    (tmp_path / "all.toml").write_text(text)
    assert len(read_configuration(tmp_path / "all.toml").settings.sensor) == 2


def test_the_schema_for_editors_is_the_agents_own():
    golden(FOLDER / "schema/agent.json", provisioning.build_schema())
    schema = json.loads(provisioning.build_schema())
    assert {"Sps30Settings", "ReplaySettings", "SpoolSettings"} <= set(schema["$defs"])


def test_the_folder_contains_no_secret():
    for path in FOLDER.rglob("*"):
        if path.is_file():
            assert not re.search(
                r"PRIVATE\+KEY\+[\w.-]+\+[0-9a-f]{8}|BEGIN [A-Z ]*KEY|password|psk",
                path.read_text().replace("password: !secret", ""),
            ), path


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("file", "before", "after", "sentence"),
    [
        ("kits/sps30-sgp41.toml", "interval_seconds", "intervall_seconds", "nearest valid key is `interval_seconds`"),
        ("kits/sps30-sgp41.toml", "0x59", "0x69", "both claim I2C bus 1, address 0x69"),
        ("sites/ijmond/nodes/ijm-001.toml", "zero2w", "zero3", "zero3.toml: cannot be read"),
        ("sites/ijmond/site.toml", "broker_host", "broker_hots", "nearest valid key is `broker_host`"),
        ("boards/zero2w.toml", "uart", "uarts", "uarts.txt: cannot be read"),
        ("cloud-init/user-data", "{{ node }}", "{{ nood }}", "unknown placeholder"),
    ],
)
def test_a_mistake_is_one_sentence(copy, file, before, after, sentence):
    path = copy / file
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(ConfigurationError) as raised:
        provisioning.render_node(copy, "ijmond", "ijm-001")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_calibration_goes_to_its_sensor_and_to_no_other(copy):
    rendered = tomllib.loads(provisioning.render_node(copy, "ijmond", "ijm-002")["agent.toml"])
    assert [sensor.get("zero_mv") for sensor in rendered["sensor"]] == [None, 51.3, None]
    plan = copy / "sites/ijmond/nodes/ijm-001.toml"
    plan.write_text(plan.read_text() + '\n[calibration]\npid = "pid-ah2-204711"\n')
    with pytest.raises(ConfigurationError, match="kit sps30-sgp41 has no such pid"):
        provisioning.render_node(copy, "ijmond", "ijm-001")


def test_the_unit_is_hardened():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    unit = FOLDER / "systemd/piekwacht-agent.service"
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout.splitlines()[-1]


class _Esphome(yaml.SafeLoader):
    """ESPHome's own tags are text here."""


for _tag in ("!secret", "!lambda"):
    _Esphome.add_constructor(_tag, lambda loader, node: loader.construct_scalar(node))


def test_the_agent_accepts_the_posts_of_the_board_configurations():
    overlay = (FOLDER / "esp32/agent.toml").read_text()
    provisioning.check_overlay(overlay, "esp32/agent.toml")
    (listening,) = tomllib.loads(overlay)["sensor"]
    esphome = yaml.load((FOLDER / "esp32/esphome-sps30.yaml").read_text(), _Esphome)
    place = f"http://{listening['host']}:{listening['port']}/"
    assert esphome["substitutions"]["agent"] == place
    assert esphome["substitutions"]["sender"] == listening["sender"]
    (post,) = esphome["interval"][0]["then"]
    sent = re.findall(r'add\("(\w+)"', post["http_request.post"]["body"])
    measured = {name["id"] for sensor in esphome["sensor"] for name in sensor.values() if isinstance(name, dict)}
    assert set(sent) == set(listening["properties"]) == measured
    airrohr = json.loads((FOLDER / "esp32/airrohr.json").read_text())
    assert f"http://{airrohr['host_custom']}:{airrohr['port_custom']}{airrohr['url_custom']}" == place
    assert airrohr["send2custom"]
