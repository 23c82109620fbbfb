"""`/reports`: the reports by area and month, and a form for another period.

`/reports/{area}/2026-10` is a month as a page, `/reports/{area}/2026-10-03_2026-10-20` another period, the last day
included; with `.pdf` as a file.

Everybody may read the public version. `?audience=authority` is the full one, for inspectors of the area; the audit log
records who read it.
"""

import base64
import hashlib
import re
from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.access.authorization import identity_of, require_scope
from gateway.access.identity import AccessDecision, Scope, decide_access
from gateway.api.http.headers import COMMON_HEADERS
from gateway.api.http.parameters import ItemId
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing
from gateway.api.reports.maker import ReportFile
from gateway.api.reports.service import (
    MAX_DAYS,
    Period,
    SiteReportRequest,
    end_of_month,
    find_problem,
    find_reports,
    list_months,
)
from gateway.model.texts import texts_of

router = APIRouter()
Audience = Annotated[Literal["residents", "authority"], Query()]
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NAME = re.compile(rf"(?:([0-9]{{4}}-[0-9]{{2}})|({_DAY})_({_DAY}))(\.pdf)?")
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_SCOPE = Scope.ANSWER_ALERTS


@router.get("/reports")
async def list_reports(
    view: ViewDependency,
    area_id: Annotated[str, Query(alias="area", max_length=100)] = "",
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    audience: Audience = "residents",
) -> Response:
    """The months of each area; for inspectors also the version for the authority of their areas.

    `from` and `to`: first and last day of another period of `area`; leads to its report, or states why there is none.
    """
    service = find_reports(view.request)
    if service is None:
        return respond_missing(view)
    failure = ""
    if area_id in view.registry.areas and (first or last):
        period = _read_days(first, last)
        problem = "period_days" if period is None else _find_problem(view, area_id, period)
        if problem is None:
            query = "" if audience == "residents" else "?audience=authority"
            return RedirectResponse(f"{view.prefix}/reports/{area_id}/{first}_{last}{query}", 303)
        failure = texts_of("reports", view.language)[problem].format(most=MAX_DAYS)
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
    form = {"area": area_id, "from": first, "to": last}
    values = {"areas": areas, "makes_pdf": service.makes_pdf, "r": texts, "failure": failure, "form": form}
    return respond_html(view, view.render("reports.html", **values), 400 if failure else 200)


@router.get("/reports/{id}/{name}")
async def show_report(view: ViewDependency, id_: ItemId, name: str, audience: Audience = "residents") -> Response:
    """One report, as a page or as a PDF."""
    service, area, matched = find_reports(view.request), view.registry.areas.get(id_), _NAME.fullmatch(name)
    if service is None or area is None or matched is None or (matched[4] and not service.makes_pdf):
        return respond_missing(view)
    period = _read_month(matched[1]) if matched[1] else _read_days(matched[2], matched[3])
    if period is None or _find_problem(view, id_, period) is not None:
        return respond_missing(view)
    is_full = audience == "authority"
    if is_full:
        await require_scope(view.request, _SCOPE, f"report {id_} {name}", id_)
    request = SiteReportRequest(
        area=id_, period=period, language=view.language, is_full=is_full, is_pdf=matched[4] is not None
    )
    try:
        file = await service.make(request)
    except HTTPException as error:
        return _respond_failure(view, error)
    return _respond_pdf(file) if request.is_pdf else _respond_page(view, file, is_full=is_full)


def _find_problem(view: View, area: str, period: Period) -> str | None:
    return find_problem(period, view.now, view.registry.areas[area].time_zone)


def _read_month(text: str) -> Period | None:
    try:
        first = date.fromisoformat(f"{text}-01")
        return Period(start=first, end=end_of_month(first))
    except (ValueError, OverflowError):
        return None


def _read_days(first: str, last: str) -> Period | None:
    """The days from the first to the last one; None if one of them is no day."""
    try:
        return Period(start=date.fromisoformat(first), end=date.fromisoformat(last) + timedelta(days=1))
    except (ValueError, OverflowError):
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
    page = view.render("reports.html", areas=[], makes_pdf=False, r=texts, failure=texts["failed"], form={})
    response = respond_html(view, page, error.status_code)
    response.headers.update(error.headers or {})
    return response
