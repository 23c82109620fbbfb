"""`/.well-known/security.txt` (RFC 9116): the contact for reports of vulnerabilities of this site.

Without `[api.security_txt]`, or after its `expires`, the answer is 404: the standard forbids to rely on an old file.
It is 404 as well if that is more than a year away. `piekwacht doctor` names both in time.
"""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse

from gateway.api.settings import SecurityTxtSettings

router = APIRouter(include_in_schema=False)
SECURITY_TXT_PATH = "/.well-known/security.txt"


@router.get(SECURITY_TXT_PATH)
async def get_security_txt(request: Request) -> PlainTextResponse:
    """The file, made from the settings."""
    security_txt: SecurityTxtSettings | None = request.app.state.settings.security_txt
    if security_txt is None:
        raise HTTPException(404, "this site names no contact for security: [api.security_txt] is not set")
    problem = security_txt.find_problem(datetime.now(UTC))
    if problem is not None:
        raise HTTPException(404, problem)
    return PlainTextResponse(build_security_txt(security_txt, request.app.state.settings.public_url))


def build_security_txt(security_txt: SecurityTxtSettings, public_url: str) -> str:
    """Return the fields of the file. Pure."""
    return (
        f"Contact: {security_txt.contact}\n"
        f"Expires: {security_txt.expires}\n"
        f"Canonical: {public_url.rstrip('/')}{SECURITY_TXT_PATH}\n"
        "Preferred-Languages: nl, en\n"
    )
