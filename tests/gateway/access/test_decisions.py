"""Access decisions, passwords, codes, keys and rate limits, all without a clock or a database."""

import itertools
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import credentials
from gateway.access.accounts import Account, SignInOutcome, check_sign_in
from gateway.access.identity import AccessDecision, Identity, Role, Scope, decide_access, narrow_identity, scopes_of
from gateway.access.rate_limit import TokenBuckets, rate_limit_key

NOW = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)
SECRET = pyotp.random_base32()
PASSWORD = "een zin van vijf woorden"
HASH = credentials.hash_password(PASSWORD)


def make_identity(role=Role.INSPECTOR, *areas):
    return Identity(name="x", role=role, scopes=scopes_of(role), areas=frozenset(areas or ["ijmond"]))


def test_each_role_includes_the_scopes_of_the_role_before_and_the_last_has_all():
    scopes = [scopes_of(role) for role in Role]
    assert scopes[0] == frozenset()
    assert all(less <= more for less, more in itertools.pairwise(scopes))
    assert scopes[-1] == frozenset(Scope)


@pytest.mark.parametrize(
    ("identity", "scope", "area", "decision"),
    [
        (None, Scope.READ_EXACT_LOCATION, "ijmond", AccessDecision.NOT_SIGNED_IN),
        (make_identity(Role.RESIDENT), Scope.READ_EXACT_LOCATION, "ijmond", AccessDecision.NOT_IN_ROLE),
        (make_identity(), Scope.READ_EXACT_LOCATION, "ijmond", AccessDecision.ALLOWED),
        (make_identity(), Scope.READ_EXACT_LOCATION, "chemelot", AccessDecision.OTHER_AREA),
        (make_identity(), Scope.READ_EXACT_LOCATION, None, AccessDecision.OTHER_AREA),
        (make_identity(Role.INSPECTOR, "*"), Scope.READ_EXACT_LOCATION, None, AccessDecision.ALLOWED),
        (make_identity(Role.OPERATOR, "*"), Scope.MANAGE_ACCOUNTS, None, AccessDecision.NOT_IN_ROLE),
        (make_identity(Role.ADMIN, "*"), Scope.MANAGE_ACCOUNTS, None, AccessDecision.ALLOWED),
    ],
)
def test_decisions_have_reasons(identity, scope, area, decision):
    assert decide_access(identity, scope, area) is decision


AREAS = st.frozensets(st.sampled_from(["*", "a", "b", "c"]))


@given(role=st.sampled_from(Role), areas=AREAS, scopes=st.frozensets(st.sampled_from(Scope)), key_areas=AREAS)
def test_a_key_never_has_more_rights_than_its_account(role, areas, scopes, key_areas):
    account = Identity(name="x", role=role, scopes=scopes_of(role), areas=areas)
    key = narrow_identity(account, scopes, key_areas, "k")
    for scope in Scope:
        for area in ("a", "b", "c", None):
            if decide_access(key, scope, area) is AccessDecision.ALLOWED:
                assert decide_access(account, scope, area) is AccessDecision.ALLOWED
                assert scope in scopes


def account(**changes):
    fields = {
        "name": "x", "role": Role.INSPECTOR, "areas": ["*"], "password_hash": HASH, "totp_secret": SECRET,
        "totp_used": 0, "failures": 0, "locked_until": None, "disabled_at": None,
    }  # fmt: skip
    return Account(**{**fields, **changes})


def code(at=NOW):
    return pyotp.TOTP(SECRET).at(at)


@pytest.mark.parametrize(
    ("stored", "password", "code_entered", "outcome"),
    [
        (account(), PASSWORD, code(), SignInOutcome.SIGNED_IN),
        (account(), PASSWORD, code(NOW - timedelta(seconds=30)), SignInOutcome.SIGNED_IN),
        (account(), PASSWORD, code(NOW - timedelta(seconds=90)), SignInOutcome.WRONG_CODE),
        (account(), PASSWORD, "", SignInOutcome.WRONG_CODE),
        (account(), PASSWORD + " ", code(), SignInOutcome.WRONG_PASSWORD),
        (
            account(totp_used=int(NOW.timestamp()) // 30),
            PASSWORD,
            code(),
            SignInOutcome.WRONG_CODE,
        ),  # a code works once
        (account(totp_secret=None), PASSWORD, code(), SignInOutcome.WRONG_CODE),  # never without a second factor
        (account(password_hash=None), "", code(), SignInOutcome.WRONG_PASSWORD),  # signs in only through the provider
        (account(locked_until=NOW + timedelta(seconds=1)), PASSWORD, code(), SignInOutcome.LOCKED),
        (account(locked_until=NOW - timedelta(seconds=1)), PASSWORD, code(), SignInOutcome.SIGNED_IN),
        (account(disabled_at=NOW), PASSWORD, code(), SignInOutcome.DISABLED),
        (None, PASSWORD, code(), SignInOutcome.UNKNOWN),
    ],
    ids=map(str, range(12)),  # the codes are new in each process
)
def test_signing_in_needs_password_code_and_an_enabled_account(stored, password, code_entered, outcome):
    assert check_sign_in(stored, password, code_entered, NOW)[0] is outcome


def test_a_short_password_is_rejected_and_only_a_hash_is_stored():
    with pytest.raises(credentials.WeakPasswordError, match="at least 12 characters"):
        credentials.hash_password("kort")
    assert HASH.startswith("$argon2id$")


@given(st.text(max_size=60))
def test_any_text_is_parsed_as_a_key_or_is_none(text):
    key = credentials.parse_api_key(text)
    assert key is None or str(key) == text


def test_a_printed_key_parses_to_the_same_key():
    key = credentials.new_api_key()
    assert credentials.parse_api_key(str(key)) == key


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=150))
def test_no_client_exceeds_the_burst_and_the_rate(per_minute, pauses):
    buckets, now, passed = TokenBuckets(per_minute), 1_000.0, 0
    for pause in pauses:
        now += pause
        passed += buckets.take_token("x", now) == 0
    assert passed <= per_minute + per_minute / 60 * (now - 1_000.0) + 1e-6


@given(st.integers(1, 50))
def test_a_client_that_waits_as_long_as_required_may_continue(per_minute):
    buckets = TokenBuckets(per_minute)
    for _ in range(per_minute):
        assert buckets.take_token("x", 0.0) == 0
    wait = buckets.take_token("x", 0.0)
    assert 0 < wait <= 60 / per_minute + 1e-6
    assert buckets.take_token("x", wait + 1e-6) == 0
    assert buckets.take_token("y", 0.0) == 0, "other clients do not wait"


def test_the_number_of_buckets_is_bounded():
    buckets = TokenBuckets(10, max_clients=100)
    for number in range(1_000):
        buckets.take_token(str(number), 0.0)
    assert len(buckets) == 100


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_counts_as_one_client(address, client):
    assert rate_limit_key(address) == client
