"""Two cards with the same keys and the same spool: every reading of both is stored, and none twice."""

import asyncio
import json
import random
import shutil
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from edge_agent.batch_builder import change_incarnation
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import RenewalReason, Spool
from edge_agent.spool_writer import SpoolWriter, open_or_recover
from edge_agent.wire import ClockState, Signer, StoredRanges, Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.settings import IngestSettings
from gateway.model.registry import Node
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from tests.edge_agent.running_agent import NodeProcess, kill
from tests.gateway.enrolled_node import T0, EnrolledNode, enrol_node
from tests.gateway.ingest.test_consumer import run_consumer


class PowerCutError(Exception):
    """Ends a transaction in its middle."""


class Card:
    """A spool on one machine, worked as the agent works it. `log`: every reading it made, outside the spool."""

    def __init__(self, folder: Path, node: EnrolledNode, noise: random.Random, *, hardware: str) -> None:
        self.folder, self.node, self.noise, self.hardware = folder, node, noise, hardware
        self.log: list[tuple[int, float]] = []
        self.made = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        self.spool = open_or_recover(self.folder / "spool.sqlite", node=self.node.id)
        self.writer = SpoolWriter(
            self.spool, path=self.folder / "spool.sqlite", signer=self.node.signer, quota=2**26, merge_seconds=1e9
        )
        self.writer._merged_at = 1e12  # held until the next start, or until a live reading
        self.writer.bind_hardware(self.hardware)

    def copy(self, folder: Path, *, hardware: str, noise: random.Random) -> "Card":
        """Copy the card while the node has no power: both wake up from the same bytes."""
        self.lose_power()
        shutil.copytree(self.folder, folder)
        self.start()
        other = Card(folder, self.node, noise, hardware=hardware)
        other.made = self.made
        return other

    def lose_power(self) -> None:
        """Keep the files as a kill leaves them, the write-ahead log too."""
        snapshot = self.folder.with_name(self.folder.name + "-cut")
        shutil.copytree(self.folder, snapshot)
        self.spool.close()
        shutil.rmtree(self.folder)
        snapshot.rename(self.folder)

    def restart(self) -> None:
        self.lose_power()
        self.start()

    def measure(self, *, hist: bool) -> None:
        readings = []
        for _ in range(self.noise.randint(1, 3)):
            self.made += 1
            at, value = T0 + self.made * 1000, round(self.noise.uniform(5.0, 50.0), 9)
            self.log.append((at, value))
            readings.append(
                Reading(observed_at=at, mono=self.made * 1000, clock=ClockState.SYNCED, values={"pm10": value})
            )
        assert self.writer.store([readings], hist=hist)

    def payloads(self) -> list[Payload]:
        """Return all that waits and can be sent."""
        topic = Topic(area=self.node.area, node=self.node.id, kind=TopicKind.READINGS)
        at = datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(seconds=self.made)
        seq, payloads = 0, []
        while (row := self.spool.select_after(seq)) is not None:
            seq = row.seq
            payloads.append(Payload(topic=str(topic), body=row.payload, received_at=at))
        return payloads

    def receive(self, stored: StoredRanges, *, cut: bool = False) -> None:
        """Do what a session does with a confirmation; `cut`: the power goes while batches get other keys."""

        def sign(payload: bytes, incarnation: str) -> bytes:
            if cut:
                raise PowerCutError
            return change_incarnation(payload, incarnation, signer=self.node.signer)

        comparison = self.spool.compare_stored(stored)
        if comparison.conflicting:
            try:
                self.spool.move_conflicting(comparison, sign)
            except PowerCutError:
                self.restart()
        self.spool.delete_batches(comparison.matching)
        self.spool.renew_if_copied(stored)


