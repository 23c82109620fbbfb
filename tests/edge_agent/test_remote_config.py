"""Remote configuration: signed by the gateway only, on trial before it is accepted, taken back if it does not work."""

import pytest

from edge_agent.configuration import ConfigurationError
from edge_agent.remote_config import RemoteConfig, merge_overlay
from edge_agent.wire import DesiredConfig, MalformedError, Signer
from tests.edge_agent.running_agent import stop
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # a real agent, as a process

PM10 = 'driver = "simulated"\ninterval_seconds = 0.05\nproperties = ["pm10"]'
CO2 = '[[sensor]]\ndriver = "simulated"\ninterval_seconds = 0.05\nproperties = ["co2"]\n'
FAULTY = '[[sensor]]\ndriver = "sps30"\nbus = 97\ninterval_seconds = 0.1\n'
BATCH = "[batch]\ninterval_seconds = 0.2\nforget_seconds = 0\ndrain_seconds = 1\n"


def make_desired_config(version: int, toml: str, *, node: str = "ijm-001") -> DesiredConfig:
    return DesiredConfig(v=1, node=node, version=version, toml=toml)


def has_received(gateway, name: str) -> bool:
    return any(name in batch.values for batch in list(gateway.batches.values()))


def test_a_good_configuration_is_tried_accepted_and_in_force_after_a_restart(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: has_received(gateway, "pm10"))
    gateway.publish_desired_config(make_desired_config(7, BATCH + CO2), node.gateway)
    wait_until(lambda: has_received(gateway, "co2"))
    wait_until(lambda: RemoteConfig(node.spool.with_suffix(".remote")).state.version == 7)
    errors = stop(process)
    assert "remote configuration 7 is on trial" in errors
    assert "remote configuration 7 is accepted" in errors
    before = len(gateway.batches)
    process = node.start()
    wait_until(lambda: len(gateway.batches) > before + 3)
    stop(process)
    assert "co2" in list(gateway.batches.values())[-1].values
    assert gateway.find_remote_state()["version"] == 7
    assert sorted(gateway.values()) == sorted(node.read_generated_values()), "nothing was lost by the change"


def test_a_configuration_with_which_no_sensor_works_is_taken_back(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start("--trial-seconds", "1.5")
    wait_until(lambda: has_received(gateway, "pm10"))
    gateway.publish_desired_config(make_desired_config(8, BATCH + FAULTY), node.gateway)
    wait_until(lambda: gateway.find_remote_state().get("refused") == 8, seconds=30)
    assert "/dev/i2c-97 is not there" in gateway.find_remote_state()["error"]
    before = len(gateway.batches)
    wait_until(lambda: len(gateway.batches) > before + 3)
    stop(process)
    assert "pm10" in list(gateway.batches.values())[-1].values


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("sensor = [", "not TOML"),
        ('[broker]\nhost = "elsewhere"\n', "`broker` cannot be set there"),
        (CO2 + "intervall = 3\n", "nearest valid key is `interval_seconds`"),
        ('[[sensor]]\ndriver = "sps30"\n[[sensor]]\ndriver = "sen5x"\n', "both claim I2C bus 1, address 0x69"),
    ],
)
def test_an_invalid_configuration_is_rejected_at_once_and_the_status_gives_the_reason(
    node, start_gateway, broker, toml, sentence
):
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: has_received(gateway, "pm10"))
    gateway.publish_desired_config(make_desired_config(9, toml), node.gateway)
    wait_until(lambda: gateway.find_remote_state().get("refused") == 9)
    assert sentence in gateway.find_remote_state()["error"]
    assert "is on trial" not in stop(process)


def test_a_configuration_without_a_valid_signature_of_the_gateway_is_ignored(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: has_received(gateway, "pm10"))
    gateway.publish_desired_config(make_desired_config(10, CO2), Signer.generate("gateway.ijmond"))
    gateway.publish_desired_config(make_desired_config(11, CO2), node.key)
    gateway.publish_desired_config(make_desired_config(12, CO2, node="ijm-002"), node.gateway)
    before = len(gateway.batches)
    wait_until(lambda: len(gateway.batches) > before + 5)
    errors = stop(process)
    assert "is on trial" not in errors
    assert not has_received(gateway, "co2")


@pytest.fixture
def base_file(node):
    return node.write_config(1, PM10)


@pytest.fixture
def remote_config(tmp_path):
    return RemoteConfig(tmp_path / "it.remote")


def test_an_older_or_known_version_changes_nothing(remote_config, base_file):
    assert remote_config.start_trial(make_desired_config(5, CO2), base_file)
    assert not remote_config.start_trial(make_desired_config(5, CO2), base_file)
    remote_config.accept_trial()
    assert not remote_config.start_trial(make_desired_config(4, CO2), base_file)
    assert remote_config.start_trial(make_desired_config(6, CO2), base_file)
    remote_config.refuse_trial("no good")
    assert not remote_config.start_trial(make_desired_config(6, CO2), base_file)
    assert remote_config.state.version == 5
    assert remote_config.load_effective(base_file).settings.sensor[0].properties == ("co2",)


def test_a_configuration_that_crashes_the_agent_three_times_is_rejected(tmp_path, base_file):
    RemoteConfig(tmp_path / "it.remote").start_trial(make_desired_config(5, CO2), base_file)
    properties = [
        RemoteConfig(tmp_path / "it.remote").load_effective(base_file).settings.sensor[0].properties for _ in range(4)
    ]
    assert properties == [("co2",)] * 3 + [("pm10",)]
    state = RemoteConfig(tmp_path / "it.remote").state
    assert state.refused_version == 5
    assert "died 3 times" in state.error


def test_a_damaged_state_file_is_ignored(tmp_path, base_file):
    (tmp_path / "it.remote").write_bytes(b"{")
    assert RemoteConfig(tmp_path / "it.remote").load_effective(base_file).settings.sensor[0].properties == ("pm10",)


def test_each_version_has_its_own_hash(base_file):
    assert len({merge_overlay(base_file, text).hash for text in ("", CO2, CO2 + "\n")}) == 3


def test_decoding_raises_nothing_but_malformed_error():
    assert DesiredConfig.decode(make_desired_config(1, CO2).encode()) == make_desired_config(1, CO2)
    for text in (b"", b"{}", b"\xff", b"[" * 100_000, make_desired_config(1, "").encode().replace(b":1,", b":0,")):
        with pytest.raises(MalformedError):
            DesiredConfig.decode(text)


def test_an_error_in_the_base_file_is_reported_before_one_in_the_remote_configuration(base_file):
    base_file.write_text(base_file.read_text().replace("interval_seconds", "interval", 1))
    with pytest.raises(ConfigurationError, match=r"agent\.toml"):
        merge_overlay(base_file, CO2)
