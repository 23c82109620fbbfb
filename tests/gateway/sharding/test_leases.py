"""Workers that share only the lease table agree on which of them writes for which area."""

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
from gateway.mqtt.client import create_client
from gateway.sharding.assignment import LeaseTable, assign_areas, plan_changes
from gateway.sharding.leases import CONNECTION_NAME_PREFIX, Leases
from gateway.store.connection import LockHeldError, Store
from gateway.store.migrate import migrate
from gateway.system.child_process import Child
from gateway.system.embedded_servers import Postgres
from tests.gateway.enrolled_node import T0, enrol_node

AREAS = ("ijmond", "dordrecht", "chemelot", "nijmegen")
names = st.sampled_from(["a", "b", "c", "d", "e"])


@st.composite
def lease_tables(draw):
    workers = draw(st.frozensets(names, min_size=1))
    nodes = draw(st.dictionaries(st.sampled_from([f"area-{i}" for i in range(12)]), st.integers(0, 300)))
    held = draw(st.dictionaries(st.sampled_from(sorted(nodes)), st.sampled_from(sorted(workers)))) if nodes else {}
    return LeaseTable(workers=workers, node_counts=nodes, holder_by_area=held)


@settings(max_examples=50)
@given(lease_tables())
def test_every_area_has_one_worker_and_the_assignment_is_stable(table):
    settled = LeaseTable(workers=table.workers, node_counts=table.node_counts, holder_by_area=assign_areas(table))
    assert settled.holder_by_area.keys() == table.node_counts.keys()
    assert assign_areas(settled) == settled.holder_by_area
    for worker in table.workers:
        mine = frozenset(area for area, holder in settled.holder_by_area.items() if holder == worker)
        plan = plan_changes(settled, worker, mine)
        assert not plan.start | plan.release | plan.lost


@settings(max_examples=50)
@given(lease_tables())
def test_no_area_is_started_while_another_worker_holds_it(table):
    for worker in table.workers:
        plan = plan_changes(table, worker, frozenset())
        assert all(table.holder_by_area.get(area, worker) == worker for area in plan.start)
        assert all(table.holder_by_area[area] == worker for area in plan.release)


def test_a_new_worker_gets_its_share_and_the_other_keeps_its_remaining_areas():
    nodes = dict.fromkeys(AREAS, 20)
    before = LeaseTable(workers=frozenset({"a", "b"}), node_counts=nodes, holder_by_area=dict.fromkeys(AREAS, "a"))
    after = assign_areas(before)
    assert sorted(after.values()) == ["a", "a", "b", "b"]
    assert plan_changes(before, "a", frozenset(AREAS)).release == {
        area for area, worker in after.items() if worker == "b"
    }
    assert not plan_changes(before, "b", frozenset()).start, "a worker waits for areas that another still holds"


def test_a_large_area_weighs_as_much_as_many_small_ones():
    nodes = {"large": 90, **{f"small-{i}": 29 for i in range(3)}}
    after = assign_areas(LeaseTable(workers=frozenset({"a", "b"}), node_counts=nodes, holder_by_area={}))
    assert {worker for area, worker in after.items() if area != "large"} != {after["large"]}
    assert sum(worker == after["large"] for worker in after.values()) == 1


async def test_a_hung_worker_is_removed_and_can_never_commit_again(database):
    enrol_node(database)
    hung, next_worker = (Leases(database, worker, [], 1) for worker in ("hung", "next"))
    assert (await hung.renew(frozenset())).plan.start == {"ijmond"}
    writer, successor = (
        Store(database, areas=["ijmond"], name=CONNECTION_NAME_PREFIX + worker) for worker in ("hung", "next")
    )
    connection = await writer.ensure_connection()
    with pytest.raises(LockHeldError):
        await successor.ensure_connection()

    await asyncio.sleep(1.1)
    renewal = await next_worker.renew(frozenset())
    assert renewal.plan.start == {"ijmond"}
    assert renewal.dead_workers == {"hung": 2}
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    await asyncio.sleep(0.1)
    await successor.ensure_connection()
    for closable in (hung, next_worker, writer, successor):
        await closable.close()


_EXPIRY = 8.0  # s


async def test_a_killed_worker_is_removed_as_soon_as_it_has_no_connection_and_misses_a_heartbeat(database):
    enrol_node(database)
    killed, next_worker = (Leases(database, worker, [], _EXPIRY) for worker in ("killed", "next"))
    await wait_for_age_of_server(database, _EXPIRY)
    await killed.renew(frozenset())
    await killed.close()  # the kernel closes the connections of a killed process
    killed_at = time.monotonic()
    assert (await next_worker.renew(frozenset())).dead_workers == {}, "it may be reconnecting"
    while not (renewal := await next_worker.renew(frozenset())).plan.start:
        await asyncio.sleep(0.05)
    assert 1.5 * killed.renewal_interval <= time.monotonic() - killed_at + 0.1 < _EXPIRY / 2
    assert renewal.dead_workers == {"killed": 0}
    assert renewal.plan.start == {"ijmond"}
    await next_worker.close()


async def test_a_worker_that_hangs_with_a_connection_keeps_its_areas_until_the_expiry(database):
    enrol_node(database)
    hung, next_worker = (Leases(database, worker, [], 3.0) for worker in ("hung", "next"))
    await wait_for_age_of_server(database, 3.0)
    hung_at = time.monotonic()
    await hung.renew(frozenset())
    while not (renewal := await next_worker.renew(frozenset())).plan.start:
        assert time.monotonic() - hung_at < 30
        await asyncio.sleep(0.05)
    assert time.monotonic() - hung_at >= 3.0
    assert renewal.dead_workers == {"hung": 1}
    await hung.close()
    await next_worker.close()


