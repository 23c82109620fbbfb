"""Access decisions, passwords, codes, keys and rate limits, all without a clock or a database."""

import itertools
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import credentials
from gateway.access.accounts import Account, SignInOutcome, check_password
from gateway.access.attempt_delays import AttemptDelays, DelaySettings, SignInLimit
from gateway.access.authentication import find_cookie
from gateway.access.identity import AccessDecision, Identity, Role, Scope, decide_access, narrow_identity, scopes_of
from gateway.access.rate_limit import TokenBuckets, rate_limit_key
from gateway.access.request_origin import OriginDecision, decide_origin, own_origins

NOW = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)
SECRET = pyotp.random_base32()
PASSWORD = "een zin van vijf woorden"
STEP = int(NOW.timestamp()) // 30
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
        "totp_used": 0, "disabled_at": None,
    }  # fmt: skip
    return Account(**{**fields, **changes})


def code(at=NOW):
    return pyotp.TOTP(SECRET).at(at)


@pytest.mark.parametrize(
    ("stored", "password_matches", "refusal"),
    [
        (account(), True, None),
        (account(), False, SignInOutcome.WRONG_PASSWORD),
        (account(disabled_at=NOW), True, SignInOutcome.DISABLED),
        (None, False, SignInOutcome.UNKNOWN),
    ],
)
def test_signing_in_ends_before_the_code_without_an_enabled_account_and_its_password(stored, password_matches, refusal):
    assert check_password(stored, password_matches=password_matches) is refusal


def test_only_the_stored_password_matches_and_without_one_none_does():
    assert credentials.verify_password(PASSWORD, HASH)
    assert not credentials.verify_password(PASSWORD + " ", HASH)
    assert not credentials.verify_password("", None)  # signs in only through the provider


@pytest.mark.parametrize(
    ("secret", "code_entered", "used_step", "step"),
    [
        (SECRET, code(), 0, STEP),
        (SECRET, code(NOW - timedelta(seconds=30)), 0, STEP - 1),
        (SECRET, code(NOW - timedelta(seconds=90)), 0, None),
        (SECRET, "", 0, None),
        (SECRET, code(), STEP, None),  # a code works once
        (None, code(), 0, None),  # never without a second factor
    ],
    ids=map(str, range(6)),  # the codes are new in each process
)
def test_a_code_matches_its_time_step_once(secret, code_entered, used_step, step):
    assert credentials.match_totp_step(secret, code_entered, NOW, used_step) == step


@given(st.lists(st.floats(0, 2_000), max_size=60))
def test_no_source_has_more_attempts_judged_than_its_delays_allow(pauses):
    settings = DelaySettings(free=5, first_seconds=5.0, max_seconds=900.0, forget_seconds=1e9)
    delays, now, judged_at = AttemptDelays(settings), 1_000.0, []
    for pause in pauses:
        now += pause
        if not delays.wait("x", now):
            delays.count("x", now)
            judged_at.append(now)
    for number, (earlier, later) in enumerate(itertools.pairwise(judged_at), 1):
        required = 0.0 if number < 5 else min(900.0, 5.0 * 2 ** (number - 5))
        assert later - earlier >= required - 1e-6


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]), max_size=200))
def test_attempts_from_other_addresses_never_delay_an_address(strangers):
    limit = SignInLimit()
    for address in strangers:
        limit.take_attempt(address, "anna", 0.0)
    assert limit.take_attempt("198.51.100.7", "anna", 0.0) == 0


def test_an_own_account_does_not_clear_the_failures_of_its_address():
    limit, waits = SignInLimit(), []
    for number in range(30):
        waits.append(limit.take_attempt("192.0.2.1", f"name{number}", 0.0))
        if not limit.take_attempt("192.0.2.1", "own", 0.0):
            limit.record_success("192.0.2.1", "own", 0.0)
    assert sum(wait == 0 for wait in waits) <= 20


def test_a_source_that_signed_in_begins_again_and_one_that_waited_an_hour_too():
    limit = SignInLimit()
    for _ in range(3):
        for _ in range(4):
            assert limit.take_attempt("192.0.2.1", "anna", 0.0) == 0
        limit.record_success("192.0.2.1", "anna", 0.0)
    limit = SignInLimit()
    while not limit.take_attempt("192.0.2.1", "anna", 0.0):
        pass
    assert limit.take_attempt("192.0.2.1", "anna", 4_000.0) == 0
    assert limit.take_attempt("192.0.2.1", "anna", 4_000.0) == 0


def test_the_number_of_sources_is_bounded():
    delays = AttemptDelays(DelaySettings(free=5), max_sources=100)
    for number in range(1_000):
        delays.count(str(number), 0.0)
    assert len(delays) == 100


@pytest.mark.parametrize(
    ("origin", "site", "decision"),
    [
        ("https://piekwacht.example", None, OriginDecision.SAME_ORIGIN),
        ("https://www.piekwacht.example", "same-origin", OriginDecision.SAME_ORIGIN),
        (None, "same-origin", OriginDecision.SAME_ORIGIN),
        ("null", "same-origin", OriginDecision.SAME_ORIGIN),
        ("https://piekwacht.example", "none", OriginDecision.SAME_ORIGIN),
        ("http://piekwacht.example", None, OriginDecision.OTHER_ORIGIN),
        ("https://piekwacht.example:8443", None, OriginDecision.OTHER_ORIGIN),
        ("https://piekwacht.example.evil.example", None, OriginDecision.OTHER_ORIGIN),
        ("https://evil.example", "same-origin", OriginDecision.OTHER_ORIGIN),
        ("https://piekwacht.example", "cross-site", OriginDecision.OTHER_ORIGIN),
        ("https://piekwacht.example", "same-site", OriginDecision.OTHER_ORIGIN),
        ("null", None, OriginDecision.NO_ORIGIN),
        ("null", "none", OriginDecision.NO_ORIGIN),
        (None, "none", OriginDecision.NO_ORIGIN),
        (None, None, OriginDecision.NO_ORIGIN),
    ],
)
def test_a_change_must_come_from_a_page_of_this_site(origin, site, decision):
    assert decide_origin(origin, site, own_origins("https://piekwacht.example/", "www.piekwacht.example")) is decision


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("piekwacht=a", "a"),
        ("x=1; piekwacht=a; y=2", "a"),
        ("bad cookie{}; =; piekwacht=a", "a"),
        ("piekwacht=; piekwacht=a", "a"),
        ("other-piekwacht=b", ""),
        ("", ""),
    ],
)
def test_our_cookie_is_read_beside_any_other(header, value):
    assert find_cookie([header], "piekwacht") == value


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
