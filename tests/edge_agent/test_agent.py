"""The agent as a field engineer runs it: a real process, a real broker, and a fake gateway."""

import csv
import gzip
import json
import sqlite3
import time
from collections import Counter
from datetime import datetime

import pytest
from msgspec import structs

from edge_agent.batch_builder import make_batch_factory
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import Spool
from edge_agent.wire import ClockState, Signer, StoredRanges
from tests.edge_agent.running_agent import kill, ranges_of, stop
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # a real agent, as a process

SIMULATED = """driver = "simulated"
interval_seconds = 0.05
properties = ["pm10", "voc_raw", "humidity"]"""


def read_spool_seqs(node) -> list[int]:
    with sqlite3.connect(node.spool) as db:
        return [seq for (seq,) in db.execute("SELECT seq FROM batch ORDER BY seq")]


def test_every_reading_arrives_and_is_deleted_from_the_spool(node, start_gateway, each_broker):
    gateway = start_gateway(each_broker.port)
    node.write_config(each_broker.port, SIMULATED)
    process = node.start()
    wait_until(lambda: len(gateway.values()) > 60)
    assert stop(process).splitlines()[-1] == "piekwacht-agent: 0 batches remain in the spool"
    assert Counter(gateway.values()) == Counter(node.read_generated_values())
    assert read_spool_seqs(node) == []
    assert [message["online"] for message in gateway.status_messages if message["kind"] == "status"] == [True, False]


def test_without_a_broker_every_reading_waits_in_the_spool_and_arrives_later(node, start_gateway, broker):
    node.write_config(1, SIMULATED, batch="drain_seconds = 0.5")
    process = node.start()
    wait_until(lambda: node.generated.exists() and len(node.read_generated_values()) > 30)
    errors = stop(process)
    assert int(errors.splitlines()[-1].split()[1]) == len(read_spool_seqs(node)) > 0
    assert "nothing is lost" in errors
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, SIMULATED)
    process = node.start()
    wait_until(lambda: len(gateway.values()) > len(node.read_generated_values()) / 2)
    stop(process)
    assert Counter(gateway.values()) == Counter(node.read_generated_values())


def test_readings_held_offline_survive_a_kill_and_arrive_once_in_few_batches(node, start_gateway, broker):
    node.write_config(1, SIMULATED, batch="offline_seconds = 0.5\nmerge_seconds = 60\ndrain_seconds = 0")
    process = node.start()
    wait_until(lambda: node.generated.exists() and len(node.read_generated_values()) > 150)
    kill(process)
    with sqlite3.connect(node.spool) as db:
        (held,) = db.execute("SELECT count(*) FROM held").fetchone()
    assert held > 3, "committed each 0.2 s, and not numbered yet"
    generated = node.read_generated_values()
    gateway = start_gateway(broker.port)
    node.write_config(broker.port, SIMULATED)
    process = node.start()
    wait_until(lambda: len(gateway.values()) > len(generated) + 30)
    stop(process)
    received, sent = Counter(gateway.values()), Counter(node.read_generated_values())
    lost = sent - received
    assert not received - sent, "each once; two readings of one millisecond may have equal values"
    assert sum(lost.values()) <= 0.4 / 0.05 * 3, "only what was not committed when the kill came"
    late = [batch for batch in gateway.batches.values() if batch.hist]
    assert max(len(batch.dt) for batch in late) > 3 * 4, "several commits in one batch"


