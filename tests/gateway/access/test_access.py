"""Over HTTP, with a real database behind it: signing in, keys, limits, and what never leaves for the public."""

import io
import re
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pyotp
import pytest

from gateway.__main__ import main
from gateway.access.accounts import Accounts
from gateway.access.authentication import CACHE_SECONDS
from gateway.access.identity import Role, Scope
from gateway.access.settings import AccessSettings, OidcSettings
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.gateway.api.conftest import running_api

PASSWORD = "een zin van vijf woorden"
EXACT = "52.4941234"


@pytest.fixture
def accounts(database, node):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE station SET latitude = %s", [float(EXACT)])
    return Accounts(database)


@pytest.fixture
async def inspector(accounts):
    """The secret of her second factor."""
    return await accounts.put("anna@od.example", Role.INSPECTOR, ["ijmond"], PASSWORD)


def form(secret, **changes):
    return {"name": "Anna@od.example", "password": PASSWORD, "code": pyotp.TOTP(secret).now(), **changes}


def audited(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT who, action, object, outcome FROM access.audit ORDER BY id").fetchall()


async def test_the_public_needs_no_login_and_never_sees_an_exact_place(database, broker, accounts):
    async with running_api(database, broker) as (client, _):
        for path in ("/", "/api/v1/stations", "/api/v1/stations/wijk-aan-zee"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert EXACT not in answer.text
        refused = await client.get("/api/v1/stations/wijk-aan-zee/exact-location")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await client.get("/api/v1/account")).status_code == 401


async def test_name_password_and_code_begin_a_session_and_signing_out_ends_it(database, broker, inspector):
    async with running_api(database, broker) as (client, _):
        page = await client.get("/account")
        assert "<form" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        answer = await client.post("/account/sign-in", data=form(inspector))
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "inspecteur" in (await client.get("/account")).text
        place = (await client.get("/api/v1/stations/wijk-aan-zee/exact-location")).json()
        assert place["latitude"] == float(EXACT)
        stolen = dict(client.cookies)
        await client.post("/account/sign-out")
        client.cookies.update(stolen)
        assert (await client.get("/api/v1/account")).status_code == 401
    assert ("anna@od.example", "read:exact-location", "station wijk-aan-zee", "allowed") in audited(database)
    with psycopg.connect(database) as connection:
        assert str(stolen["piekwacht"]) not in str(connection.execute("SELECT * FROM access.session").fetchall())


async def test_over_tls_the_cookie_goes_nowhere_else(database, broker, inspector):
    async with running_api(database, broker, public_url="https://piekwacht.example") as (client, _):
        answer = await client.post("/account/sign-in", data=form(inspector))
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-piekwacht=")
        assert "Secure" in cookie
        assert "Path=/" in cookie


async def test_a_code_works_once_and_five_wrong_ones_lock_the_account(database, broker, inspector):
    async with running_api(database, broker) as (client, _):
        right = form(inspector)
        assert (await client.post("/account/sign-in", data=right)).status_code == 303
        client.cookies.clear()
        again = await client.post("/account/sign-in", data=right)
        assert again.status_code == 403
        for _ in range(4):
            wrong = await client.post("/account/sign-in", data=form(inspector, password="een heel ander zinnetje"))
            assert wrong.status_code == 403
        unknown = await client.post("/account/sign-in", data=form(inspector, name="niemand"))
        assert unknown.text == wrong.text, "nobody learns which names there are"
    outcomes = [row[3] for row in audited(database)]
    assert outcomes == ["signed_in", "wrong_code", *["wrong_password"] * 4, "unknown"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT locked_until > now() FROM access.account").fetchone() == (True,)


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_form_of_another_site_is_refused(database, broker, inspector, headers):
    async with running_api(database, broker) as (client, _):
        answer = await client.post("/account/sign-in", data=form(inspector), headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_key_may_what_it_was_made_for_where_it_was_made_for(database, broker, accounts, inspector):
    await accounts.put("res", Role.RESIDENT, ["*"], None)
    await accounts.put("ver", Role.INSPECTOR, ["chemelot"], None)
    everything = {"scopes": list(Scope), "areas": ["*"], "purpose": "test", "days": 1}
    keys = {name: await accounts.put_key(name, **everything) for name in ("anna@od.example", "res", "ver")}
    narrow = await accounts.put_key("anna@od.example", [], ["*"], purpose="test", days=1)
    expired = await accounts.put_key("anna@od.example", list(Scope), ["*"], purpose="test", days=-1)
    path = "/api/v1/stations/wijk-aan-zee/exact-location"
    async with running_api(database, broker) as (client, _):

        async def status(key):
            return (await client.get(path, headers={"Authorization": f"Bearer {key}"})).status_code

        assert await status(keys["anna@od.example"]) == 200
        assert await status(keys["res"]) == 403
        assert await status(keys["ver"]) == 403
        assert await status(narrow) == 403
        assert await status(expired) == 401
        assert await status("pwk_x_y") == 401
        assert await status(str(keys["anna@od.example"])[:-1] + "x") == 401
        await accounts.revoke_key(keys["anna@od.example"].id)
        time.sleep(CACHE_SECONDS)  # noqa: ASYNC251 - nothing else has to run
        assert await status(keys["anna@od.example"]) == 401
    assert {row[3] for row in audited(database)} == {"allowed", "not_in_role", "other_area"}


async def test_a_disabled_account_has_nothing_any_more(accounts, inspector):
    key = await accounts.put_key("anna@od.example", list(Scope), ["*"], purpose="test", days=1)
    outcome, token = await accounts.sign_in("anna@od.example", PASSWORD, pyotp.TOTP(inspector).now(), 60)
    assert token is not None, outcome
    assert await accounts.by_session(token)
    await accounts.disable("anna@od.example")
    assert await accounts.by_session(token) is None
    assert await accounts.by_key(str(key)) is None


def test_what_was_put_down_cannot_be_changed_or_wiped(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access.audit (who, action, object, address, outcome) VALUES ('a', 'b', 'c', 'd', 'e')"
        )
        for statement in ("UPDATE access.audit SET who = 'x'", "DELETE FROM access.audit", "TRUNCATE access.audit"):
            with pytest.raises(psycopg.errors.RaiseException, match="only added to"):
                connection.execute(statement)


async def test_who_asks_too_often_waits_and_nobody_else_does(database, broker):
    async with running_api(database, broker, access=AccessSettings(requests_per_minute=5)) as (client, _):

        async def get(address=None):
            headers = {"X-Forwarded-For": address} if address else {}
            return await client.get("/api/v1/stations", headers=headers)

        statuses = [(await get("192.0.2.1")).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        refused = await get("192.0.2.1")
        assert refused.json()["detail"].startswith("too many requests; try again in")
        assert 1 <= int(refused.headers["retry-after"]) <= 13
        assert refused.headers["content-type"] == "application/problem+json"
        assert "content-security-policy" in refused.headers
        assert (await get("spoofed, 192.0.2.1")).status_code == 429, "only what our proxy saw counts"
        assert (await get("192.0.2.2")).status_code == 200
        assert {(await get()).status_code for _ in range(20)} == {200}, "the machine itself is not limited"


async def test_a_key_has_an_allowance_of_its_own(database, broker, accounts, inspector):
    key = await accounts.put_key("anna@od.example", [], ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.0.2.1"}
    settings = AccessSettings(requests_per_minute=2, requests_per_minute_with_key=6)
    async with running_api(database, broker, access=settings) as (client, _):
        statuses = [(await client.get("/api/v1/account", headers=headers)).status_code for _ in range(10)]
    assert statuses[:7] == [200] * 7
    assert statuses[-1] == 429


async def test_the_machine_room_is_not_shown_through_a_proxy(database, broker):
    async with running_api(database, broker) as (client, _):
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200
            assert (await client.get(path, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 404


async def test_a_body_without_end_is_cut(database, broker):
    async def endless():
        for _ in range(200):
            yield b"name=" + b"x" * 1_000

    async with running_api(database, broker) as (client, _):
        said = await client.post("/account/sign-in", content=b"x" * 70_000)
        assert said.status_code == 413
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        unsaid = await client.post("/account/sign-in", content=endless(), headers=kind)
        assert unsaid.status_code == 413
        assert unsaid.json()["detail"] == "a request may have 65536 bytes"


@pytest.fixture
def provider(tmp_path):
    """A real OpenID Connect provider, on loopback."""
    port = find_free_port()
    program = [
        Path(sys.executable).with_name("oidc-provider-mock"), "--port", str(port), "--require-nonce", "true",
    ]  # fmt: skip
    environment = {"AUTHLIB_INSECURE_TRANSPORT": "1"}
    with Child("provider", program, log=tmp_path / "provider.log", environment=environment) as child:
        child.wait_until(lambda: is_port_open("127.0.0.1", port))
        (tmp_path / "secret").write_text("geheim")
        yield OidcSettings(
            issuer=f"http://127.0.0.1:{port}",
            client_id="piekwacht",
            client_secret_file=tmp_path / "secret",
            claim="sub",
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("known", [True, False])
async def test_whom_the_provider_vouches_for_is_let_in_if_an_administrator_made_the_account(
    database, broker, accounts, provider, known
):
    await accounts.put("bart@od.example" if known else "someone-else", Role.OPERATOR, ["ijmond"], None)
    port = find_free_port()
    settings = {"access": AccessSettings(oidc=provider), "public_url": f"http://127.0.0.1:{port}"}
    async with running_api(database, broker, **settings) as (client, _), httpx.AsyncClient(trust_env=False) as browser:
        away = await client.get("/account/provider")
        assert away.status_code == 302
        asked = parse_qs(urlsplit(away.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert {"state", "nonce"} <= set(asked)
        back = await browser.post(away.headers["location"], data={"sub": "bart@od.example"})
        query = urlsplit(back.headers["location"]).query
        forged = await client.get("/account/provider/back?" + re.sub("state=[^&]*", "state=other", query))
        assert forged.status_code == 403
        answer = await client.get(f"/account/provider/back?{query}")
        assert answer.status_code == (303 if known else 403)
        who = await client.get("/api/v1/account")
        assert who.status_code == (200 if known else 401)
        if known:
            assert who.json()["role"] == "operator"


def test_accounts_and_keys_from_the_command_line(database, tmp_path, capsys, monkeypatch):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')

    def run(action, *words, said=PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(said + "\n"))
        code = main(["access", action, "--config", str(config), *words])
        return code, capsys.readouterr()

    code, said = run("add", "anna", "--role", "inspector", "--area", "ijmond")
    assert (code, "otpauth://totp/Piekwacht:anna" in said.out) == (0, True)
    assert run("add", "anna", "--role", "inspector", said="kort")[0] == 2
    assert run("add", "An na", "--role", "inspector")[0] == 2
    code, said = run("key", "anna", "--purpose", "board", "--scope", "write:alerts")
    assert re.fullmatch(r"pwk_[0-9a-f]{12}_[0-9a-f]{48}\n", said.out)
    key = said.out.split("_")[1]
    assert run("key", "niemand", "--purpose", "x")[0] == 1
    assert run("key", "anna", "--purpose", "x", "--days", "4000")[0] == 2
    assert key in run("list")[1].out
    assert run("revoke-key", key)[0] == 0
    assert run("revoke-key", key)[0] == 1
    assert run("disable", "anna")[0] == 0
    code, said = run("audit")
    assert [line.split("  ")[2] for line in said.out.splitlines()] == [
        "disable account", "revoke key", "put key", "put account",
    ]  # fmt: skip
