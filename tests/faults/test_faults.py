"""Whichever process dies at whatever moment, every reading is stored exactly once. The oracle is the nodes' own log."""

import random
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.chaos import NetworkState, start_proxy
from tests.faults.cluster import PROPERTIES, Cluster
from tests.faults.failpoints import POINTS
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
_COMMIT = 0.3 / 0.1 * len(PROPERTIES)  # values that a killed node may lose: those since its last commit


def test_a_gateway_killed_at_every_boundary_loses_and_doubles_nothing(open_folder):
    with Cluster(open_folder) as cluster:
        for node in cluster.ids:
            cluster.start_agent(node)
        for count, point in enumerate(POINTS, start=1):
            gateway = cluster.start_gateway(point, 1 + count % 3)
            wait_until(lambda gateway=gateway: not gateway.is_running)
            assert gateway.process.returncode == -9, gateway.read_log_tail()
        before = cluster.count_batches()
        cluster.start_gateway()
        wait_until(lambda: cluster.count_batches() > before + 10)
        cluster.finish_and_check()


def test_seeded_kills_of_every_process_lose_and_double_nothing(open_folder, kills, seed):
    rng, killed_nodes = random.Random(seed), 0
    with Cluster(open_folder) as cluster:
        cluster.start_gateway()
        for node in cluster.ids:
            cluster.start_agent(node)
        wait_until(lambda: cluster.count_batches() > 5)
        slowest = 0.0
        for number in range(kills):
            time.sleep(rng.uniform(0.2, 2.0))
            part = rng.choice(["gateway", "broker", "database", *cluster.ids])
            killed_nodes += part in cluster.ids
            before = cluster.count_batches()
            began = time.monotonic()
            cluster.restart(part)
            try:
                wait_until(lambda before=before: cluster.revive_gateway() or cluster.count_batches() > before)
            except AssertionError:
                pytest.fail(f"no batch is stored 60 s after kill {number + 1}, of {part}\n{cluster.read_logs()}")
            slowest = max(slowest, time.monotonic() - began)
        cluster.finish_and_check(uncommitted=round(killed_nodes * 2 * _COMMIT))
    print(f"{kills} kills, {killed_nodes} of them nodes; slowest recovery {slowest:.1f} s")


def test_a_network_that_cuts_and_stalls_loses_and_doubles_nothing(open_folder, kills, seed):
    rng = random.Random(seed)
    with Cluster(open_folder) as cluster, start_proxy(cluster.port, seed=seed, cut_chance=0.1) as proxy:
        for node in cluster.ids:
            config = cluster.folder / node / "agent.toml"
            config.write_text(config.read_text().replace(f"port = {cluster.port}", f"port = {proxy.port}"))
        cluster.start_gateway()
        for node in cluster.ids:
            cluster.start_agent(node)
        wait_until(lambda: cluster.count_batches() > 3)
        for _ in range(max(3, kills // 2)):
            proxy.set_state(rng.choice([NetworkState.CUT, NetworkState.HALF_OPEN]))
            time.sleep(rng.uniform(0.5, 3.0))
            proxy.set_state(NetworkState.FINE)
            time.sleep(rng.uniform(0.5, 2.0))
        assert proxy.cuts > 0
        proxy.cut_chance = 0.0
        cluster.finish_and_check()


def test_a_broker_that_loses_its_storage_loses_no_reading(open_folder):
    with Cluster(open_folder) as cluster:
        for node in cluster.ids:
            cluster.start_agent(node)
        cluster.start_gateway()
        wait_until(lambda: cluster.count_batches() > 3)
        cluster.gateway.stop()  # now only the broker holds the batches
        time.sleep(3.0)
        cluster.broker.stop()
        for store in ("mosquitto", "nats"):
            shutil.rmtree(open_folder / "broker" / store, ignore_errors=True)
        cluster.restart("broker")
        cluster.start_gateway()
        before = cluster.count_batches()
        wait_until(lambda: cluster.count_batches() > before + 5)
        cluster.finish_and_check()


@pytest.fixture
def small_disk(open_folder):
    """A separate small disk for the database."""
    folder = open_folder / "db"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "none", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"filling a disk needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()


def test_a_full_database_disk_loses_nothing_and_ingest_continues_when_there_is_room(open_folder, small_disk):
    with Cluster(open_folder) as cluster:
        cluster.start_gateway()
        for node in cluster.ids:
            cluster.start_agent(node)
        wait_until(lambda: cluster.count_batches() > 5)
        fill(small_disk / "ballast")
        wait_until(lambda: "No space left on device" in cluster.gateway.log.read_text())
        stored = cluster.read_stored_values()
        time.sleep(2.0)
        (small_disk / "ballast").unlink()
        before = cluster.count_batches()
        wait_until(lambda: cluster.count_batches() > before)
        assert not stored - cluster.read_stored_values(), "committed values are still stored"
        cluster.finish_and_check()