def test_after_a_kill_numbers_continue_and_committed_batches_are_sent(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    gateway.is_silent = True
    node.write_config(broker.port, SIMULATED)
    for _ in range(3):
        process = node.start()
        before = len(gateway.batches)
        wait_until(lambda before=before: len(gateway.batches) > before + 2)
        kill(process)
    committed = read_spool_seqs(node)
    assert committed == list(range(1, len(committed) + 1)), "without a confirmation nothing is deleted"
    gateway.is_silent = False
    process = node.start()
    wait_until(lambda: max(seq for _, seq in gateway.batches) > committed[-1] + 2)
    stop(process)
    assert set(committed) <= {seq for _, seq in gateway.batches}
    assert len({inc for inc, _ in gateway.batches}) == 1
    # a kill may lose readings that are not committed: at most those of one commit per kill
    received, generated = Counter(gateway.values()), Counter(node.read_generated_values())
    assert not received - generated
    assert (generated - received).total() <= 3 * 3 * 20


def test_a_sent_batch_never_changes_its_bytes(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    gateway.is_silent = True
    node.write_config(broker.port, SIMULATED, batch="resend_seconds = 0.3")
    process = node.start()
    wait_until(lambda: len(gateway.payloads) > len(gateway.batches) + 5)
    kill(process)
    process = node.start()
    wait_until(lambda: max(Counter(gateway.payloads).values()) > 3)
    kill(process)
    assert len(set(gateway.payloads)) == len(gateway.batches)


def test_forged_stored_ranges_delete_nothing(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    gateway.is_silent = True
    node.write_config(broker.port, SIMULATED, batch="drain_seconds = 0.5")
    process = node.start()
    wait_until(lambda: len(gateway.batches) > 3)
    ((inc, _), *_) = gateway.batches
    hashes = [(seq, digest) for (_, seq), digest in gateway.hashes.items()]
    everything = StoredRanges(v=1, node="ijm-001", inc=inc, ranges=[(1, 10**6)], hashes=hashes)
    gateway.publish_stored_ranges(everything, Signer.generate("gateway.ijmond"))
    gateway.publish_stored_ranges(everything, node.key)
    gateway.publish_stored_ranges(structs.replace(everything, node="ijm-002"), node.gateway)
    gateway.publish_stored_ranges(structs.replace(everything, inc="a" * 12), node.gateway)
    time.sleep(0.5)
    errors = stop(process)
    rejected = errors.count("ignored a message without a valid signature of the gateway")
    assert rejected == 3, "the fourth has a valid signature, for another incarnation"
    assert set(read_spool_seqs(node)) >= {seq for _, seq in gateway.batches}


def test_stored_ranges_with_holes_leave_the_batches_in_the_holes(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    gateway.is_silent = True
    node.write_config(broker.port, SIMULATED, batch="drain_seconds = 0.5")
    process = node.start()
    wait_until(lambda: len(gateway.batches) > 5)
    ((inc, _), *_) = gateway.batches
    hashes = [(seq, gateway.hashes[inc, seq]) for seq in (1, 3, 4)]
    ranges = ranges_of([1, 3, 4])
    gateway.publish_stored_ranges(
        StoredRanges(v=1, node="ijm-001", inc=inc, ranges=ranges, hashes=hashes), node.gateway
    )
    wait_until(lambda: read_spool_seqs(node)[:2] == [2, 5])
    stop(process)


def test_a_recording_arrives_bit_for_bit(node, start_gateway, broker, recordings):
    gateway = start_gateway(broker.port)
    file, station = recordings / "controlled_releases.csv.gz", "aded2022:E"
    node.write_config(broker.port, f'driver = "replay"\nfile = "{file}"\nstation = "{station}"\nspeed = 0')
    process = node.start("--until-done")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with gzip.open(file, "rt", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["station"] == station]
    expected = Counter()
    for row in rows:
        at = round(datetime.fromisoformat(row["time"]).timestamp() * 1000)
        expected[row["property"], at, float(row["value"])] += 1
        for name in ("wind_speed", "wind_direction"):
            if row[name]:
                expected[name, at, float(row[name])] += 1
    assert Counter(gateway.values()) == expected == Counter(node.read_generated_values())


def test_a_recording_shifted_to_now_ends_now_and_never_in_the_future(node, start_gateway, broker, recordings):
    gateway = start_gateway(broker.port)
    node.write_config(
        broker.port,
        f"""driver = "replay"
file = "{recordings / "pm_dust_1s.csv.gz"}"
station = "mobile"
first = "2019-03-03T17:55:18Z"
last = "2019-03-03T17:57:18Z"
speed = 60
stamps = "now" """,
    )
    process = node.start("--until-done")
    newest = []
    while process.poll() is None:
        newest.append(time.time() * 1000 - max((at for _, at, _ in gateway.values()), default=0))
        time.sleep(0.05)
    assert min(newest) >= 0
    stamps = sorted({at for _, at, _ in gateway.values()})
    assert abs(stamps[-1] - time.time() * 1000) < 2000
    assert 110_000 < stamps[-1] - stamps[0] <= 120_000


def test_a_simulated_plume_is_in_the_truth_file_and_in_the_readings(node, start_gateway, broker):
    gateway = start_gateway(broker.port)
    node.write_config(
        broker.port,
        """driver = "simulated"
properties = ["pm10"]
start = "2026-01-05T06:00:00Z"
until = "2026-01-05T06:02:00Z"
speed = 0
truth = "truth.json"
plume = [{ start_seconds = 60, duration_seconds = 20, excess = { pm10 = 300.0 } }]""",
    )
    assert node.start("--until-done").wait(30) == 0
    (plume,) = json.loads((node.folder / "truth.json").read_text())
    onset, end = (datetime.fromisoformat(plume[key]).timestamp() * 1000 for key in ("onset", "end"))
    high = [at for _, at, value in gateway.values() if value > 150]
    assert plume["property"] == "pm10"
    assert plume["excess"] == 300.0
    assert len(high) > 10
    assert all(onset <= at <= end for at in high)


def test_a_backlog_of_a_week_drains_while_live_readings_stay_fresh(node, start_gateway, broker):
    """10,080 batches at 300 a second instead of 50, so that the test is short: the default needs 200 s of 600."""
    batch_count = 7 * 24 * 60
    past = int(time.time() * 1000) - 8 * 86_400_000
    with Spool(node.spool, node=node.id) as spool:
        for day in range(7):
            rows = [
                [
                    Reading(observed_at=past + i * 60_000 + j, mono=0, clock=ClockState.SYNCED, values={"pm10": 20.0})
                    for j in range(6)
                ]
                for i in range(day * 1440, (day + 1) * 1440)
            ]
            spool.add([make_batch_factory(readings, signer=node.key, hist=True) for readings in rows])
    gateway = start_gateway(broker.port)
    gateway.pause = 0.5
    batch = "backlog_per_second = 300"
    node.write_config(broker.port, 'driver = "simulated"\ninterval_seconds = 0.2\nproperties = ["pm10"]', batch=batch)
    started = time.monotonic()
    process = node.start()
    wait_until(lambda: len([b for b in list(gateway.batches.values()) if b.hist]) == batch_count, seconds=100)
    seconds = time.monotonic() - started
    live_ages = sorted(gateway.ages)
    assert len(live_ages) > seconds  # live batches were sent all the time
    assert live_ages[int(len(live_ages) * 0.99)] < 2.0
    gateway.pause = 0.0
    errors = stop(process)
    assert errors.splitlines()[-1] == "piekwacht-agent: 0 batches remain in the spool"
    print(f"{batch_count} batches in {seconds:.1f} s, live p99 {live_ages[int(len(live_ages) * 0.99)]:.2f} s")


def test_wrong_settings_are_one_clear_line(node, broker):
    node.write_config(broker.port, 'driver = "simulated"\nproperteis = ["pm10"]')
    process = node.start()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1
    assert "agent.toml" in errors
    assert "`sensor[0].properteis`" in errors
    assert "`properties`" in errors


def test_a_spool_belongs_to_one_node(node, start_gateway, broker):
    node.write_config(1, SIMULATED, batch="drain_seconds = 0")
    process = node.start()
    wait_until(node.generated.exists)
    stop(process)
    node.id, node.key = "ijm-009", Signer.generate("ijm-009")
    (node.folder / "node.key").write_text(node.key.export())
    node.write_config(1, SIMULATED)
    process = node.start()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.strip().endswith("belongs to node ijm-001, not to ijm-009; give this node its own file")
