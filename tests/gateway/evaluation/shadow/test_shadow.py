"""A second detector beside the live one: the same readings, each once, and nobody is alerted."""

import json
from datetime import UTC, datetime

import psycopg
import pytest

from gateway import __main__ as command
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.evaluation.shadow.follower import ShadowFollower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0

SMALL, LARGE = range(45, 60), range(240, 255)  # seconds with a plume of 9 and of 90
NEWEST = """SELECT body FROM event_revision r
            WHERE revision = (SELECT max(revision) FROM event_revision WHERE event_id = r.event_id) ORDER BY event_id"""
DEAF = DetectionSettings(property={"pm2_5": PeakSettings(smallest=30.0)})


def batch(node, seq):
    """Five seconds."""
    seconds = range(5 * seq, 5 * seq + 5)
    values = [8.0 + 0.1 * (s % 3) + 9.0 * (s in SMALL) + 90.0 * (s in LARGE) for s in seconds]
    received = datetime.fromtimestamp(T0 / 1000 + 500, UTC)
    dt = [1000 * i for i in range(5)]
    return node.payload(seq, t0=T0 + seq * 5000, dt=dt, values={"pm2_5": values}, received_at=received)


async def live(dsn, payloads):
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payload in payloads:
        await pipeline.process([payload])
    await store.close()


async def follow(dsn, settings):
    """Look twice: what was committed before the first look is sure at the second."""
    follower = ShadowFollower(dsn, settings, settle_seconds=0.0)
    try:
        await follower.catch_up()
        await follower.catch_up()
    finally:
        await follower.close()


def rows(dsn, statement, values=None):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture
def report(database, tmp_path, capsys):
    (tmp_path / "piekwacht.toml").write_text(f'database = {{ dsn = "{database}" }}\n')

    def report(*words):
        code = command.main(["shadow", "report", "--config", str(tmp_path / "piekwacht.toml"), *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return report


async def test_the_same_settings_find_the_same_events_whatever_the_cuts(database, node):
    payloads = [batch(node, seq) for seq in range(1, 60)]
    same = ShadowSettings(name="same", detection=DetectionSettings())
    for begin, end in ((0, 10), (10, 11), (11, 49), (49, 59)):
        await live(database, payloads[begin:end])
        await follow(database, same)  # a new process each time
    expected = [row[0] for row in rows(database, NEWEST)]
    assert len(expected) == 2
    assert [row[0] for row in rows(database, "SELECT body FROM shadow_event ORDER BY id")] == expected


async def test_another_detector_is_compared_and_alerts_nobody(database, node, report):
    await live(database, [batch(node, seq) for seq in range(1, 60)])
    told = rows(database, "SELECT count(*) FROM alerting.inbox"), rows(database, "SELECT count(*) FROM event")
    await follow(database, ShadowSettings(name="deaf", detection=DEAF))
    assert (rows(database, "SELECT count(*) FROM alerting.inbox"), rows(database, "SELECT count(*) FROM event")) == told
    code, said = report("--days", "3")
    assert code == 0
    assert "1 agreed, 1 only live, 0 only shadow" in said
    found = json.loads(report("--json")[1])["found"]
    (pair,) = found["agreed"]
    assert pair["live"]["excess"] == pytest.approx(90, rel=0.1)
    assert pair["shadow"]["detector"] == Detector(DEAF).name
    assert [event["excess"] for event in found["only_live"]] == [pytest.approx(9, rel=0.2)]


async def test_nothing_is_followed_while_an_earlier_batch_may_still_appear(database, node):
    await live(database, [batch(node, 1)])
    follower = ShadowFollower(database, ShadowSettings(name="patient", detection=DEAF), settle_seconds=0.0)
    async with await psycopg.AsyncConnection.connect(database) as slow:
        await slow.execute("SELECT nextval('batch_id'), pg_current_xact_id()")  # as a gateway of another area does
        await live(database, [batch(node, 2)])
        for _ in range(3):
            await follower.catch_up()
        assert rows(database, "SELECT * FROM shadow") == []
        await slow.rollback()
    for _ in range(2):
        await follower.catch_up()
    await follower.close()
    assert rows(database, "SELECT next_batch FROM shadow") == [(4,)]


async def test_a_transaction_that_fails_is_run_again_and_two_do_not_share_a_name(database, node):
    await live(database, [batch(node, seq) for seq in range(1, 60)])
    settings = ShadowSettings(name="same", detection=DetectionSettings())
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE shadow ADD CONSTRAINT broken CHECK (next_batch < 0)")
    first = ShadowFollower(database, settings, settle_seconds=0.0)
    await first.catch_up()
    with pytest.raises(psycopg.Error):
        await first.catch_up()
    assert rows(database, "SELECT count(*) FROM shadow_event") == [(0,)]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE shadow DROP CONSTRAINT broken")
    second = ShadowFollower(database, settings, settle_seconds=0.0)
    with pytest.raises(psycopg.OperationalError, match="another process"):
        await second.catch_up()
    await first.catch_up()
    await first.close()
    assert rows(database, "SELECT count(*) FROM shadow_event") == [(2,)]


async def test_other_settings_under_the_same_name_begin_anew(database, node, report):
    await live(database, [batch(node, seq) for seq in range(1, 60)])
    await follow(database, ShadowSettings(name="one", detection=DEAF))
    await follow(database, ShadowSettings(name="one", detection=DetectionSettings()))
    assert "2 agreed, 0 only live, 0 only shadow" in report()[1]


def test_a_report_of_nothing_is_one_sentence(report):
    code, said = report()
    assert code == 1
    assert said.count("\n") == 1
    assert "no shadow has run" in said
