"""Authorization in routes: who sent the request, whether they have a scope, and whether a form is our own."""

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from gateway.access.accounts import Accounts
from gateway.access.identity import AccessDecision, Identity, Scope, decide_access

_REFUSALS = {
    AccessDecision.NOT_SIGNED_IN: (401, "sign in, or send a key"),
    AccessDecision.NOT_IN_ROLE: (403, "your role does not include this"),
    AccessDecision.OTHER_AREA: (403, "this belongs to an area that is not yours"),
}


def identity_of(request: Request) -> Identity | None:
    """Return the authenticated identity, or None for the public."""
    identity: Identity | None = getattr(request.state, "identity", None)
    return identity


async def require_scope(request: Request, scope: Scope, object_: str, area: str | None = None) -> Identity:
    """Return the identity if it has the scope, else raise 401 or 403. Identified requests are audited in both cases."""
    identity = identity_of(request)
    decision = decide_access(identity, scope, area)
    if identity is not None:
        accounts: Accounts = request.app.state.accounts
        address = getattr(request.state, "address", "")
        actor = identity.name if identity.key_id is None else f"{identity.name}/{identity.key_id}"
        await accounts.record_audit(actor, scope.value, object_, address=address, outcome=decision.value)
    if identity is None or decision is not AccessDecision.ALLOWED:
        status, detail = _REFUSALS[decision]
        raise HTTPException(status, detail, {"WWW-Authenticate": "Bearer"} if status == 401 else None)
    return identity


def require_same_origin(request: Request, public_url: str) -> None:
    """Raise 403 for a form of another site, by the headers that the browser sends."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:  # no page can suppress this header, while `origin` is "null" if a page wants no referrer
        is_same_origin = site in {"same-origin", "none"} and (
            origin in {None, "null"} or _is_same_host(request, public_url)
        )
    else:
        is_same_origin = origin is None or _is_same_host(request, public_url)
    if not is_same_origin:
        raise HTTPException(403, "this form came from another site")


def _is_same_host(request: Request, public_url: str) -> bool:
    host = urlsplit(request.headers.get("origin", "")).netloc
    return bool(host) and host in {urlsplit(public_url).netloc, request.headers.get("host", "")}
