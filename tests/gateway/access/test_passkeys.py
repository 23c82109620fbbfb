"""Passkeys over HTTP, with a real database and a device in software that can also lie."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.access.passkey_challenge import (
    CHALLENGE_SECONDS,
    ChallengePurpose,
    derive_challenge,
    derive_user_handle,
    new_challenge_cookie,
)
from gateway.access.passkey_check import (
    Ceremony,
    PasskeyOutcome,
    PasskeySite,
    check_registration,
    check_sign_in,
    find_passkey_site,
    is_count_plausible,
    read_presented,
)
from gateway.access.passkey_routes import describe_refusal
from gateway.access.passkey_store import MAX_PASSKEYS, PasskeyStore
from tests.gateway.access.software_authenticator import PRESENT, SoftwareAuthenticator, encode
from tests.gateway.access.test_access import PASSWORD, audit_rows, form
from tests.gateway.api.conftest import running_api

ORIGIN = "http://localhost:8080"
ANNA = "anna@od.example"
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture
def accounts(database):
    return Accounts(database)


@pytest.fixture
async def inspector(accounts):
    """Create an inspector; return the secret of her second factor."""
    return await accounts.put_account(ANNA, Role.INSPECTOR, ["ijmond"], PASSWORD)


@pytest.fixture
def device():
    return SoftwareAuthenticator(origin=ORIGIN, domain="localhost")


@asynccontextmanager
async def signed_in(database, broker, inspector):
    """A client with a session of Anna, begun by password and code."""
    async with running_api(database, broker, public_url=ORIGIN) as (client, _):
        await sign_in_by_password(client, database, inspector)
        yield client


async def sign_in_by_password(client, database, secret):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE access.account SET totp_used = 0")  # else a code would work only once
    assert (await client.post("/account/sign-in", data=form(secret))).status_code == 303


def use_session(client, token):
    client.cookies.clear()
    client.cookies.set("piekwacht", token)


async def begin(client, path):
    answer = await client.post(path, json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def register(client, device, name="telefoon"):
    options = await begin(client, "/account/passkeys/options")
    return await client.post("/account/passkeys", json={"name": name, "credential": device.create(options)})


async def sign_in(client, device):
    options = await begin(client, "/account/passkey/options")
    return await client.post("/account/passkey/sign-in", json={"credential": device.get(options)})


def check_refusal(answer, outcome):
    assert answer.status_code == 403, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == describe_refusal(outcome, "nl")


async def test_a_passkey_is_added_named_used_and_removed(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        assert (await register(client, device, "  telefoon   van Anna ")).json() == {"location": "/account"}
        page = (await client.get("/account")).text
        assert "telefoon van Anna" in page
        assert "nog niet gebruikt" in page
        await client.post("/account/sign-out")
        assert (await client.get("/api/v1/account")).status_code == 401
        answer = await sign_in(client, device)
        assert answer.json() == {"location": "/account"}
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert (await client.get("/api/v1/account")).json()["name"] == ANNA
        [passkey] = await PasskeyStore(Accounts(database)).list_of(ANNA)
        assert passkey.last_used_at is not None
        await client.post(f"/account/passkeys/{passkey.id}/remove")
        assert "U heeft nog geen passkey" in (await client.get("/account")).text
        check_refusal(await sign_in(client, device), PasskeyOutcome.REMOVED_PASSKEY)
    rows = [row for row in audit_rows(database) if row[2].startswith("passkey")]
    expected = [("add passkey", "registered"), ("sign-in", "signed_in"), ("remove passkey", "removed"),
                ("sign-in", "removed_passkey")]  # fmt: skip
    assert rows == [(ANNA, action, f"passkey {passkey.id}", outcome) for action, outcome in expected]


async def test_an_answer_counts_once(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        options = await begin(client, "/account/passkey/options")
        jar = dict(client.cookies)
        document = {"credential": device.get(options)}
        assert (await client.post("/account/passkey/sign-in", json=document)).status_code == 200
        client.cookies.update(jar)  # the browser's own, as a thief of both would send them
        check_refusal(await client.post("/account/passkey/sign-in", json=document), PasskeyOutcome.USED_CHALLENGE)
        del client.cookies["piekwacht-passkey"]
        check_refusal(await client.post("/account/passkey/sign-in", json=document), PasskeyOutcome.NO_CHALLENGE)
        await begin(client, "/account/passkey/options")
        check_refusal(await client.post("/account/passkey/sign-in", json=document), PasskeyOutcome.OTHER_CHALLENGE)


LIES = {
    "origin": (PasskeyOutcome.OTHER_ORIGIN, {"origin": "https://piekwacht.example.evil"}),
    "port": (PasskeyOutcome.OTHER_ORIGIN, {"origin": "http://localhost:8081"}),
    "domain": (PasskeyOutcome.OTHER_SITE, {"domain": "evil.example"}),
    "no user verification": (PasskeyOutcome.NO_USER_VERIFICATION, {"flags": PRESENT}),
    "nobody present": (PasskeyOutcome.NOT_GENUINE, {"flags": 0x04}),
    "count": (PasskeyOutcome.COUNT_WENT_BACK, {"count": 3}),
    "no count any more": (PasskeyOutcome.COUNT_WENT_BACK, {"count": 0, "counts": False}),
    "key": (PasskeyOutcome.NOT_GENUINE, {"key": SoftwareAuthenticator(origin="", domain="").key}),
    "person": (PasskeyOutcome.NOT_GENUINE, {"user_handle": b"somebody else"}),
    "unknown": (PasskeyOutcome.UNKNOWN_PASSKEY, {"credential_id": b"unknown"}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_every_false_answer_is_refused_with_its_own_sentence_and_begins_no_session(
    database, broker, inspector, device, lie
):
    outcome, changes = LIES[lie]
    async with signed_in(database, broker, inspector) as client:
        device.count = 6
        await register(client, device)
        await client.post("/account/sign-out")
        for name, value in changes.items():
            setattr(device, name, value)
        answer = await sign_in(client, device)
        check_refusal(answer, outcome)
        assert "piekwacht=" not in answer.headers.get("set-cookie", "")
        assert (await client.get("/api/v1/account")).status_code == 401
    assert audit_rows(database)[-1][3] == outcome.value
    outcomes = {outcome for outcome, _ in LIES.values()}
    assert len({describe_refusal(outcome, "nl") for outcome in outcomes}) == len(outcomes)


REGISTRATION_LIES = {name: LIES[name] for name in ("origin", "domain", "no user verification", "nobody present")}


@pytest.mark.parametrize("lie", REGISTRATION_LIES)
async def test_a_passkey_for_another_site_or_of_an_unverified_person_is_not_added(
    database, broker, inspector, device, lie
):
    outcome, changes = REGISTRATION_LIES[lie]
    for name, value in changes.items():
        setattr(device, name, value)
    async with signed_in(database, broker, inspector) as client:
        check_refusal(await register(client, device), outcome)
    assert await PasskeyStore(Accounts(database)).list_all() == []


async def test_a_device_without_a_count_signs_in_again_and_again(database, broker, inspector, device):
    device.counts = False
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        assert [(await sign_in(client, device)).status_code for _ in range(3)] == [200] * 3


async def test_a_challenge_of_another_session_or_purpose_is_refused(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        options = await begin(client, "/account/passkeys/options")
        document = {"name": "telefoon", "credential": device.create(options)}
        cookie = client.cookies["piekwacht-passkey"]
        await sign_in_by_password(client, database, inspector)
        client.cookies.set("piekwacht-passkey", cookie)
        check_refusal(await client.post("/account/passkeys", json=document), PasskeyOutcome.OTHER_CHALLENGE)
        await register(client, device)
        options = await begin(client, "/account/passkeys/options")
        answer = await client.post("/account/passkey/sign-in", json={"credential": device.get(options)})
        check_refusal(answer, PasskeyOutcome.OTHER_CHALLENGE)


async def test_only_a_fresh_session_of_an_account_with_a_password_adds_a_passkey(
    database, broker, inspector, device, accounts
):
    async with signed_in(database, broker, inspector) as client:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE access.session SET created_at = now() - interval '16 minutes'")
        check_refusal(await client.post("/account/passkeys/options"), PasskeyOutcome.OLD_SESSION)
        await accounts.put_account("bart", Role.INSPECTOR, ["*"], None)
        _, token = await accounts.sign_in_as("bart", 60)
        use_session(client, token)
        check_refusal(await client.post("/account/passkeys/options"), PasskeyOutcome.NO_PASSWORD)
        key = await accounts.put_key(ANNA, [], ["*"], purpose="test", days=1)
        answer = await client.post("/account/passkeys/options", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
        client.cookies.clear()
        assert (await client.post("/account/passkeys/options")).status_code == 401


async def test_nobody_removes_a_passkey_of_another_account(database, broker, inspector, device, accounts):
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        [passkey] = await PasskeyStore(accounts).list_all()
        await accounts.put_account("bart", Role.ADMIN, ["*"], None)
        _, token = await accounts.sign_in_as("bart", 60)
        use_session(client, token)
        await client.post(f"/account/passkeys/{passkey.id}/remove")
        assert await PasskeyStore(accounts).list_all() == [passkey]
        assert audit_rows(database)[-1][3] == "unknown_passkey"


async def test_the_number_of_passkeys_is_bounded_and_one_device_has_one(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        check_refusal(await register(client, device), PasskeyOutcome.KNOWN_PASSKEY)
        options = await begin(client, "/account/passkeys/options")
        assert len(options["excludeCredentials"]) == 1
        for i in range(MAX_PASSKEYS - 1):
            await register(client, SoftwareAuthenticator(origin=ORIGIN, domain="localhost"), f"sleutel {i}")
        check_refusal(await client.post("/account/passkeys/options"), PasskeyOutcome.TOO_MANY_PASSKEYS)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x1b[2Jb", "a\0b"])
async def test_a_name_that_cannot_be_shown_is_refused_with_a_sentence(database, broker, inspector, device, name):
    async with signed_in(database, broker, inspector) as client:
        answer = await register(client, device, name)
        assert answer.status_code == 422
        assert "naam van 1 tot 60 tekens" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"credential": 1}', b"\xff", b"[" * 60_000])
async def test_a_body_of_any_form_is_refused_with_a_sentence(database, broker, inspector, body):
    async with signed_in(database, broker, inspector) as client:
        for path in ("/account/passkey/sign-in", "/account/passkeys"):
            answer = await client.post(path, content=body)
            assert answer.status_code == 422, (path, answer.text)
            assert answer.json()["detail"].startswith("Dit is geen antwoord van een passkey")


async def test_a_disabled_account_and_a_new_password_end_its_passkeys(database, broker, inspector, device, accounts):
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        await accounts.disable_account(ANNA)
        check_refusal(await sign_in(client, device), PasskeyOutcome.DISABLED)
        await accounts.put_account(ANNA, Role.OPERATOR, ["*"], None)  # a role changes; the passkey stays
        assert (await sign_in(client, device)).status_code == 200
        await accounts.put_account(ANNA, Role.OPERATOR, ["*"], PASSWORD)
        check_refusal(await sign_in(client, device), PasskeyOutcome.REMOVED_PASSKEY)


async def test_many_attempts_from_one_address_must_wait(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        answers = [await sign_in(client, device) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [403] * 5 + [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 31
        await sign_in_by_password(client, database, inspector)


async def test_password_and_code_still_work_beside_a_passkey(database, broker, inspector, device):
    async with signed_in(database, broker, inspector) as client:
        await register(client, device)
        await client.post("/account/sign-out")
        await sign_in_by_password(client, database, inspector)
        assert (await client.get("/api/v1/account")).json()["name"] == ANNA


async def test_a_site_without_passkeys_states_that_and_has_no_routes(database, broker, inspector):
    async with running_api(database, broker, public_url="http://192.0.2.1") as (client, _):
        assert (await client.post("/account/passkey/options")).status_code == 405
        assert "passkey" not in (await client.get("/account")).text
        assert (await client.post("/account/sign-in", data=form(inspector))).status_code == 303
        assert "Passkeys zijn hier niet mogelijk" in (await client.get("/account")).text


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://piekwacht.example", "piekwacht.example"),
        ("https://piekwacht.example:8443/", "piekwacht.example"),
        ("http://localhost:8080", "localhost"),
        ("http://piekwacht.example", None),
        ("https://192.0.2.1", None),
        ("https://[2001:db8::1]", None),
        ("http://127.0.0.1:8080", None),
    ],
)
def test_passkeys_need_a_name_and_tls(url, domain):
    site = find_passkey_site(url)
    assert (site and site.domain) == domain
    assert site is None or site.origin == url.rstrip("/")


SITE = PasskeySite(domain="localhost", origin=ORIGIN)
SECRET = bytes(32)


def test_a_challenge_follows_from_cookie_purpose_and_session_and_expires():
    cookie = new_challenge_cookie(NOW)
    challenge = derive_challenge(SECRET, ChallengePurpose.SIGN_IN, cookie, NOW)
    assert len(challenge) == 32
    assert challenge == derive_challenge(SECRET, ChallengePurpose.SIGN_IN, cookie, NOW + timedelta(seconds=299))
    other_challenges = [
        derive_challenge(SECRET, ChallengePurpose.REGISTER, cookie, NOW),
        derive_challenge(SECRET, ChallengePurpose.SIGN_IN, cookie, NOW, binding="session"),
        derive_challenge(b"x" * 32, ChallengePurpose.SIGN_IN, cookie, NOW),
        derive_challenge(SECRET, ChallengePurpose.SIGN_IN, new_challenge_cookie(NOW), NOW),
        derive_user_handle(SECRET, "anna"),
    ]
    assert len({challenge, *other_challenges}) == 6
    late = NOW + timedelta(seconds=CHALLENGE_SECONDS + 1)
    assert derive_challenge(SECRET, ChallengePurpose.SIGN_IN, cookie, late) is None


@given(st.text(max_size=60))
def test_no_forged_cookie_extends_the_life_of_a_challenge(cookie):
    later = NOW + timedelta(days=365)
    for text in (cookie, f"{cookie}.{int(later.timestamp())}", f"{cookie}.99999999999999999999"):
        assert derive_challenge(SECRET, ChallengePurpose.SIGN_IN, text, NOW) is None or "." in cookie


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
BASE64 = st.binary(max_size=120).map(encode)
RESPONSES = st.dictionaries(
    st.sampled_from(["clientDataJSON", "authenticatorData", "attestationObject", "signature", "userHandle"]),
    BASE64 | JSON,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "id": BASE64 | JSON,
        "rawId": BASE64 | JSON,
        "type": st.just("public-key") | JSON,
        "response": RESPONSES | JSON,
    },
)


@settings(deadline=None)  # the first example loads the parsers
@given(DOCUMENTS)
def test_no_document_raises_and_none_is_genuine(document):
    ceremony = Ceremony(site=SITE, challenge=bytes(32))
    read_presented(document)
    assert isinstance(check_registration(document, ceremony), PasskeyOutcome)
    assert isinstance(check_sign_in(document, ceremony, public_key=b"", sign_count=0), PasskeyOutcome)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_signature_count_is_plausible_only_if_it_rises_or_stays_zero(stored, reported):
    assert is_count_plausible(stored, reported) == (reported > stored or (stored, reported) == (0, 0))
    assert is_count_plausible(0, 0)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_refusal_has_its_sentence(language):
    refusals = set(PasskeyOutcome) - {PasskeyOutcome.SIGNED_IN, PasskeyOutcome.REGISTERED}
    assert len({describe_refusal(outcome, language) for outcome in refusals}) == len(refusals)
