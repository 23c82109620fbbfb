"""Pages behind signed links: confirm, manage and stop. Mail scanners open every link: GET changes nothing.

A link that is forged, expired, or of somebody who was erased shows one and the same page. The address to stop answers
200 for any POST, as mail programs expect (RFC 8058); the token is all the authority it needs.
"""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from msgspec import json, structs

from alerting.subscriptions.contact_store import Contact, ContactStore, StoredSubscription
from alerting.subscriptions.form import read_subscription
from alerting.subscriptions.links import LinkPayload, LinkPurpose
from gateway.api.pages.renderer import View, ViewDependency, respond_missing
from gateway.api.subscriptions import view_texts
from gateway.api.subscriptions.form_page import (
    PRIVATE_HEADERS,
    await_database,
    read_fields,
    render_page,
    respond_private,
)
from gateway.api.subscriptions.service import SubscriptionPages, find_pages

router = APIRouter()
_BASE = "/waarschuw-mij"


@router.get(_BASE + "/bevestigen/{token}")
async def show_confirmation(view: ViewDependency, token: str) -> Response:
    """The button that confirms a subscription."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    payload = await await_database(pages.store.verify(LinkPurpose.CONFIRM, token))
    row = None if payload is None else await await_database(pages.store.find_pending(payload))
    if row is None:
        return _respond_dead_link(view)
    description = view_texts.describe_subscription(row, view, view.language)
    content = render_page(view, "subscribe_confirm.html", description=description, is_confirmed=bool(row.confirmed_at))
    return respond_private(view, content)


@router.post(_BASE + "/bevestigen/{token}")
async def confirm(view: ViewDependency, token: str) -> Response:
    """Confirm, and lead to the page to manage."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    payload = await await_database(pages.store.verify(LinkPurpose.CONFIRM, token))
    contact = None if payload is None else await await_database(pages.store.confirm(payload))
    if contact is None:
        return _respond_dead_link(view)
    manage_token = await await_database(pages.store.sign(LinkPurpose.MANAGE, contact))
    return _redirect(f"{view.prefix}{_BASE}/{LinkPurpose.MANAGE.value}/{manage_token}")


@router.get(_BASE + "/beheren/{token}")
async def show_contact(view: ViewDependency, token: str) -> Response:
    """The subscriptions of a contact, with what can be done."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    stored = await _fetch_contact(pages, LinkPurpose.MANAGE, token)
    if stored is None:
        return _respond_dead_link(view)
    contact, rows = stored
    items = [(row, view_texts.describe_subscription(row, view, view.language)) for row in rows]
    levels = view_texts.list_levels(view.language)
    content = render_page(view, "subscribe_manage.html", contact=contact, items=items, levels=levels, token=token)
    return respond_private(view, content)


@router.post(_BASE + "/beheren/{token}")
async def change_contact(view: ViewDependency, token: str) -> Response:
    """Pause, go on, change or delete a subscription, or erase everything; the button's field decides which."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    stored = await _fetch_contact(pages, LinkPurpose.MANAGE, token)
    if stored is None:
        return _respond_dead_link(view)
    contact, rows = stored
    fields = await read_fields(view.request)
    await await_database(_apply(pages.store, view, contact, rows, fields))
    if fields.get("action") == "erase":
        return respond_private(view, render_page(view, "subscribe_stopped.html"))
    return _redirect(f"{view.prefix}{_BASE}/{LinkPurpose.MANAGE.value}/{token}")


@router.get(_BASE + "/beheren/{token}/gegevens.json")
async def export_contact(view: ViewDependency, token: str) -> Response:
    """All that is stored of a contact, as a file (AVG, articles 15 and 20)."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    stored = await _fetch_contact(pages, LinkPurpose.MANAGE, token)
    if stored is None:
        return _respond_dead_link(view)
    contact, rows = stored
    notices = await await_database(pages.store.fetch_deliveries(str(contact.id)))
    document = json.format(json.encode({"contact": contact, "subscriptions": rows, "notices": notices}), indent=2)
    headers = {**PRIVATE_HEADERS, "Content-Disposition": 'attachment; filename="piekwacht.json"'}
    return Response(document, media_type="application/json", headers=headers)


@router.get(_BASE + "/stoppen/{token}")
async def show_stop(view: ViewDependency, token: str) -> Response:
    """The button that stops all notices and erases the contact."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    if await _fetch_contact(pages, LinkPurpose.STOP, token) is None:
        return _respond_dead_link(view)
    return respond_private(view, render_page(view, "subscribe_stop.html"))


@router.post(_BASE + "/stoppen/{token}")
async def stop(view: ViewDependency, token: str) -> Response:
    """Erase the contact. The answer is the same for every token."""
    pages = find_pages(view.request)
    if pages is None:
        return respond_missing(view)
    payload = await await_database(pages.store.verify(LinkPurpose.STOP, token))
    if payload is not None:
        await await_database(pages.store.erase(payload.contact))
    return respond_private(view, render_page(view, "subscribe_stopped.html"))


async def _apply(
    store: ContactStore, view: View, contact: Contact, rows: list[StoredSubscription], fields: dict[str, str]
) -> None:
    """Do the action of the button; an unknown one does nothing."""
    id_, subscription_id = str(contact.id), fields.get("subscription", "")
    match fields.get("action"):
        case "pause" | "resume" as action:
            await store.set_paused(id_, paused=action == "pause")
        case "delete":
            await store.delete_subscription(id_, subscription_id)
        case "change":
            row = next((row for row in rows if str(row.id) == subscription_id), None)
            if row is not None:
                await _change(store, view, id_, row, fields)
        case "erase":
            await store.erase(id_)


async def _change(
    store: ContactStore, view: View, contact: str, row: StoredSubscription, fields: dict[str, str]
) -> None:
    """Change level, cadence and quiet hours; a form that is not complete changes nothing."""
    old = row.read()
    # the place and the property stay, so any place that the form accepts serves to read the others
    area = next(iter(view.registry.areas), "")
    subscription = read_subscription(
        {**fields, "place": f"area:{area}", "property": ""}, view_texts.list_choices(view.registry)
    )
    if not isinstance(subscription, list):
        changed = structs.replace(subscription, place=old.place, observed_property=old.observed_property)
        await store.update_subscription(contact, str(row.id), changed)


async def _fetch_contact(
    pages: SubscriptionPages, purpose: LinkPurpose, token: str
) -> tuple[Contact, list[StoredSubscription]] | None:
    payload: LinkPayload | None = await await_database(pages.store.verify(purpose, token))
    return None if payload is None else await await_database(pages.store.fetch_contact(payload.contact))


def _respond_dead_link(view: View) -> Response:
    return respond_private(view, render_page(view, "subscribe_dead_link.html"), 404)


def _redirect(path: str) -> Response:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
