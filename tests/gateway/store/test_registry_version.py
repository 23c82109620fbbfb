"""The registry's version counts committed transactions, once each, so that running gateways reload it."""

import psycopg
import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.enrolment import site_file
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0, EnrolledNode, Signer, enrol_node

AREA = """
[area]
id = "ijmond"
name = "IJmond"
authority = "Omgevingsdienst"
outline = { type = "Polygon", coordinates = [[[4.5, 52.4], [4.7, 52.4], [4.7, 52.6], [4.5, 52.4]]] }
"""
NODE = """
[[station]]
id = "{id}"
name = "{id}"
latitude = 52.494
longitude = 4.594
[[node]]
id = "{id}"
station = "{id}"
key = "{key}"
"""


@pytest.fixture
def registry(database):
    enrol_node(database)
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def version(connection):
    return connection.execute("SELECT version FROM registry_version").fetchone()[0]


def rename(connection, name):
    connection.execute("UPDATE station SET name = %s", [name])


def write_site_file(folder, signers):
    nodes = [NODE.format(id=signer.name, key=signer.verifier) for signer in signers]
    (folder / "site.toml").write_text(AREA + "".join(nodes))
    return site_file.read_site_file(folder / "site.toml")


def test_each_transaction_counts_once(registry):
    before = version(registry)
    for _ in range(2):
        with registry.transaction():
            rename(registry, "a")
            with registry.transaction():
                rename(registry, "b")
            rename(registry, "c")
    assert version(registry) == before + 2


def test_a_savepoint_that_is_rolled_back_does_not_count(registry):
    before = version(registry)
    with registry.transaction():
        with registry.transaction(force_rollback=True):
            rename(registry, "rolled back")
        assert version(registry) == before
        rename(registry, "committed")
    assert version(registry) == before + 1


def test_a_transaction_that_is_rolled_back_does_not_count(registry):
    before = version(registry)
    with registry.transaction(force_rollback=True):
        rename(registry, "rolled back")
    assert version(registry) == before
    rename(registry, "committed")
    assert version(registry) == before + 1


def test_concurrent_changes_are_serialised_and_each_counts(registry, database):
    before = version(registry)
    with psycopg.connect(database) as other:
        rename(other, "first")
        registry.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            registry.execute("UPDATE area SET name = 'second'")
    registry.execute("UPDATE area SET name = 'second'")
    assert version(registry) == before + 2


@pytest.mark.slow
async def test_a_running_gateway_loads_two_thousand_nodes_of_one_file(database, registry, tmp_path):
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    first_node = EnrolledNode(signer=Signer.generate("ijm-002"))
    assert (await pipeline.process([first_node.payload()])).stored_ranges == []
    signers = [first_node.signer, *(Signer.generate(f"many-{i}") for i in range(1_999))]
    before = version(registry)
    site_file.apply_site_file(write_site_file(tmp_path, signers), database, folder=tmp_path)
    assert version(registry) == before + 1
    nodes = [EnrolledNode(signer=signer) for signer in (signers[0], signers[1], signers[-1])]
    committed = await pipeline.process([node.payload(seq=2, t0=T0 + 2000) for node in nodes])
    await store.close()
    assert {stored.node for stored in committed.stored_ranges} == {node.id for node in nodes}
