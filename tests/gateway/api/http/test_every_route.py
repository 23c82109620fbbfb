"""Laws over every route of the application; the routes are listed from the application itself."""

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from starlette.routing import Route, WebSocketRoute

from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.access.middleware import is_guest_path
from gateway.access.settings import AccessSettings
from gateway.api.app import create_app
from gateway.api.settings import ApiSettings, SecurityTxtSettings
from gateway.doctor.certificates import check_contact
from gateway.mqtt.settings import BrokerSettings
from tests.gateway.access.test_access import PASSWORD, form
from tests.gateway.api.conftest import running_api

PUBLIC_URL = "https://piekwacht.example"
PARAMETERS = {"id": "wijk-aan-zee", "z": "8", "x": "1", "y": "1", "collection": "events", "format_": "atom"}
SAFE = {"GET", "HEAD", "OPTIONS"}


def list_routes(settings=None):
    """(method, path) of every route that is no stream."""
    app = create_app(settings or ApiSettings(), "", BrokerSettings())
    return sorted(
        (method, route.path)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if route.path != "/api/v1/live"
    )


def fill(path):
    return re.sub(r"\{(\w+)(:path)?\}", lambda match: PARAMETERS.get(match[1], "0"), path) or "/"


def test_no_application_has_included_routers():
    """FastAPI would match each request with each of them: `gateway/api/http/flat_routes.py`."""
    assert all(
        isinstance(route, Route | WebSocketRoute) for route in create_app(ApiSettings(), "", BrokerSettings()).routes
    )


READS = [path for method, path in list_routes() if method == "GET"]
CHANGES = [(method, path) for method, path in list_routes() if method not in SAFE]
GUEST_PATHS = [path for _, path in CHANGES if is_guest_path(path)]  # posts of sensors, which have separate tokens


@pytest.fixture
async def signed_in(database, broker, node):
    """(client, headers of a session) over the settings of a site with TLS."""
    secret = await Accounts(database).put_account("anna@od.example", Role.ADMIN, ["*"], PASSWORD)
    async with running_api(database, broker, public_url=PUBLIC_URL) as (client, _):
        answer = await client.post("/account/sign-in", data=form(secret))
        assert answer.status_code == 303
        client.cookies.clear()
        del client.headers["sec-fetch-site"]
        token = answer.cookies["__Host-piekwacht"]
        yield client, {"Cookie": f"__Host-piekwacht={token}"}


def test_the_list_has_the_routes_that_matter():
    assert {("POST", "/account/sign-in"), ("POST", "/account/sign-out"), ("POST", "/api/v1/silences")} <= set(CHANGES)
    assert ("DELETE", "/api/v1/silences/{id}") in CHANGES
    assert {"/", "/account", "/inspector", "/api/v1/stations"} <= set(READS)
    assert len(CHANGES) >= 10


async def test_no_change_with_a_session_comes_from_another_page(signed_in):
    client, session = signed_in
    rejected = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://piekwacht.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": PUBLIC_URL},
        {"Sec-Fetch-Site": "none"},
    ]
    for method, path in CHANGES:
        for headers in rejected if path not in GUEST_PATHS else ():
            answer = await client.request(method, fill(path), headers={**session, **headers})
            assert answer.status_code == 403, (method, path, headers)
            assert "site" in answer.json()["detail"] or "Origin" in answer.json()["detail"]
        for headers in ({"Origin": PUBLIC_URL}, {"Sec-Fetch-Site": "same-origin"}):
            answer = await client.request(method, fill(path), headers={**session, **headers})
            assert "another site" not in answer.text, (method, path, headers)
            assert "needs the header Origin" not in answer.text, (method, path, headers)


async def test_a_session_opens_no_route_of_sensors(signed_in):
    client, session = signed_in
    assert len(GUEST_PATHS) == 3
    for path in GUEST_PATHS:
        answer = await client.post(fill(path), headers={**session, "Origin": PUBLIC_URL})
        assert answer.status_code == 401
        assert "no guest has this token" in answer.json()["detail"]


async def test_without_a_session_only_forms_that_begin_or_end_one_must_show_their_origin(signed_in):
    client, _ = signed_in
    for method, path in CHANGES:
        answer = await client.request(method, fill(path))
        is_guarded = answer.status_code == 403 and "Origin" in answer.text
        assert is_guarded == path.startswith("/account"), (method, path)


async def test_a_key_needs_no_origin(signed_in, database):
    client, _ = signed_in
    key = await Accounts(database).put_key("anna@od.example", [], ["*"], purpose="test", days=1)
    for method, path in CHANGES:
        answer = await client.request(method, fill(path), headers={"Authorization": f"Bearer {key}"})
        assert "needs the header Origin" not in answer.text, (method, path)


