"""Authorization in routes: who sent the request, and whether they have a scope."""

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
