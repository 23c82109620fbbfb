"""The common parts of inspector pages: rendering, the page of a refusal, and the way to sign in and back."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.access.identity import EVERY_AREA, Identity
from gateway.api.data.registry import StationRow
from gateway.api.inspector import service
from gateway.api.inspector.plume_service import PlumeChangedError
from gateway.api.pages.case_texts import CaseTexts
from gateway.api.pages.renderer import View, respond_private_html
from gateway.model.texts import texts_of

_SHOWN_STATUSES = frozenset({400, 401, 403, 404, 409, 429, 503})


def render_page(view: View, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page of one person, so no cache may store it."""
    content = view.render(
        template,
        texts=texts_of("inspector", view.language),
        case_texts=CaseTexts(view),
        **values,
    )
    return respond_private_html(view, content, status)


async def render_problems(view: View, make: Callable[[], Awaitable[Response]]) -> Response:
    """The page, or the problem in one sentence. A visitor without a session is sent to sign in, and back."""
    try:
        return await make()
    except HTTPException as error:
        request = view.request
        if error.status_code == 401 and request.method == "GET":
            return RedirectResponse(sign_in_address(view), 303, {"Cache-Control": "no-store"})
        status = error.status_code if error.status_code in _SHOWN_STATUSES else 400
        reason: object = status
        if isinstance(error, service.DossierNotMadeError):
            reason = "dossier"
        elif isinstance(error, PlumeChangedError):
            reason = "changed"
        detail = error.detail if reason in {"dossier", 400} else ""
        return render_page(
            view,
            "inspector_refused.html",
            status,
            status_code=status,
            reason=reason,
            detail=detail,
            sign_in=sign_in_address(view),
        )


def is_own(identity: Identity, area: str) -> bool:
    """Whether the area is one of the inspector's."""
    return EVERY_AREA in identity.areas or area in identity.areas


def list_own_stations(view: View, identity: Identity) -> list[StationRow]:
    """The stations in the inspector's areas."""
    return [row for row in view.registry.stations.values() if is_own(identity, row.area)]


def sign_in_address(view: View) -> str:
    """The page to sign in, which leads back to this one; after a form to the page that the form stood on."""
    url = view.request.url
    path = url.path
    if view.request.method != "GET":
        path = path.rpartition("/")[0] if path.count("/") > 2 else path
    elif url.query:
        path = f"{path}?{url.query}"
    return f"/account?to={quote(path, safe='/')}"


def redirect(view: View, path: str) -> RedirectResponse:
    """Redirect after a POST, so that a reload does not post again."""
    return RedirectResponse(f"{view.prefix}/{path}", 303)


async def send_dossier(view: View, event: str) -> Response:
    """The dossier of an event as a file; raises HTTPException as `service.make_dossier`."""
    file = await service.make_dossier(view.request, event, view.language)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{file.file_name}"',
        "X-Robots-Tag": "noindex",
    }
    return Response(file.content, media_type="application/zip", headers=headers)
