"""Workers that know nothing of each other but the table agree on who writes for what."""

import asyncio
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import Signer
from gateway.mqtt.settings import create_client
from gateway.sharding.assignment import LeaseTable, assign_areas, plan_changes
from gateway.sharding.leases import CONNECTION_NAME_PREFIX, Leases
from gateway.store.connection import LockHeldError, Store
from gateway.system.child_process import Child
from tests.gateway.enrolled_node import T0, enrol_node

AREAS = ("ijmond", "dordrecht", "chemelot", "nijmegen")
names = st.sampled_from(["a", "b", "c", "d", "e"])


@st.composite
def shares(draw):
    workers = draw(st.frozensets(names, min_size=1))
    nodes = draw(st.dictionaries(st.sampled_from([f"area-{i}" for i in range(12)]), st.integers(0, 300)))
    held = draw(st.dictionaries(st.sampled_from(sorted(nodes)), st.sampled_from(sorted(workers)))) if nodes else {}
    return LeaseTable(workers=workers, node_counts=nodes, holder_by_area=held)


@settings(max_examples=50)
@given(shares())
def test_every_area_has_one_worker_and_then_nothing_moves_any_more(table):
    settled = LeaseTable(workers=table.workers, node_counts=table.node_counts, holder_by_area=assign_areas(table))
    assert settled.holder_by_area.keys() == table.node_counts.keys()
    assert assign_areas(settled) == settled.holder_by_area
    for worker in table.workers:
        mine = frozenset(area for area, holder in settled.holder_by_area.items() if holder == worker)
        plan = plan_changes(settled, worker, mine)
        assert not plan.start | plan.release | plan.lost


@settings(max_examples=50)
@given(shares())
def test_no_area_is_begun_while_another_holds_it(table):
    for worker in table.workers:
        plan = plan_changes(table, worker, frozenset())
        assert all(table.holder_by_area.get(area, worker) == worker for area in plan.start)
        assert all(table.holder_by_area[area] == worker for area in plan.release)


def test_who_joins_gets_its_share_and_who_stays_keeps_the_rest():
    nodes = dict.fromkeys(AREAS, 20)
    before = LeaseTable(workers=frozenset({"a", "b"}), node_counts=nodes, holder_by_area=dict.fromkeys(AREAS, "a"))
    after = assign_areas(before)
    assert sorted(after.values()) == ["a", "a", "b", "b"]
    assert plan_changes(before, "a", frozenset(AREAS)).release == {
        area for area, worker in after.items() if worker == "b"
    }
    assert not plan_changes(before, "b", frozenset()).start, "what is still held is waited for"


def test_a_large_area_weighs_as_much_as_many_small_ones():
    nodes = {"large": 90, **{f"small-{i}": 29 for i in range(3)}}
    after = assign_areas(LeaseTable(workers=frozenset({"a", "b"}), node_counts=nodes, holder_by_area={}))
    assert {worker for area, worker in after.items() if area != "large"} != {after["large"]}
    assert sum(worker == after["large"] for worker in after.values()) == 1


async def test_who_hangs_is_buried_and_can_never_commit_again(database):
    enrol_node(database)
    hung, next_one = (Leases(database, worker, [], 1) for worker in ("hung", "next"))
    assert (await hung.renew(frozenset())).plan.start == {"ijmond"}
    writer, heir = (
        Store(database, areas=["ijmond"], name=CONNECTION_NAME_PREFIX + worker) for worker in ("hung", "next")
    )
    connection = await writer.ensure_connection()
    with pytest.raises(LockHeldError):
        await heir.ensure_connection()

    await asyncio.sleep(1.1)
    renewal = await next_one.renew(frozenset())
    assert renewal.plan.start == {"ijmond"}
    assert renewal.dead_workers == {"hung": 2}
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    await asyncio.sleep(0.1)
    await heir.ensure_connection()
    for one in (hung, next_one, writer, heir):
        await one.close()


async def test_for_all_areas_and_for_one_shut_each_other_out(database):
    one, other, all_ = Store(database, areas=["a"]), Store(database, areas=["b"]), Store(database)
    await one.ensure_connection()
    await other.ensure_connection()
    with pytest.raises(LockHeldError):
        await all_.ensure_connection()
    await one.close()
    await other.close()
    await all_.ensure_connection()
    with pytest.raises(LockHeldError):
        await one.ensure_connection()
    await all_.close()


