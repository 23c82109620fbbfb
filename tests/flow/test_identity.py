"""Cards copied back, restored or without a hardware id, replaced nodes, two agents in one folder: nothing is lost."""

import random
import shutil
from collections import Counter
from dataclasses import replace

import psycopg
import pytest

from edge_agent.hardware import read_hardware_id
from edge_agent.spool import RenewalReason, Spool
from edge_agent.wire import Signer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.registry import Node
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from tests.edge_agent.running_agent import NodeProcess, stop
from tests.flow.test_card_copies import Card, World, read_stored
from tests.gateway.enrolled_node import enrol_node
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
ROUNDS = 12


@pytest.fixture
def node(database):
    return enrol_node(database)


@pytest.fixture
async def pipeline(database, node):
    store = Store(database)
    yield Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await store.close()


async def send_all(world, card, cards):
    """Send without faults until the spool is empty."""
    for _ in range(ROUNDS):
        card.writer.flush()
        await world.send(card, cards, faults=False)
    assert card.spool.is_empty()


def read_conflicts(dsn):
    with psycopg.connect(dsn) as connection:
        return [conflicts for (conflicts,) in connection.execute("SELECT conflicts FROM node_copy").fetchall()]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hardware", [("a", "b"), ("a", "a"), (None, None), ("a", None), (None, "b")])
async def test_a_card_that_is_copied_and_copied_back_loses_nothing(  # noqa: PLR0917 - fixtures and parameters
    pipeline, node, database, tmp_path, seed, hardware
):
    """The copy works on while the first is off; then its card is copied back to the first hardware."""
    noise = random.Random(seed)
    world = World(pipeline, noise)
    first = Card(tmp_path / "first", node, noise, hardware=hardware[0])
    first.measure(hist=False)
    first.measure(hist=True)
    second = first.copy(tmp_path / "second", hardware=hardware[1], noise=noise)
    await world.work([second], in_step=True)
    await world.work([first], in_step=True)
    await send_all(world, first, [first, second])
    back = second.copy(tmp_path / "back", hardware=hardware[0], noise=noise)
    cards = [second, back]
    await world.work(cards, in_step=seed % 2 == 0)
    for card in (*cards, *cards):
        for _ in range(ROUNDS):
            card.writer.flush()
            await world.send(card, cards, faults=False)
    made = first.log + second.log + back.log
    assert Counter(read_stored(database, node.id)) == Counter(made)
    for card in (first, second, back):
        assert card.spool.is_empty()
        card.spool.close()


@pytest.mark.parametrize("seed", range(2))
async def test_a_spool_restored_from_an_old_backup_loses_nothing_and_says_why(pipeline, node, database, tmp_path, seed):
    noise = random.Random(seed)
    world = World(pipeline, noise)
    card = Card(tmp_path / "card", node, noise, hardware="a")
    card.measure(hist=False)
    card.lose_power()
    shutil.copytree(card.folder, tmp_path / "backup")
    card.start()
    for _ in range(4):
        card.measure(hist=False)
    await send_all(world, card, [card])
    card.spool.close()
    shutil.rmtree(card.folder)
    (tmp_path / "backup").rename(card.folder)
    card.start()
    for _ in range(6):
        card.measure(hist=noise.random() < 0.3)
    await send_all(world, card, [card])
    assert Counter(read_stored(database, node.id)) == Counter(card.log)
    assert card.spool.read_renewal().reason in {RenewalReason.NUMBER_TAKEN, RenewalReason.OLDER_STATE}
    assert read_conflicts(database), "the operator sees that numbers were used twice"
    card.spool.close()


async def test_a_node_replaced_under_the_same_name_stores_the_new_card_and_the_old_keeps_what_it_has(
    pipeline, node, database, tmp_path
):
    noise = random.Random(1)
    world = World(pipeline, noise)
    old = Card(tmp_path / "old", node, noise, hardware="a")
    old.measure(hist=False)
    await send_all(world, old, [old])
    before = len(old.log)
    new_node = replace(node, signer=Signer.generate(node.id))
    with psycopg.connect(database, autocommit=True) as connection:
        place = Node(id=node.id, area=node.area, station="wijk-aan-zee", key=new_node.signer.verifier)
        stations.put_node(connection, place)
    new = Card(tmp_path / "new", new_node, noise, hardware="b")
    new.measure(hist=False)
    old.measure(hist=False)
    await world.send(old, [old, new], faults=False)
    await send_all(world, new, [old, new])
    assert Counter(read_stored(database, node.id)) == Counter(old.log[:before] + new.log)
    assert not old.spool.is_empty(), "what the gateway refuses stays on the card"
    with psycopg.connect(database) as connection:
        reasons = connection.execute("SELECT DISTINCT reason FROM quarantine").fetchall()
    assert len(reasons) == 1, "and in the quarantine, with a reason"
    for card in (old, new):
        card.spool.close()


def test_a_machine_without_any_number_has_no_hardware_id(tmp_path):
    assert read_hardware_id(tmp_path) is None


def test_two_virtual_machines_from_one_image_differ_by_their_network_card(tmp_path):
    identities = set()
    for name, address in (("a", "52:54:00:00:00:01"), ("b", "52:54:00:00:00:02")):
        interface = tmp_path / name / "sys/class/net/eth0"
        (interface / "device").mkdir(parents=True)
        (interface / "addr_assign_type").write_text("0\n")
        (interface / "address").write_text(f"{address}\n")
        (tmp_path / name / "etc").mkdir()
        (tmp_path / name / "etc/machine-id").write_text("the-same\n")
        identities.add(read_hardware_id(tmp_path / name))
    assert len(identities) == 2


def test_a_second_agent_in_one_folder_refuses_to_start_and_the_first_goes_on(tmp_path, broker):
    node = NodeProcess(tmp_path)
    node.write_config(broker.port, 'driver = "simulated"\ninterval_seconds = 0.05')
    first = node.start()
    wait_until(lambda: node.generated.exists() and len(node.read_generated_values()) > 20)
    second = node.start()
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert errors.strip().splitlines()[-1].endswith("stop it, or give this one its own spool")
    count = len(node.read_generated_values())
    wait_until(lambda: len(node.read_generated_values()) > count + 20)
    stop(first)
    count = len(node.read_generated_values())
    third = node.start()
    wait_until(lambda: len(node.read_generated_values()) > count + 20)
    stop(third)
    generated = [(name, at) for name, at, _ in node.read_generated_values()]
    assert len(set(generated)) == len(generated)
    with Spool(node.spool, node=node.id) as spool:
        assert not spool.is_empty(), "no gateway confirmed anything, and all is there"
