"""Many sign-ins at once, from real clients in another process: others do not wait, and few attempts are judged."""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import psycopg
import pyotp
import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.access.settings import AccessSettings
from tests.gateway.access.test_access import PASSWORD, form
from tests.gateway.api.conftest import running_api

pytestmark = pytest.mark.timeout(180)
_BURST = Path(__file__).with_name("sign_in_burst.py")
_MANY_REQUESTS = AccessSettings(requests_per_minute=10_000)


@pytest.fixture
async def inspector(database, node):
    return await Accounts(database).put_account("anna@od.example", Role.INSPECTOR, ["ijmond"], PASSWORD)


async def start_burst(port, attempts, *, password="een heel ander zinnetje", code="#", addresses="one"):
    arguments = [str(port), str(attempts), "anna@od.example", password, code, addresses]
    return await asyncio.create_subprocess_exec(sys.executable, _BURST, *arguments, stdout=asyncio.subprocess.PIPE)


async def finish(burst):
    output, _ = await burst.communicate()
    return json.loads(output)


def count_judged(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT count(*) FROM access.audit WHERE action = 'sign-in'").fetchone()[0]


async def measure_until_finished(client, burst):
    """Return the seconds of one visitor's requests, one after the other, until the burst is answered."""
    seconds, answered = [], asyncio.create_task(finish(burst))
    while not answered.done():
        started_at = time.perf_counter()
        assert (await client.get("/api/v1/stations")).status_code == 200
        seconds.append(time.perf_counter() - started_at)
        await asyncio.sleep(0.005)
    return seconds, answered.result()


@pytest.mark.parametrize("addresses", ["one", "each"])
async def test_other_requests_do_not_wait_while_120_people_sign_in(database, broker, inspector, addresses):
    async with running_api(database, broker, access=_MANY_REQUESTS) as (client, _):
        await client.get("/api/v1/stations")
        burst = await start_burst(client.base_url.port, 120, addresses=addresses)
        seconds, statuses = await measure_until_finished(client, burst)
    assert statistics.median(seconds) < 0.020
    assert set(statuses) <= {403, 429}
    assert statuses.count(429) >= 100, "no more than the queue holds are judged at once"


async def test_of_300_codes_at_once_from_one_address_five_are_judged(database, broker, inspector):
    async with running_api(database, broker, access=_MANY_REQUESTS) as (client, _):
        statuses = await finish(await start_burst(client.base_url.port, 300, password=PASSWORD))
    assert (statuses.count(403), statuses.count(429)) == (5, 295)
    assert count_judged(database) == 5


async def test_codes_are_counted_per_account_over_all_addresses(database, inspector):
    """Fifty codes an hour, also if each comes from another address: the count is taken before judging."""
    accounts = Accounts(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE access.account SET code_attempts = 46, code_attempts_end = now() + interval '1 hour'"
        )
        attempts = (accounts.sign_in("anna@od.example", PASSWORD, f"{number:06}", 60) for number in range(12))
        outcomes = [outcome.value for outcome, _ in await asyncio.gather(*attempts)]
        assert sorted(outcomes) == ["too_many_codes"] * 8 + ["wrong_code"] * 4
        stranger = await accounts.sign_in("anna@od.example", "een heel ander zinnetje", "000000", 60)
        assert stranger[0].value == "wrong_password", "only the right password reaches the codes"
        connection.execute("UPDATE access.account SET code_attempts_end = now()")
    assert (await accounts.sign_in("anna@od.example", PASSWORD, pyotp.TOTP(inspector).now(), 60))[1] is not None


async def test_attempts_of_others_do_not_block_an_inspector(database, broker, inspector):
    async with running_api(database, broker, access=_MANY_REQUESTS) as (client, _):
        for addresses in ("one", "each"):
            statuses = await finish(await start_burst(client.base_url.port, 60, addresses=addresses))
            assert 429 in statuses
        answer = await client.post(
            "/account/sign-in", data=form(inspector), headers={"X-Forwarded-For": "198.51.100.7"}
        )
        assert answer.status_code == 303, "from another address, with the right password and code, at once"


async def test_signing_in_again_gives_another_session_and_ends_the_one_before(database, broker, inspector):
    async with running_api(database, broker) as (client, _):
        client.cookies.set("piekwacht", "chosen-by-somebody-else")
        first = await client.post("/account/sign-in", data=form(inspector))
        token = first.cookies["piekwacht"]
        assert token != "chosen-by-somebody-else"
        client.cookies.clear()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE access.account SET totp_used = 0")
        headers = {"Cookie": f"piekwacht={token}"}
        second = await client.post("/account/sign-in", data=form(inspector), headers=headers)
        assert second.cookies["piekwacht"] != token
        client.cookies.clear()
        assert (await client.get("/api/v1/account", headers=headers)).status_code == 401
        chosen = {"Cookie": "piekwacht=chosen-by-somebody-else"}
        assert (await client.get("/api/v1/account", headers=chosen)).status_code == 401
