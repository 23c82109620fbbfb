"""`piekwacht doctor` and `piekwacht node list` name nodes with a wrong clock and nodes that run twice, and why."""

from datetime import UTC, datetime

import psycopg
from prometheus_client import REGISTRY

from edge_agent.wire import ClockState
from gateway.__main__ import main
from gateway.doctor.database import check_database
from gateway.doctor.finding import FindingLevel
from tests.gateway.enrolled_node import T0

DAY_MS = 86_400_000
RECEIVED = datetime.fromtimestamp(T0 / 1000 + 1, UTC)


def findings(dsn, check):
    return [finding for finding in check_database(dsn) if finding.check == check]


def list_nodes(dsn, tmp_path, capsys):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{dsn}"\n')
    assert main(["node", "list", "--config", str(config)]) == 0
    return capsys.readouterr().out.splitlines()


def make_undated_payload(node, seq=1, **fields):
    defaults = {"t0": T0 - 14 * DAY_MS, "dt": [0], "mono": 1000, "clock": ClockState.UNSYNCED, "received_at": RECEIVED}
    return node.payload(seq, values={"pm2_5": [8.0]}, **{**defaults, **fields})


async def test_a_healthy_node_is_no_finding(pipeline, node, database, tmp_path, capsys):
    await pipeline.process([node.payload(1)])
    assert findings(database, "node clocks") == []
    assert [str(finding) for finding in findings(database, "nodes")] == ["no node runs twice"]
    (line,) = list_nodes(database, tmp_path, capsys)
    assert "clock" not in line
    assert "TWO CARDS" not in line


async def test_a_node_whose_clock_is_behind_is_named_with_its_error_and_the_remedy(
    pipeline, node, database, tmp_path, capsys
):
    await pipeline.process([make_undated_payload(node)])
    (finding,) = findings(database, "node clocks")
    assert finding.level is FindingLevel.FAULT
    assert str(finding) == (
        "ijm-001 has 1 batches without a date since 2026-11-21 02:40Z (behind): "
        "its clock is 14 days, 0:00:01 behind: check its NTP server, or fit a DS3231"
    )
    (line,) = list_nodes(database, tmp_path, capsys)
    assert line.endswith("its clock is 14 days, 0:00:01 behind since 2026-11-21 02:40:01Z; 1 batches without a date")


async def test_a_clock_that_is_right_again_is_no_fault_but_its_undated_batches_are_named(
    pipeline, node, database, tmp_path, capsys
):
    await pipeline.process([make_undated_payload(node, boot="a")])
    await pipeline.process([node.payload(2, boot="b")])
    (finding,) = findings(database, "node clocks")
    assert finding.level is FindingLevel.WARNING
    assert "until a batch of the same boot has a set clock" in str(finding)
    (line,) = list_nodes(database, tmp_path, capsys)
    assert line.endswith("1 batches without a date")
    assert "its clock is" not in line


async def test_two_cards_of_one_node_are_named_with_the_remedy(pipeline, node, database, tmp_path, capsys):
    await pipeline.process([node.payload(1)])
    await pipeline.process([node.payload(1, values={"pm2_5": [99.0, 99.0]})])
    (finding,) = findings(database, "nodes")
    assert finding.level is FindingLevel.WARNING
    assert str(finding).startswith("two cards of node ijm-001 send at once, last at 20")
    assert "stop one of them, and enrol it as a node of its own (docs/operator/nodes.md)" in str(finding)
    (line,) = list_nodes(database, tmp_path, capsys)
    assert "TWO CARDS SEND AT ONCE, last at 20" in line


async def test_copies_of_long_ago_are_no_finding(pipeline, node, database):
    await pipeline.process([node.payload(1)])
    await pipeline.process([node.payload(1, values={"pm2_5": [99.0, 99.0]})])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE node_copy SET last_at = now() - interval '25 hours'")
    assert [str(finding) for finding in findings(database, "nodes")] == ["no node runs twice"]


async def test_log_and_metrics_name_the_node_with_a_wrong_clock_once_and_when_it_is_right(pipeline, node, caplog):
    caplog.set_level("INFO", "gateway.ingest")
    undated = ("piekwacht_undated_batches_total", {"area": "ijmond", "node": "ijm-001", "reason": "behind"})
    before = REGISTRY.get_sample_value(*undated) or 0.0
    for seq in (1, 2):
        await pipeline.process([make_undated_payload(node, seq, boot="a")])
    await pipeline.process([node.payload(3, boot="b")])
    await pipeline.process([node.payload(4, boot="b", t0=T0 + 2000)])  # waits for the report of the one before
    begin, end = [record for record in caplog.records if "clock" in record.getMessage()]
    assert begin.getMessage() == "clock of a node is wrong: its batches have no date"
    assert (begin.node, begin.reason, begin.detail) == ("ijm-001", "behind", "its clock is 14 days, 0:00:01 behind")
    assert (end.getMessage(), end.node) == ("clock of a node is right again", "ijm-001")
    assert REGISTRY.get_sample_value(*undated) == before + 2


async def test_log_and_metrics_name_the_node_of_which_two_cards_send(pipeline, node, caplog):
    caplog.set_level("INFO", "gateway.ingest")
    copies = ("piekwacht_node_copies_total", {"area": "ijmond", "node": "ijm-001"})
    before = REGISTRY.get_sample_value(*copies) or 0.0
    await pipeline.process([node.payload(1)])
    await pipeline.process([node.payload(1, values={"pm2_5": [99.0, 99.0]})])
    await pipeline.process([node.payload(2)])
    (record,) = [r for r in caplog.records if r.getMessage() == "two cards of a node send at once"]
    assert (record.node, record.area, record.conflicts, record.incarnations) == ("ijm-001", "ijmond", 1, [node.inc])
    assert REGISTRY.get_sample_value(*copies) == before + 1
