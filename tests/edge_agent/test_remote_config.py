"""A remote configuration: only the gateway is believed, it is tried before it is kept, and a bad one goes again."""

import pytest

from edge_agent.configuration import ConfigurationError
from edge_agent.remote_config import RemoteConfig, merge_overlay
from edge_agent.wire import DesiredConfig, MalformedError, Signer
from tests.edge_agent.running_agent import stop, wait_until

pytestmark = pytest.mark.slow  # a real agent, as a process

PM10 = 'driver = "simulated"\ninterval_seconds = 0.05\nproperties = ["pm10"]'
CO2 = '[[sensor]]\ndriver = "simulated"\ninterval_seconds = 0.05\nproperties = ["co2"]\n'
SICK = '[[sensor]]\ndriver = "sps30"\nbus = 97\ninterval_seconds = 0.1\n'
BATCH = "[batch]\ninterval_seconds = 0.2\nforget_seconds = 0\ndrain_seconds = 1\n"


def desired(version: int, toml: str, *, node: str = "ijm-001") -> DesiredConfig:
    return DesiredConfig(v=1, node=node, version=version, toml=toml)


def heard(fake_gateway, name: str) -> bool:
    return any(name in batch.values for batch in list(fake_gateway.batches.values()))


def test_a_good_one_is_tried_kept_and_in_force_after_a_restart(node, start_gateway, broker):
    fake_gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: heard(fake_gateway, "pm10"))
    fake_gateway.publish_desired_config(desired(7, BATCH + CO2), node.gateway)
    wait_until(lambda: heard(fake_gateway, "co2"))
    wait_until(lambda: RemoteConfig(node.spool.with_suffix(".remote")).state.version == 7)
    errors = stop(process)
    assert "remote configuration 7 is on trial" in errors
    assert "remote configuration 7 is accepted" in errors
    before = len(fake_gateway.batches)
    process = node.start()
    wait_until(lambda: len(fake_gateway.batches) > before + 3)
    stop(process)
    assert "co2" in list(fake_gateway.batches.values())[-1].values
    assert fake_gateway.find_remote_state()["version"] == 7
    assert sorted(fake_gateway.values()) == sorted(node.read_generated_values()), "nothing was lost by the change"


def test_one_under_which_no_sensor_works_is_taken_back(node, start_gateway, broker):
    fake_gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start("--trial-seconds", "1.5")
    wait_until(lambda: heard(fake_gateway, "pm10"))
    fake_gateway.publish_desired_config(desired(8, BATCH + SICK), node.gateway)
    wait_until(lambda: fake_gateway.find_remote_state().get("refused") == 8, timeout=30)
    assert "/dev/i2c-97 is not there" in fake_gateway.find_remote_state()["error"]
    before = len(fake_gateway.batches)
    wait_until(lambda: len(fake_gateway.batches) > before + 3)
    stop(process)
    assert "pm10" in list(fake_gateway.batches.values())[-1].values


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("sensor = [", "not TOML"),
        ('[broker]\nhost = "elsewhere"\n', "`broker` cannot be set there"),
        (CO2 + "intervall = 3\n", "nearest valid key is `interval_seconds`"),
        ('[[sensor]]\ndriver = "sps30"\n[[sensor]]\ndriver = "sen5x"\n', "both claim I2C bus 1, address 0x69"),
    ],
)
def test_a_bad_one_is_refused_at_once_and_the_reason_is_told(node, start_gateway, broker, toml, sentence):
    fake_gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: heard(fake_gateway, "pm10"))
    fake_gateway.publish_desired_config(desired(9, toml), node.gateway)
    wait_until(lambda: fake_gateway.find_remote_state().get("refused") == 9)
    assert sentence in fake_gateway.find_remote_state()["error"]
    assert "is tried" not in stop(process)


def test_nobody_but_the_gateway_is_believed(node, start_gateway, broker):
    fake_gateway = start_gateway(broker.port)
    node.write_config(broker.port, PM10)
    process = node.start()
    wait_until(lambda: heard(fake_gateway, "pm10"))
    fake_gateway.publish_desired_config(desired(10, CO2), Signer.generate("gateway.ijmond"))
    fake_gateway.publish_desired_config(desired(11, CO2), node.key)
    fake_gateway.publish_desired_config(desired(12, CO2, node="ijm-002"), node.gateway)
    before = len(fake_gateway.batches)
    wait_until(lambda: len(fake_gateway.batches) > before + 5)
    errors = stop(process)
    assert "is tried" not in errors
    assert not heard(fake_gateway, "co2")


@pytest.fixture
def card(node):
    return node.write_config(1, PM10)


@pytest.fixture
def remote(tmp_path):
    return RemoteConfig(tmp_path / "it.remote")


def test_an_older_or_known_version_changes_nothing(remote, card):
    assert remote.start_trial(desired(5, CO2), card)
    assert not remote.start_trial(desired(5, CO2), card)
    remote.accept_trial()
    assert not remote.start_trial(desired(4, CO2), card)
    assert remote.start_trial(desired(6, CO2), card)
    remote.refuse_trial("no good")
    assert not remote.start_trial(desired(6, CO2), card)
    assert remote.state.version == 5
    assert remote.load_effective(card).settings.sensor[0].properties == ("co2",)


def test_one_that_kills_the_agent_three_times_is_over(tmp_path, card):
    RemoteConfig(tmp_path / "it.remote").start_trial(desired(5, CO2), card)
    tried = [RemoteConfig(tmp_path / "it.remote").load_effective(card).settings.sensor[0].properties for _ in range(4)]
    assert tried == [("co2",)] * 3 + [("pm10",)]
    standing = RemoteConfig(tmp_path / "it.remote").state
    assert standing.refused_version == 5
    assert "died 3 times" in standing.error


def test_what_is_remembered_may_be_damaged(tmp_path, card):
    (tmp_path / "it.remote").write_bytes(b"{")
    assert RemoteConfig(tmp_path / "it.remote").load_effective(card).settings.sensor[0].properties == ("pm10",)


def test_each_version_has_its_own_hash(card):
    assert len({merge_overlay(card, text).hash for text in ("", CO2, CO2 + "\n")}) == 3


def test_reading_one_raises_nothing_but_malformed():
    assert DesiredConfig.decode(desired(1, CO2).encode()) == desired(1, CO2)
    for text in (b"", b"{}", b"\xff", b"[" * 100_000, desired(1, "").encode().replace(b":1,", b":0,")):
        with pytest.raises(MalformedError):
            DesiredConfig.decode(text)


def test_a_card_that_is_wrong_is_named_before_what_comes_from_afar(card):
    card.write_text(card.read_text().replace("interval_seconds", "interval", 1))
    with pytest.raises(ConfigurationError, match=r"agent\.toml"):
        merge_overlay(card, CO2)
