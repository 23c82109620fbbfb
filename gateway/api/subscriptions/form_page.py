"""`/waarschuw-mij`: the form, and the browser's own subscription. POST changes, GET never does.

The form answers the same, whether the address is new, subscribes already, or got mails enough.
"""

import base64
import binascii
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from msgspec import DecodeError, Struct, json

from alerting.subscriptions.contact_store import BrowserKeys
from alerting.subscriptions.form import FormProblem, read_email, read_subscription
from alerting.subscriptions.links import LinkPurpose
from alerting.subscriptions.providers import find_push_service
from alerting.subscriptions.push_message import check_browser_key
from alerting.subscriptions.settings import WebPushSettings
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing
from gateway.api.subscriptions import view_texts
from gateway.api.subscriptions.service import find_pages
from gateway.model.texts import texts_of

T = TypeVar("T")
router = APIRouter()
PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_FIELDS = (
    "email", "place", "latitude", "longitude", "radius", "property", "level", "cadence", "quiet",
    "quiet_from", "quiet_until", "wakes",
)  # fmt: skip
_MAX_FIELDS = 30
_MAX_ENDPOINT = 1_000  # characters


class BrowserSubscription(Struct, frozen=True, kw_only=True):
    """The document that the page's script sends: PushSubscription.toJSON(), and the fields of the form."""

    endpoint: str
    keys: dict[str, str]
    fields: dict[str, str]


class RenewedBrowser(Struct, frozen=True, kw_only=True):
    """The document that the service worker sends: the former endpoint, and the subscription that replaced it."""

    former: str
    endpoint: str
    keys: dict[str, str]


@router.get("/waarschuw-mij")
async def show_form(view: ViewDependency) -> HTMLResponse:
    """The form."""
    if find_pages(view.request) is None:
        return respond_missing(view)
    return respond_html(view, render_form(view, view_texts.DEFAULTS, []))


