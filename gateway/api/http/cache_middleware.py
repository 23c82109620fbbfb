"""Serves repeated identical GETs from the response cache before routing.

It runs behind the access middleware, so that rate limit, size limit and keys apply, and before everything else.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.http.responses import respond_compressed


class CacheMiddleware:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the cache, or pass the request on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            request = Request(scope)
            state = request.app.state
            entry = state.request_index.get(request)
            body = entry and state.cache.find_fresh(entry.key, entry.max_age)
            if entry and body:
                response = await respond_compressed(
                    request, body, max_age=entry.max_age, media=entry.media, headers=entry.headers
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
