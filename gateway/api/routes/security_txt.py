"""`/.well-known/security.txt` (RFC 9116): the contact for reports of vulnerabilities of this site.

Without `[api.security_txt]`, or after its `expires`, the answer is 404: the standard forbids to rely on an old file.
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
    if datetime.fromisoformat(security_txt.expires) <= datetime.now(UTC):
        raise HTTPException(404, f"the contact for security was valid until {security_txt.expires}")
    return PlainTextResponse(build_security_txt(security_txt, request.app.state.settings.public_url))


def build_security_txt(security_txt: SecurityTxtSettings, public_url: str) -> str:
    """Return the fields of the file. Pure."""
    return (
        f"Contact: {security_txt.contact}\n"
        f"Expires: {security_txt.expires}\n"
        f"Canonical: {public_url.rstrip('/')}{SECURITY_TXT_PATH}\n"
        "Preferred-Languages: nl, en\n"
    )