class World:
    """Two cards, and the gateway between them: messages and answers may be lost or repeated."""

    def __init__(self, pipeline: Pipeline, noise: random.Random) -> None:
        self.pipeline, self.noise = pipeline, noise

    async def send(self, sender: Card, cards: list[Card], *, faults: bool = True) -> None:
        payloads = sender.payloads()
        if faults:
            payloads = self.noise.sample(payloads, self.noise.randint(0, len(payloads)))
            payloads += self.noise.sample(payloads, min(len(payloads), self.noise.randint(0, 2)))
        if not payloads:
            return
        committed = await self.pipeline.process(payloads)
        if faults and self.noise.random() < 0.15:
            sender.restart()  # before it receives the answer
        for stored in committed.stored_ranges:
            for card in cards:
                if not faults or self.noise.random() < 0.6:
                    answer = StoredRanges.decode(stored.encode())
                    card.receive(answer, cut=faults and self.noise.random() < 0.2)

    async def run(self, folder: Path, node: EnrolledNode) -> list[tuple[int, float]]:
        """Return every reading that either card made."""
        noise = self.noise
        original = Card(folder / "a", node, noise, hardware="hardware-a")
        for _ in range(noise.randint(0, 4)):
            original.measure(hist=noise.random() < 0.5)
            if noise.random() < 0.4:
                await self.send(original, [original])
        copy = original.copy(folder / "b", hardware=noise.choice(["hardware-a", "hardware-b"]), noise=noise)
        cards = [original, copy]
        await self.work(cards, in_step=noise.random() < 0.5)
        for _ in range(12):
            for card in cards:
                card.writer.flush()
                await self.send(card, cards, faults=False)
        assert original.spool.is_empty()
        assert copy.spool.is_empty()
        for card in cards:
            card.spool.close()
        return original.log + copy.log

    async def work(self, cards: list[Card], *, in_step: bool) -> None:
        """Measure and send, both at once or by turns, with restarts."""
        for i in range(self.noise.randint(4, 8)):
            active = cards if in_step else [cards[(i // 2) % 2]]
            for card in active:
                card.measure(hist=self.noise.random() < 0.3)
            for card in self.noise.sample(active, len(active)):
                if self.noise.random() < 0.15:
                    card.restart()
                if self.noise.random() < 0.7:
                    await self.send(card, cards)


def read_stored(dsn: str, node: str) -> list[tuple[int, float]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            """SELECT (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
               FROM observation o JOIN datastream d ON d.id = o.datastream_id WHERE d.node_id = %s""",
            (node,),
        ).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_copies_of_a_card_lose_no_reading_and_store_none_twice(database, tmp_path, request):
    runs, first_seed = request.config.getoption("copy_runs"), request.config.getoption("copy_seed")
    enrol_node(database)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    conflicts = readings = 0
    for seed in range(first_seed, first_seed + runs):
        node = EnrolledNode(signer=Signer.generate(f"run-{seed}"))
        with psycopg.connect(database, autocommit=True) as connection:
            place = Node(id=node.id, area="ijmond", station="wijk-aan-zee", key=node.signer.verifier)
            stations.put_node(connection, place)
        made = await World(pipeline, random.Random(seed)).run(tmp_path / str(seed), node)
        stored = Counter(read_stored(database, node.id))
        assert stored == Counter(made), f"seed {seed}"
        readings += len(made)
        with psycopg.connect(database, autocommit=True) as connection:
            seen = connection.execute("SELECT conflicts FROM node_copy WHERE node_id = %s", (node.id,)).fetchone()
            conflicts += seen[0] if seen else 0
            connection.execute("UPDATE node SET revoked_at = now() WHERE id = %s", (node.id,))
        shutil.rmtree(tmp_path / str(seed))
    await store.close()
    print(f"{runs} runs: {readings} readings, {conflicts} numbers held other bytes")
    assert conflicts > runs // 4, "the runs must meet the case"


def test_a_card_in_other_hardware_sends_what_it_holds_and_says_why(tmp_path):
    node, noise = EnrolledNode(signer=Signer.generate("ijm-001")), random.Random(1)
    card = Card(tmp_path / "a", node, noise, hardware="hardware-a")
    card.measure(hist=False)
    card.measure(hist=True)
    before = card.spool.read_incarnation()
    copy = card.copy(tmp_path / "b", hardware="hardware-b", noise=noise)
    assert [p.body for p in copy.payloads()] == [p.body for p in card.payloads()], "held readings too"
    assert copy.spool.read_renewal().reason is RenewalReason.OTHER_HARDWARE
    assert copy.spool.read_incarnation() != before
    assert card.spool.read_renewal() is None
    card.spool.close()
    copy.spool.close()


def read_values(log: Path) -> list[tuple[str, int, float]]:
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [(name, e["observed_at"], v) for e in entries for name, v in e["values"].items() if v is not None]


@pytest.mark.slow
async def test_two_agents_with_one_card_at_one_broker_deliver_all_and_are_named(each_broker, database, tmp_path):
    first = NodeProcess(tmp_path / "a")
    first.gateway = Signer.generate("gateway.ijmond")
    first.write_config(each_broker.port, 'driver = "simulated"\ninterval_seconds = 0.1', batch="resend_seconds = 2.0")
    (tmp_path / "gateway.key").write_text(first.gateway.export())
    enrol_node(database)
    with psycopg.connect(database, autocommit=True) as connection:
        place = Node(id=first.id, area=first.area, station="wijk-aan-zee", key=first.key.verifier)
        stations.put_node(connection, place)
    settings = IngestSettings(key_file=tmp_path / "gateway.key", window_seconds=0.01)
    async with run_consumer(settings, each_broker, database):
        process = first.start()
        await asyncio.sleep(5.0)
        kill(process)
        before = read_values(first.generated)
        second = copy_node(first, tmp_path / "b")
        processes = [first.start(), second.start()]
        await asyncio.sleep(15.0)
        logs = []
        for process in processes:  # one after the other: the last has the broker for itself
            process.send_signal(signal.SIGTERM)
            logs.append((await asyncio.to_thread(process.communicate, timeout=90))[1])
        for node in (first, second):  # the rest, with no other agent beside it
            process = node.start()
            await asyncio.sleep(4.0)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.communicate, timeout=90)
            with Spool(node.spool, node=node.id) as spool:
                assert spool.is_empty()
    # two agents with one seed may measure the same value in the same millisecond; in batches of equal bytes it is one
    shared = set(before)
    made = Counter(shared)
    for node in (first, second):
        made.update(set(read_values(node.generated)) - shared)
    with psycopg.connect(database) as connection:
        stored = connection.execute(
            """SELECT d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
               FROM observation o JOIN datastream d ON d.id = o.datastream_id"""
        ).fetchall()
        copies = connection.execute("SELECT node_id FROM node_copy").fetchall()
    assert set(stored) == set(made)
    assert Counter(stored) <= made
    assert copies == [(first.id,)]
    assert any("new incarnation" in log for log in logs)
    connections = sum(log.count("connection lost") for log in logs)
    assert connections < 40, "they take turns and do not fight without pause"


def copy_node(node: NodeProcess, folder: Path) -> NodeProcess:
    """Copy a node's whole folder: keys, configuration, spool and log."""
    other = NodeProcess(folder)
    shutil.copytree(node.folder, folder, dirs_exist_ok=True)
    other.key, other.gateway = node.key, node.gateway
    return other
