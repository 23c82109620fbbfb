"""Whatever dies, and whenever: what the nodes made is in the database, once. The oracle is their own log."""

import random
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.chaos import NetworkState, start_proxy
from tests.faults.cluster import PROPERTIES, Cluster, wait_until
from tests.faults.failpoints import POINTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
_COMMIT = 0.3 / 0.1 * len(PROPERTIES)  # values that one kill of a node may cost: those since its last commit


def test_a_gateway_that_dies_at_every_boundary_loses_and_doubles_nothing(open_folder):
    with Cluster(open_folder) as world:
        for node in world.ids:
            world.start_agent(node)
        for count, point in enumerate(POINTS, start=1):
            gateway = world.start_gateway(point, 1 + count % 3)
            wait_until(lambda gateway=gateway: not gateway.is_running)
            assert gateway.process.returncode == -9, gateway.read_log_tail()
        before = world.count_batches()
        world.start_gateway()
        wait_until(lambda: world.count_batches() > before + 10)
        world.finish_and_check()


def test_seeded_kills_of_every_part_lose_and_double_nothing(open_folder, kills, seed):
    chance, killed_nodes = random.Random(seed), 0
    with Cluster(open_folder) as world:
        world.start_gateway()
        for node in world.ids:
            world.start_agent(node)
        wait_until(lambda: world.count_batches() > 5)
        slowest = 0.0
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 2.0))
            part = chance.choice(["gateway", "broker", "database", *world.ids])
            killed_nodes += part in world.ids
            before = world.count_batches()
            began = time.monotonic()
            world.restart(part)
            wait_until(lambda before=before: world.count_batches() > before)
            slowest = max(slowest, time.monotonic() - began)
        world.finish_and_check(uncommitted=round(killed_nodes * 2 * _COMMIT))
    print(f"{kills} kills, {killed_nodes} of them nodes; slowest recovery {slowest:.1f} s")


def test_a_network_that_cuts_stalls_and_parts_loses_and_doubles_nothing(open_folder, kills, seed):
    chance = random.Random(seed)
    with Cluster(open_folder) as plain, start_proxy(plain.port, seed=seed, cut_chance=0.1) as bad:
        for node in plain.ids:
            config = plain.folder / node / "agent.toml"
            config.write_text(config.read_text().replace(f"port = {plain.port}", f"port = {bad.port}"))
        plain.start_gateway()
        for node in plain.ids:
            plain.start_agent(node)
        wait_until(lambda: plain.count_batches() > 3)
        for _ in range(max(3, kills // 2)):
            bad.set_state(chance.choice([NetworkState.CUT, NetworkState.HALF_OPEN]))
            time.sleep(chance.uniform(0.5, 3.0))
            bad.set_state(NetworkState.FINE)
            time.sleep(chance.uniform(0.5, 2.0))
        assert bad.cuts > 0
        bad.cut_chance = 0.0
        plain.finish_and_check()


def test_a_broker_that_forgets_everything_it_took_loses_nothing(open_folder):
    with Cluster(open_folder) as world:
        for node in world.ids:
            world.start_agent(node)
        world.start_gateway()
        wait_until(lambda: world.count_batches() > 3)
        world.gateway.stop()  # now the broker alone holds what is sent
        time.sleep(3.0)
        world.broker.stop()
        for store in ("mosquitto", "nats"):
            shutil.rmtree(open_folder / "broker" / store, ignore_errors=True)
        world.restart("broker")
        world.start_gateway()
        before = world.count_batches()
        wait_until(lambda: world.count_batches() > before + 5)
        world.finish_and_check()


@pytest.fixture
def small_disk(open_folder):
    """A disk of its own for the database."""
    folder = open_folder / "db"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "none", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a disk that fills needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()


def test_a_disk_that_fills_under_the_database_loses_nothing_and_work_goes_on_when_there_is_room(
    open_folder, small_disk
):
    with Cluster(open_folder) as world:
        world.start_gateway()
        for node in world.ids:
            world.start_agent(node)
        wait_until(lambda: world.count_batches() > 5)
        fill(small_disk / "ballast")
        wait_until(lambda: "No space left on device" in world.gateway.log.read_text())
        stored = world.read_stored_values()
        time.sleep(2.0)
        (small_disk / "ballast").unlink()
        before = world.count_batches()
        wait_until(lambda: world.count_batches() > before)
        assert not stored - world.read_stored_values(), "what was committed is still there"
        world.finish_and_check()