def check_security_headers(answer, path):
    """Fail unless the answer has every header that protects a browser."""
    context = f"{answer.request.method} {path}: {answer.status_code}"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';"), context
    assert "unsafe" not in policy, context
    assert "http:" not in policy, context
    assert ("frame-ancestors 'none'" in policy) != ("/widget/" in path), context
    assert answer.headers["x-content-type-options"] == "nosniff", context
    assert answer.headers["referrer-policy"] == "same-origin", context
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000"), context
    assert "server" not in answer.headers, context
    # only the first screen may ask the browser where it is, and only with its own scripts
    is_first_screen = (
        answer.request.method in {"GET", "HEAD"} and path in {"/", "/nl/", "/en/"} and answer.status_code == 200
    )
    if path.startswith("/static/"):
        return  # no document: a browser asks for no permission there
    expected = {"geolocation": "(self)" if is_first_screen else "()", "camera": "()", "microphone": "()"}
    for feature, allowed in expected.items():
        assert f"{feature}={allowed}" in answer.headers["permissions-policy"], context


async def test_every_answer_has_the_security_headers(signed_in):
    client, session = signed_in
    for path in READS:
        for headers in ({}, session):
            check_security_headers(await client.get(fill(path), headers=headers), path)


async def test_every_refusal_of_every_route_has_the_security_headers(signed_in):
    client, session = signed_in
    statuses = set()
    for path in {*READS, *(path for _, path in CHANGES)}:
        requests = [
            ("HEAD", {}, {}),
            ("OPTIONS", {}, {}),
            ("TRACE", {}, {}),
            ("DELETE", {}, {}),
            ("POST", session, {}),  # without an origin
            ("POST", {"Authorization": "Bearer pwk_x_y"}, {}),
            ("POST", {"Content-Type": "application/json", "Origin": PUBLIC_URL}, {"content": b"[" * 60_000}),
            ("POST", {"Origin": PUBLIC_URL}, {"content": b"x" * 70_000}),
            ("GET", {}, {"params": {"x": "y" * 5_000}}),
            ("GET", {"X-Forwarded-For": "192.0.2.1"}, {"params": {"limit": "-1", "start": "\0", "format": "\u202e"}}),
        ]
        for method, headers, options in requests:
            answer = await client.request(method, fill(path), headers=headers, **options)
            check_security_headers(answer, path)
            assert answer.status_code < 500 or path == "/map/{z}/{x}/{y}.png", (method, path, answer.text)
            statuses.add(answer.status_code)
    assert {400, 401, 403, 404, 405, 413, 414} <= statuses, "the law has seen each kind of refusal"


async def test_the_live_stream_and_a_limited_address_have_the_security_headers(database, broker, node):
    limit = AccessSettings(requests_per_minute=1)
    settings = {"public_url": PUBLIC_URL, "access": limit, "heartbeat_seconds": 0.05, "stream_seconds": 0.1}
    async with running_api(database, broker, **settings) as (client, _):
        stream = await client.get("/api/v1/live")
        assert stream.headers["content-type"].startswith("text/event-stream")
        check_security_headers(stream, "/api/v1/live")
        headers = {"X-Forwarded-For": "192.0.2.1"}
        answers = [await client.get("/api/v1/stations", headers=headers) for _ in range(3)]
        assert answers[-1].status_code == 429
        check_security_headers(answers[-1], "/api/v1/stations")


STRANGE_HEADERS = {
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "evil.test",
    "X-Forwarded-Prefix": "/evil.test",
    "X-Forwarded-Server": "evil.test",
    "X-Host": "evil.test",
    "X-Original-URL": "/evil.test",
    "X-Rewrite-URL": "/evil.test",
    "X-HTTP-Method-Override": "DELETE",
    "Forwarded": "host=evil.test;proto=evil.test",
    "Host": "evil.test",
    "Referer": "https://evil.test/",
    "User-Agent": "<script>evil.test</script>",
    "Accept-Language": "evil.test",
    "Range": "bytes=0-0",
    "If-Modified-Since": "evil.test",
    "Cookie": "lang=evil.test; piekwacht=evil.test",
}


async def test_no_request_header_enters_an_answer_that_may_be_cached(signed_in):
    """A shared cache stores by address and by `Vary`: nothing else of a request may change the answer."""
    client, _ = signed_in
    for path in READS:
        if path == "/metrics":
            continue
        plain = await client.get(fill(path))
        strange = await client.get(fill(path), headers=STRANGE_HEADERS)
        assert "evil.test" not in strange.text, path
        assert "evil.test" not in str(strange.headers), path
        again = await client.get(fill(path))
        assert again.status_code == plain.status_code, path
        assert _without_times(again.text) == _without_times(plain.text), path
        if "public" in plain.headers["cache-control"]:
            assert strange.status_code == plain.status_code, path


async def test_no_control_character_of_an_address_gets_into_a_header(signed_in):
    client, _ = signed_in
    for path in READS:
        for text in ("%0d%0aset-cookie:%20a=b", "%00", "%1b[2J", "%e2%80%ae", "%ed%a0%80", "..%2f..%2fetc"):
            address = f"{fill(path).rstrip('/')}/{text}?lang={text}&q={text}"
            answer = await client.get(address, follow_redirects=False)
            assert "set-cookie" not in answer.headers, address
            assert answer.status_code < 500, (address, answer.text)
            assert all(value.isprintable() for value in answer.headers.values()), address
            assert "\x1b" not in answer.text, address


