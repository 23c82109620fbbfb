"""Inspectors with keys, and an open plume."""

import time

import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from tests.gateway.api.observation_batches import ingest_observations


@pytest.fixture
async def keys(database, node):
    """Headers with an API key, by account name."""
    accounts = Accounts(database)
    headers = {}
    for name, role, areas in (
        ("anna", Role.INSPECTOR, ["ijmond"]), ("bob", Role.INSPECTOR, ["chemelot"]), ("carla", Role.OPERATOR, ["*"]),
        ("dirk", Role.RESIDENT, ["*"]),
    ):  # fmt: skip
        await accounts.put_account(name, role, areas, None)
        key = await accounts.put_key(name, [Scope.ANSWER_ALERTS], ["*"], purpose="test", days=1)
        headers[name] = {"Authorization": f"Bearer {key}"}
    return headers


@pytest.fixture
async def plume(api, pipeline, node, database):
    """The id of an open plume without any decision."""
    began = int(time.time() * 1000) - 900_000
    await ingest_observations(pipeline, node, 900, start=began, plume=range(800, 900))
    (document,) = (await api.get("/api/v1/plumes")).json()["items"]
    assert document["state"] == "ongoing"
    return document["id"]
