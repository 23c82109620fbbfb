"""Access over HTTP, with a real database: signing in, keys, limits, and data that the public never sees."""

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
from msgspec import structs

from gateway.__main__ import main
from gateway.access.accounts import Accounts
from gateway.access.authentication import CACHE_SECONDS
from gateway.access.identity import Role, Scope
from gateway.access.return_address import check_return_path
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
    """Create an inspector; return the secret of her second factor."""
    return await accounts.put_account("anna@od.example", Role.INSPECTOR, ["ijmond"], PASSWORD)


def form(secret, **changes):
    return {"name": "Anna@od.example", "password": PASSWORD, "code": pyotp.TOTP(secret).now(), **changes}


def audit_rows(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT who, action, object, outcome FROM access.audit ORDER BY id").fetchall()


async def test_the_public_needs_no_login_and_never_sees_an_exact_location(database, broker, accounts):
    async with running_api(database, broker) as (client, _):
        for path in ("/", "/api/v1/stations", "/api/v1/stations/wijk-aan-zee"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert EXACT not in answer.text
        rejected = await client.get("/api/v1/stations/wijk-aan-zee/exact-location")
        assert rejected.status_code == 401
        assert rejected.headers["content-type"] == "application/problem+json"
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
        location = (await client.get("/api/v1/stations/wijk-aan-zee/exact-location")).json()
        assert location["latitude"] == float(EXACT)
        stolen = dict(client.cookies)
        await client.post("/account/sign-out")
        client.cookies.update(stolen)
        assert (await client.get("/api/v1/account")).status_code == 401
    assert ("anna@od.example", "read:exact-location", "station wijk-aan-zee", "allowed") in audit_rows(database)
    with psycopg.connect(database) as connection:
        assert str(stolen["piekwacht"]) not in str(connection.execute("SELECT * FROM access.session").fetchall())


async def test_over_tls_the_cookie_is_bound_to_this_host(database, broker, inspector):
    async with running_api(database, broker, public_url="https://piekwacht.example") as (client, _):
        answer = await client.post("/account/sign-in", data=form(inspector))
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-piekwacht=")
        assert "Secure" in cookie
        assert "Path=/" in cookie


async def test_a_code_works_once_and_after_five_wrong_attempts_their_source_waits(database, broker, inspector):
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
        assert unknown.text == wrong.text, "the answer does not reveal which names exist"
        refused = await client.post("/account/sign-in", data=form(inspector))
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 31
        assert "Probeer het opnieuw over" in refused.text
    outcomes = [row[3] for row in audit_rows(database)]
    assert outcomes == ["signed_in", "wrong_code", *["wrong_password"] * 4, "unknown"]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_form_of_another_site_is_rejected(database, broker, inspector, headers):
    async with running_api(database, broker) as (client, _):
        answer = await client.post("/account/sign-in", data=form(inspector), headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_key_is_limited_to_its_scopes_and_areas(database, broker, accounts, inspector):
    await accounts.put_account("res", Role.RESIDENT, ["*"], None)
    await accounts.put_account("ver", Role.INSPECTOR, ["chemelot"], None)
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
        time.sleep(CACHE_SECONDS)  # noqa: ASYNC251 - nothing else runs meanwhile
        assert await status(keys["anna@od.example"]) == 401
    assert {row[3] for row in audit_rows(database)} == {"allowed", "not_in_role", "other_area"}


async def test_sessions_and_keys_of_a_disabled_account_are_invalid(accounts, inspector):
    key = await accounts.put_key("anna@od.example", list(Scope), ["*"], purpose="test", days=1)
    outcome, token = await accounts.sign_in("anna@od.example", PASSWORD, pyotp.TOTP(inspector).now(), 60)
    assert token is not None, outcome
    assert await accounts.find_by_session(token)
    await accounts.disable_account("anna@od.example")
    assert await accounts.find_by_session(token) is None
    assert await accounts.find_by_key(str(key)) is None


def test_the_audit_log_cannot_be_changed_or_deleted(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access.audit (who, action, object, address, outcome) VALUES ('a', 'b', 'c', 'd', 'e')"
        )
        for statement in ("UPDATE access.audit SET who = 'x'", "DELETE FROM access.audit", "TRUNCATE access.audit"):
            with pytest.raises(psycopg.errors.RaiseException, match="only added to"):
                connection.execute(statement)


async def test_only_the_address_that_sends_too_many_requests_must_wait(database, broker):
    async with running_api(database, broker, access=AccessSettings(requests_per_minute=5)) as (client, _):

        async def get(address=None):
            headers = {"X-Forwarded-For": address} if address else {}
            return await client.get("/api/v1/stations", headers=headers)

        statuses = [(await get("192.0.2.1")).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        rejected = await get("192.0.2.1")
        assert rejected.json()["detail"].startswith("too many requests; try again in")
        assert 1 <= int(rejected.headers["retry-after"]) <= 13
        assert rejected.headers["content-type"] == "application/problem+json"
        assert "content-security-policy" in rejected.headers
        assert (await get("spoofed, 192.0.2.1")).status_code == 429, "only the address that our proxy added counts"
        assert (await get("192.0.2.2")).status_code == 200
        assert {(await get()).status_code for _ in range(20)} == {200}, "the machine itself is not limited"


async def test_a_key_has_its_own_rate_limit(database, broker, accounts, inspector):
    key = await accounts.put_key("anna@od.example", [], ["*"], purpose="test", days=1)
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.0.2.1"}
    settings = AccessSettings(requests_per_minute=2, requests_per_minute_with_key=6)
    async with running_api(database, broker, access=settings) as (client, _):
        statuses = [(await client.get("/api/v1/account", headers=headers)).status_code for _ in range(10)]
    assert statuses[:7] == [200] * 7
    assert statuses[-1] == 429


async def test_internal_paths_are_not_served_through_a_proxy(database, broker):
    async with running_api(database, broker) as (client, _):
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200
            assert (await client.get(path, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 404


async def test_a_body_over_the_limit_is_cut(database, broker):
    async def endless():
        for _ in range(200):
            yield b"name=" + b"x" * 1_000

    async with running_api(database, broker) as (client, _):
        with_length = await client.post("/account/sign-in", content=b"x" * 70_000)
        assert with_length.status_code == 413
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        without_length = await client.post("/account/sign-in", content=endless(), headers=headers)
        assert without_length.status_code == 413
        assert without_length.json()["detail"] == "a request body may have at most 65536 bytes"


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
@pytest.mark.parametrize("has_account", [True, False])
async def test_the_provider_signs_in_only_people_with_an_account(database, broker, accounts, provider, has_account):
    await accounts.put_account("bart@od.example" if has_account else "someone-else", Role.OPERATOR, ["ijmond"], None)
    port = find_free_port()
    settings = {"access": AccessSettings(oidc=provider), "public_url": f"http://127.0.0.1:{port}"}
    async with running_api(database, broker, **settings) as (client, _), httpx.AsyncClient(trust_env=False) as browser:
        redirect = await client.get("/account/provider")
        assert redirect.status_code == 302
        parameters = parse_qs(urlsplit(redirect.headers["location"]).query)
        assert parameters["code_challenge_method"] == ["S256"]
        assert {"state", "nonce"} <= set(parameters)
        back = await browser.post(redirect.headers["location"], data={"sub": "bart@od.example"})
        query = urlsplit(back.headers["location"]).query
        forged = await client.get("/account/provider/back?" + re.sub("state=[^&]*", "state=other", query))
        assert forged.status_code == 403
        answer = await client.get(f"/account/provider/back?{query}")
        assert answer.status_code == (303 if has_account else 403)
        identity = await client.get("/api/v1/account")
        assert identity.status_code == (200 if has_account else 401)
        if has_account:
            assert identity.json()["role"] == "operator"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email_verified": True}, 303),
        ({"email_verified": "true"}, 303),
        ({"email_verified": False}, 403),
        ({"email_verified": "false"}, 403),
        ({"email_verified": None}, 403),
        ({}, 403),
    ],
)
async def test_an_address_that_the_provider_does_not_call_verified_is_refused_with_a_sentence(
    database, broker, provider, claims, status
):
    await Accounts(database).put_account("bart@od.example", Role.OPERATOR, ["ijmond"], None)
    by_email = structs.replace(provider, claim="email")
    port = find_free_port()
    settings = {"access": AccessSettings(oidc=by_email), "public_url": f"http://127.0.0.1:{port}"}
    async with running_api(database, broker, **settings) as (client, _), httpx.AsyncClient(trust_env=False) as browser:
        user = {"sub": "bart", "email": "bart@od.example", **claims}
        (await browser.put(f"{provider.issuer}/users/bart", json=user)).raise_for_status()
        redirect = await client.get("/account/provider")
        back = await browser.post(redirect.headers["location"], data={"sub": "bart"})
        answer = await client.get(f"/account/provider/back?{urlsplit(back.headers['location']).query}")
    assert answer.status_code == status, answer.text
    assert ("niet bevestigd" in answer.text) == (status == 403)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_cookie_of_a_sign_in_under_way_is_bound_to_this_host_and_hidden_from_scripts(
    database, broker, provider
):
    settings = {"access": AccessSettings(oidc=provider), "public_url": "https://piekwacht.example"}
    async with running_api(database, broker, **settings) as (client, _):
        answer = await client.get("/account/provider")
    assert answer.status_code == 302
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 1
    name, *attributes = (part.strip().lower() for part in cookies[0].split(";"))
    assert name.startswith("__host-piekwacht-signing-in=")
    assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} <= set(attributes)
    assert not any(attribute.startswith("domain") for attribute in attributes)
    assert "public" not in answer.headers["cache-control"]


def test_accounts_and_keys_from_the_command_line(database, tmp_path, capsys, monkeypatch):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')

    def run(action, *arguments, password=PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        code = main(["access", action, "--config", str(config), *arguments])
        return code, capsys.readouterr()

    code, output = run("add", "anna", "--role", "inspector", "--area", "ijmond")
    assert (code, "otpauth://totp/Piekwacht:anna" in output.out) == (0, True)
    assert run("add", "anna", "--role", "inspector", password="kort")[0] == 2
    assert run("add", "An na", "--role", "inspector")[0] == 2
    code, output = run("key", "anna", "--purpose", "dashboard", "--scope", "write:alerts")
    assert re.fullmatch(r"pwk_[0-9a-f]{12}_[0-9a-f]{48}\n", output.out)
    key = output.out.split("_")[1]
    assert run("key", "niemand", "--purpose", "x")[0] == 1
    assert run("key", "anna", "--purpose", "x", "--days", "4000")[0] == 2
    assert key in run("list")[1].out
    assert run("revoke-key", key)[0] == 0
    assert run("revoke-key", key)[0] == 1
    assert run("disable", "anna")[0] == 0
    code, output = run("audit")
    assert [line.split("  ")[2] for line in output.out.splitlines()] == [
        "disable account", "revoke key", "put key", "put account",
    ]  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access.audit (who, action, object, address, outcome, area, before, after) VALUES "
            "('jan', 'maintain', 'ijm-001', '', 'done', 'ijmond', NULL, '{\"reason\": \"filter\"}')"
        )
    assert run("audit")[1].out.splitlines()[0].endswith("done  ijmond  reason: - -> filter")


async def test_the_account_page_is_in_the_language_of_the_visitor(database, broker, inspector):
    async with running_api(database, broker) as (client, _):
        for parameters, accepted, language in (
            ({}, "", "nl"), ({}, "en-GB,en;q=0.9", "en"), ({"lang": "en"}, "nl", "en"), ({"lang": "nl"}, "en", "nl"),
            ({"to": "/en/inspector"}, "nl", "en"), ({"lang": "x"}, "en", "en"),
        ):  # fmt: skip
            page = await client.get("/account", params=parameters, headers={"Accept-Language": accepted})
            assert f'<html lang="{language}">' in page.text, (parameters, accepted)
            assert page.headers["content-language"] == language
            assert ("Wachtwoord" in page.text) == (language == "nl")
        wrong = await client.post("/account/sign-in?lang=en", data=form(inspector, code="000000"))
        assert "Name, password or code is wrong." in wrong.text
        answer = await client.post("/account/sign-in?lang=en", data=form(inspector))
        assert answer.headers["location"] == "/account?lang=en"
        assert "You are signed in as" in (await client.get("/account?lang=en")).text
        assert (await client.post("/account/sign-out?lang=en")).headers["location"] == "/account?lang=en"


async def test_signing_in_leads_back_to_the_page_that_asked_for_it(database, broker, inspector):
    path = "/nl/inspector/plumes/x?notice=noted"
    async with running_api(database, broker) as (client, _):
        page = await client.get("/account", params={"to": path})
        assert f'name="to" value="{path}"' in page.text
        assert '<header class="top">' in page.text
        wrong = await client.post("/account/sign-in", data=form(inspector, code="000000", to=path))
        assert f'name="to" value="{path}"' in wrong.text
        answer = await client.post("/account/sign-in", data=form(inspector, to=path))
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        again = await client.get("/account", params={"to": path})
        assert (again.status_code, again.headers["location"]) == (303, path)


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/inspector", "//evil.example/inspector", "/\\evil.example", "/inspector\\x",
     "/account/sign-out",
     "/inspector/x\r\nSet-Cookie: a=b", "/inspectorx", "/inspector/" + "a" * 500, "javascript:alert(1)"],
)  # fmt: skip
async def test_an_address_elsewhere_is_no_way_back(path):
    assert not check_return_path(path)