class Network:
    """A node in each of four areas, sending a batch at a time, and again whatever the database lacks."""

    def __init__(self, dsn: str, broker) -> None:
        self._dsn, self._broker = dsn, broker
        self._nodes = [enrol_node(dsn, f"{area[:3]}-001", f"station-{area}", area) for area in AREAS]
        self.made: dict[tuple[str, int], object] = {}

    def make(self) -> None:
        seq = len(self.made) // len(AREAS) + 1
        for node in self._nodes:
            payload = node.payload(seq, t0=T0 + seq * 1_000, dt=[0], values={"pm2_5": [8.0 + seq % 3]})
            self.made[node.id, seq] = payload

    async def send(self, keys) -> None:
        async with create_client(self._broker, "network") as connection:
            for key in keys:
                await connection.publish(self.made[key].topic, self.made[key].body, qos=1)

    def ask(self, query: str):
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(query).fetchall()

    def stored(self) -> list[tuple[str, int]]:
        return self.ask("SELECT node_id, seq FROM batch ORDER BY 1, 2")

    async def until_all_areas_store(self, within: float) -> float:
        """Seconds until something new is stored in each area, while readings go on coming; fails after `within`."""
        before, began, missing = set(self.stored()), time.monotonic(), set(AREAS)
        while missing := {n.id for n in self._nodes} - {node for node, _ in set(self.stored()) - before}:
            assert time.monotonic() - began < within, f"nobody took over {missing}"
            self.make()
            await self.send(list(self.made)[-len(AREAS) :])
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    async def until_shared(self, workers: int) -> None:
        """So many workers, each with the same number of areas; one that starts has its kernels to load first."""
        until = time.monotonic() + 120
        held = "SELECT count(*) FROM area_lease GROUP BY worker_id"
        while [n for (n,) in self.ask(held)] != [len(AREAS) // workers] * workers:
            assert time.monotonic() < until, self.ask("SELECT * FROM area_lease")
            await asyncio.sleep(0.2)


@pytest.fixture
def workers(tmp_path, database, broker):
    """(network, a function that starts one more worker)."""
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.shared").export())
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        f'[database]\ndsn = "{database}"\n[broker]\nport = {broker.port}\n'
        f'[ingest]\nkey_file = "{tmp_path}/gateway.key"\nshare_areas = true\nlease_seconds = 4\nretry_seconds = 0.5\n'
    )
    command = [Path(sys.executable).with_name("piekwacht"), "gateway", "--config", config]
    with ExitStack() as stack:
        running = []

        def start() -> Child:
            running.append(stack.enter_context(Child("gateway", command, log=tmp_path / f"{len(running)}.log")))
            return running[-1]

        yield Network(database, broker), start


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_areas_go_from_hand_to_hand_and_nothing_is_lost_or_doubled(workers):
    network, start = workers
    first = start()
    took = {"the first": await network.until_all_areas_store(60)}
    second = start()
    await network.until_shared(2)
    took["one that joined"] = await network.until_all_areas_store(30)
    first.process.kill()
    took["one that was killed"] = await network.until_all_areas_store(30)
    third = start()
    await network.until_shared(2)
    second.process.send_signal(signal.SIGSTOP)
    took["one that hangs"] = await network.until_all_areas_store(30)
    second.process.send_signal(signal.SIGCONT)
    await network.until_shared(2)
    took["one that woke up"] = await network.until_all_areas_store(30)
    third.stop()
    took["one that left"] = await network.until_all_areas_store(30)
    print(f"every area stored again after: { {of: round(seconds, 1) for of, seconds in took.items()} }")

    until = time.monotonic() + 30
    while (missing := sorted(set(network.made) - set(network.stored()))) and time.monotonic() < until:
        await network.send(missing)
        await asyncio.sleep(1)
    assert network.stored() == sorted(network.made), "each once, none lost"
    assert network.ask("SELECT count(*), count(DISTINCT (datastream_id, observed_at)) FROM observation") == [
        (len(network.made), len(network.made))
    ]
    assert "Traceback" not in "".join(child.log.read_text() for child in (first, second, third))