async def test_no_shared_cache_stores_an_answer_to_a_person(signed_in):
    client, session = signed_in
    for path in READS:
        answer = await client.get(fill(path), headers=session)
        cache_control = answer.headers["cache-control"]
        assert "public" not in cache_control, path
        assert {"private", "no-store", "no-cache"} & set(re.split(r"[,\s]+", cache_control)), path
        if answer.headers.get("set-cookie"):
            assert "public" not in cache_control, path


async def test_a_publicly_cacheable_answer_is_the_same_for_everybody(signed_in):
    """Public answers contain nothing of the person, and name in Vary each header that changes them."""
    client, session = signed_in
    for path in READS:
        if path == "/metrics":
            continue
        dutch = await client.get(fill(path), headers={"Accept-Language": "nl"})
        if "public" not in dutch.headers["cache-control"]:
            continue
        assert "set-cookie" not in dutch.headers, path
        vary = dutch.headers.get("vary", "").lower()
        english = await client.get(fill(path), headers={"Accept-Language": "en"})
        if _without_times(english.text) != _without_times(dutch.text):
            assert "accept-language" in vary, path
        identified = await client.get(fill(path), headers={**session, "Accept-Language": "nl"})
        assert "anna@od.example" not in identified.text, path
        plain = await client.get(fill(path), headers={"Accept-Encoding": "identity"})
        if plain.headers.get("content-encoding") != dutch.headers.get("content-encoding"):
            assert "accept-encoding" in vary, path


def _without_times(text):
    return re.sub(r"\d+", "0", text)


async def test_cookies_are_bound_to_this_host_and_hidden_from_scripts(database, broker, node, signed_in):
    client, session = signed_in
    secret = await Accounts(database).put_account("bart@od.example", Role.INSPECTOR, ["*"], PASSWORD)
    signed = await client.post(
        "/account/sign-in",
        data={"name": "bart@od.example", "password": PASSWORD, "code": pyotp.TOTP(secret).now()},
        headers={"Origin": PUBLIC_URL},
    )
    out = await client.post("/account/sign-out", headers={**session, "Origin": PUBLIC_URL})
    for answer in (signed, out):
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-piekwacht=")
        attributes = {part.strip().lower() for part in cookie.split(";")}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)
        assert answer.headers["cache-control"] == "no-store"
    for path in READS:
        assert "set-cookie" not in (await client.get(fill(path))).headers, path


async def test_security_txt_names_contact_expiry_and_its_own_address(database, broker):
    expires = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
    settings = SecurityTxtSettings(contact="mailto:security@example.org", expires=expires)
    async with running_api(database, broker, public_url=PUBLIC_URL, security_txt=settings) as (client, _):
        answer = await client.get("/.well-known/security.txt")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.splitlines() == [
            "Contact: mailto:security@example.org",
            f"Expires: {expires}",
            "Canonical: https://piekwacht.example/.well-known/security.txt",
            "Preferred-Languages: nl, en",
        ]


def read_expiry(text):
    (expires,) = re.findall(r"^Expires: (\S+)$", text, re.MULTILINE)
    return datetime.fromisoformat(expires)


@pytest.mark.parametrize(("days", "status"), [(-1, 404), (0.001, 200), (365, 200), (368, 404), (5_000, 404)])
async def test_security_txt_is_published_only_while_it_expires_within_a_year(database, broker, days, status):
    expires = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
    settings = SecurityTxtSettings(contact="mailto:security@example.org", expires=expires)
    async with running_api(database, broker, security_txt=settings) as (client, _):
        answer = await client.get("/.well-known/security.txt")
    assert answer.status_code == status
    if status == 200:
        assert datetime.now(UTC) < read_expiry(answer.text) <= datetime.now(UTC) + timedelta(days=366)


@pytest.mark.parametrize(("days", "level"), [(-1, "fault"), (5, "warning"), (200, "ok"), (500, "fault")])
def test_the_doctor_names_a_contact_that_expires_or_is_not_published(days, level):
    now = datetime(2026, 11, 29, tzinfo=UTC)
    expires = f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
    (finding,) = check_contact(SecurityTxtSettings(contact="mailto:a@example.org", expires=expires), now)
    assert finding.level.value == level
    (absent,) = check_contact(None, now)
    assert absent.level.value == "note"


@pytest.mark.parametrize("expires", [None, "2020-01-01T00:00:00Z"])
async def test_without_a_valid_contact_there_is_no_security_txt(database, broker, expires):
    settings = None if expires is None else SecurityTxtSettings(contact="mailto:a@example.org", expires=expires)
    async with running_api(database, broker, security_txt=settings) as (client, _):
        answer = await client.get("/.well-known/security.txt")
        assert answer.status_code == 404
        assert "contact for security" in answer.json()["detail"]