@router.post("/waarschuw-mij")
async def subscribe(view: ViewDependency) -> Response:
    """Queue the mail that asks to confirm."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    fields = await read_fields(view.request)
    subscription = read_subscription(fields, view_texts.list_choices(view.registry))
    address = read_email(fields)
    problems = list(subscription) if isinstance(subscription, list) else []
    if address is None:
        problems.insert(0, FormProblem.EMAIL)
    if isinstance(subscription, list) or address is None:
        return respond_private(view, render_form(view, fields, problems), 422)
    wait = pages.take_attempt(view.request)
    if wait:
        return respond_too_many(view, fields, wait)
    await await_database(pages.store.ask_confirmation(address, view.language, subscription))
    return RedirectResponse(f"{view.prefix}/waarschuw-mij/verzonden", 303)


@router.get("/waarschuw-mij/verzonden")
async def show_sent(view: ViewDependency) -> HTMLResponse:
    """The page after the form: a mail is on its way."""
    if find_pages(view.request) is None:
        return respond_missing(view)
    return respond_html(view, render_page(view, "subscribe_sent.html"))


@router.post("/waarschuw-mij/browser/vernieuwen")
async def renew_browser(view: ViewDependency) -> Response:
    """Replace the endpoint of a browser that its push service changed. The answer is the same for every endpoint."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    try:
        document = json.decode(await view.request.body(), type=RenewedBrowser)
        keys = _read_keys(document.keys)
    except (DecodeError, ValueError, binascii.Error):
        raise HTTPException(422, "this is no changed subscription of a browser: former, endpoint and keys") from None
    provider = _find_provider(document.endpoint, pages.settings.push)
    if pages.take_attempt(view.request):
        raise HTTPException(429, "too many subscriptions; try again later", {"Retry-After": "60"})
    await await_database(pages.store.renew_browser(document.former, document.endpoint, keys, provider))
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@router.post("/waarschuw-mij/browser")
async def subscribe_browser(view: ViewDependency) -> Response:
    """Store a browser, which asked its user; returns the address of its page to manage."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    try:
        document = json.decode(await view.request.body(), type=BrowserSubscription)
        keys = _read_keys(document.keys)
    except (DecodeError, ValueError, binascii.Error):
        raise HTTPException(422, "this is no subscription of a browser: endpoint, keys and fields") from None
    subscription = read_subscription(document.fields, view_texts.list_choices(view.registry))
    if isinstance(subscription, list):
        texts = texts_of("subscribe", view.language)
        raise HTTPException(422, " ".join(texts[f"problem_{problem.value}"] for problem in subscription))
    provider = _find_provider(document.endpoint, pages.settings.push)
    if pages.take_attempt(view.request):
        raise HTTPException(429, "too many subscriptions; try again later", {"Retry-After": "60"})
    contact = await await_database(
        pages.store.subscribe_browser(document.endpoint, keys, provider, view.language, subscription)
    )
    if contact is None:
        raise HTTPException(409, "this browser has as many subscriptions as one may have")
    token = await await_database(pages.store.sign(LinkPurpose.MANAGE, contact))
    path = f"/{view.language}/waarschuw-mij/{LinkPurpose.MANAGE.value}/{token}"
    return JSONResponse({"manage": path}, 201, {"Cache-Control": "no-store"})


def _find_provider(endpoint: str, settings: WebPushSettings | None) -> str:
    """The push service of an endpoint; HTTPException 422 for one that the settings do not permit."""
    provider = find_push_service(endpoint, settings)
    if provider is None or len(endpoint) > _MAX_ENDPOINT or not endpoint.isascii():
        raise HTTPException(422, "notices do not go to this push service")
    return provider


def render_form(view: View, fields: Mapping[str, str], problems: Sequence[str]) -> bytes:
    """The form with these values, and a sentence for each problem."""
    pages, texts = find_pages(view.request), texts_of("subscribe", view.language)
    return render_page(
        view,
        "subscribe.html",
        fields={**dict.fromkeys(_FIELDS, ""), **fields},
        problems=[texts[f"problem_{problem}"] for problem in problems],
        places=view_texts.list_places(view.registry, view.language),
        properties=view_texts.list_properties(view.registry),
        levels=view_texts.list_levels(view.language),
        radii=view_texts.RADII,
        public_key="" if pages is None else pages.public_key,
        **view_texts.list_topics(None if pages is None else pages.settings.ntfy, view.registry, view.language),
    )


def render_page(view: View, template: str, **values: object) -> bytes:
    """A page of subscriptions with its texts."""
    return view.render(template, s=texts_of("subscribe", view.language), **values)


def respond_private(view: View, content: bytes, status: int = 200) -> HTMLResponse:
    """A page with somebody's data: nobody stores it, finds it, or learns its address."""
    return HTMLResponse(content, status, {**PRIVATE_HEADERS, "Content-Language": view.language})


def respond_too_many(view: View, fields: Mapping[str, str], wait: float) -> HTMLResponse:
    """The form again with 429: this sender has sent many."""
    response = respond_private(view, render_form(view, fields, ["too_many"]), 429)
    response.headers["Retry-After"] = str(int(wait) + 1)
    return response


async def read_fields(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that is given twice the last value. HTTPException 422 for what is none."""
    try:
        return dict(parse_qsl((await request.body()).decode(), max_num_fields=_MAX_FIELDS, keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(422, "this is no form") from None


async def await_database(query: Awaitable[T]) -> T:
    """The result of a query; HTTPException 503 while the database is away."""
    try:
        return await query
    except psycopg.Error:
        raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None


def _read_keys(keys: Mapping[str, str]) -> BrowserKeys:
    key, secret = (_decode_base64(keys.get(name, "")) for name in ("p256dh", "auth"))
    check_browser_key(key, secret)
    return BrowserKeys(key=key, secret=secret)


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text[:200] + "=" * (-len(text[:200]) % 4))
