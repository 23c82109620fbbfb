"""`/reports`: the reports by area and month. `/reports/{area}/2026-10` is one as a page, with `.pdf` as a file.

Everybody may read the public version. `?audience=authority` is the full one, for inspectors of the area; the audit log
records who read it.
"""

import base64
import hashlib
import re
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from gateway.access.authorization import identity_of, require_scope
from gateway.access.identity import AccessDecision, Scope, decide_access
from gateway.api.http.headers import COMMON_HEADERS
from gateway.api.http.parameters import ItemId
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing
from gateway.api.reports.maker import ReportFile
from gateway.api.reports.service import MonthRequest, find_reports, list_months
from gateway.model.texts import texts_of

router = APIRouter()
Audience = Annotated[Literal["residents", "authority"], Query()]
_NAME = re.compile(r"([0-9]{4}-[0-9]{2})(\.pdf)?")
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_SCOPE = Scope.ANSWER_ALERTS


@router.get("/reports")
async def list_reports(view: ViewDependency) -> HTMLResponse:
    """The months of each area; for inspectors also the version for the authority of their areas."""
    service = find_reports(view.request)
    if service is None:
        return respond_missing(view)
    identity = identity_of(view.request)
    areas = [
        (
            area,
            list_months(view.now, area.time_zone),
            decide_access(identity, _SCOPE, area.id) is AccessDecision.ALLOWED,
        )
        for area in view.registry.areas.values()
    ]
    texts = texts_of("reports", view.language)
    page = view.render("reports.html", areas=areas, makes_pdf=service.makes_pdf, r=texts, failure="")
    return respond_html(view, page)


@router.get("/reports/{id}/{name}")
async def show_report(view: ViewDependency, id_: ItemId, name: str, audience: Audience = "residents") -> Response:
    """One report, as a page or as a PDF."""
    service, area, matched = find_reports(view.request), view.registry.areas.get(id_), _NAME.fullmatch(name)
    if service is None or area is None or matched is None or (matched[2] and not service.makes_pdf):
        return respond_missing(view)
    month = _parse_month(matched[1])
    if month is None or month not in list_months(view.now, area.time_zone):
        return respond_missing(view)
    is_full = audience == "authority"
    if is_full:
        await require_scope(view.request, _SCOPE, f"report {id_} {name}", id_)
    request = MonthRequest(
        area=id_, month=month, language=view.language, is_full=is_full, is_pdf=matched[2] is not None
    )
    try:
        file = await service.make(request)
    except HTTPException as error:
        return _respond_failure(view, error)
    return _respond_pdf(file) if request.is_pdf else _respond_page(view, file, is_full=is_full)


def _parse_month(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


def _respond_pdf(file: ReportFile) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'inline; filename="{file.file_name}"',
        "X-Robots-Tag": "noindex",
    }
    return Response(file.content, media_type="application/pdf", headers=headers)


def _respond_page(view: View, file: ReportFile, *, is_full: bool) -> HTMLResponse:
    """The document as it is in a file: its style is inside, so the policy allows exactly that style."""
    response = respond_html(view, file.content)
    digests = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in _STYLE.findall(file.content)]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    policy = COMMON_HEADERS["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = policy.replace("style-src 'self'", f"style-src 'self' {allowed}")
    if is_full:
        response.headers["Cache-Control"] = "no-store"
    return response


def _respond_failure(view: View, error: HTTPException) -> HTMLResponse:
    """503 as a page; the reason is for the log and the operator."""
    texts = texts_of("reports", view.language)
    page = view.render("reports.html", areas=[], makes_pdf=False, r=texts, failure=texts["failed"])
    response = respond_html(view, page, error.status_code)
    response.headers.update(error.headers or {})
    return response