async def test_after_a_start_of_the_database_a_worker_may_take_its_time_to_reconnect(open_folder):
    """The next worker reconnects first: the other one has neither a connection nor a recent heartbeat."""
    folder = open_folder / "postgres"
    with Postgres(folder) as server:
        dsn = server.create_database("piekwacht")
        migrate(dsn)
        enrol_node(dsn)
        slow, next_worker = (Leases(dsn, worker, [], 20.0) for worker in ("slow", "next"))
        assert (await slow.renew(frozenset())).plan.start == {"ijmond"}
        await slow.close()
    with Postgres(folder):
        await asyncio.sleep(1.6 * slow.renewal_interval)
        renewal = await next_worker.renew(frozenset())
        assert renewal.dead_workers == {}
        assert not renewal.plan.start
        await next_worker.close()


async def wait_for_age_of_server(dsn: str, seconds: float) -> None:
    with psycopg.connect(dsn) as connection:
        query = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())"
        while connection.execute(query).fetchone()[0] <= seconds:
            await asyncio.sleep(0.1)


async def test_locks_of_all_areas_and_of_one_area_exclude_each_other(database):
    first, second, all_ = Store(database, areas=["a"]), Store(database, areas=["b"]), Store(database)
    await first.ensure_connection()
    await second.ensure_connection()
    with pytest.raises(LockHeldError):
        await all_.ensure_connection()
    await first.close()
    await second.close()
    await all_.ensure_connection()
    with pytest.raises(LockHeldError):
        await first.ensure_connection()
    await all_.close()


class Network:
    """One node in each of four areas. It sends one batch at a time, and sends again what the database lacks."""

    def __init__(self, dsn: str, broker) -> None:
        self._dsn, self._broker = dsn, broker
        self._nodes = [enrol_node(dsn, f"{area[:3]}-001", f"station-{area}", area) for area in AREAS]
        self.sent_payloads: dict[tuple[str, int], object] = {}

    def make_payloads(self) -> None:
        seq = len(self.sent_payloads) // len(AREAS) + 1
        for node in self._nodes:
            payload = node.payload(seq, t0=T0 + seq * 1_000, dt=[0], values={"pm2_5": [8.0 + seq % 3]})
            self.sent_payloads[node.id, seq] = payload

    async def send(self, keys) -> None:
        async with create_client(self._broker, "network") as connection:
            for key in keys:
                await connection.publish(self.sent_payloads[key].topic, self.sent_payloads[key].body, qos=1)

    def query_rows(self, query: str):
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(query).fetchall()

    def read_stored_keys(self) -> list[tuple[str, int]]:
        return self.query_rows("SELECT node_id, seq FROM batch ORDER BY 1, 2")

    async def until_all_areas_store(self, within: float) -> float:
        """Return the seconds until each area stores a new batch, while batches keep arriving; fail after `within`."""
        before, began, missing = set(self.read_stored_keys()), time.monotonic(), set(AREAS)
        while missing := {n.id for n in self._nodes} - {node for node, _ in set(self.read_stored_keys()) - before}:
            assert time.monotonic() - began < within, f"nobody took over {missing}"
            self.make_payloads()
            await self.send(list(self.sent_payloads)[-len(AREAS) :])
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    async def until_shared(self, workers: int) -> None:
        """Wait until each worker has the same number of areas; a new worker loads its kernels first."""
        until = time.monotonic() + 120
        held = "SELECT count(*) FROM area_lease GROUP BY worker_id"
        while [n for (n,) in self.query_rows(held)] != [len(AREAS) // workers] * workers:
            assert time.monotonic() < until, self.query_rows("SELECT * FROM area_lease")
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
async def test_areas_move_between_workers_and_nothing_is_lost_or_doubled(workers):
    network, start = workers
    first = start()
    durations = {"the first": await network.until_all_areas_store(60)}
    second = start()
    await network.until_shared(2)
    durations["one that joined"] = await network.until_all_areas_store(30)
    first.process.kill()
    durations["one that was killed"] = await network.until_all_areas_store(30)
    third = start()
    await network.until_shared(2)
    second.process.send_signal(signal.SIGSTOP)
    durations["one that hangs"] = await network.until_all_areas_store(30)
    second.process.send_signal(signal.SIGCONT)
    await network.until_shared(2)
    durations["one that woke up"] = await network.until_all_areas_store(30)
    third.stop()
    durations["one that left"] = await network.until_all_areas_store(30)
    print(f"every area stored again after: { {name: round(seconds, 1) for name, seconds in durations.items()} }")

    until = time.monotonic() + 30
    while (
        missing := sorted(set(network.sent_payloads) - set(network.read_stored_keys()))
    ) and time.monotonic() < until:
        await network.send(missing)
        await asyncio.sleep(1)
    assert network.read_stored_keys() == sorted(network.sent_payloads), "each once, none lost"
    assert network.query_rows("SELECT count(*), count(DISTINCT (datastream_id, observed_at)) FROM observation") == [
        (len(network.sent_payloads), len(network.sent_payloads))
    ]
    assert "Traceback" not in "".join(child.log.read_text() for child in (first, second, third))
