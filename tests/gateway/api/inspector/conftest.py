"""Inspectors with keys."""

import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope


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
