"""The pages' own files, kept in memory, plain and packed; known again by their tag."""

from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from gateway.api.http.cache import Body
from gateway.api.http.responses import respond

router = APIRouter(prefix="/static", include_in_schema=False)
_FOLDER = Path(__file__).parents[1] / "static"
_FRESH = 300.0
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def read() -> dict[str, Body]:
    """Every file below the folder by its path; once, at start."""
    return {
        path.relative_to(_FOLDER).as_posix(): Body(path.read_bytes())
        for path in _FOLDER.rglob("*")
        if path.is_file() and path.suffix != ".json"
    }


@router.get("/{path:path}")
async def file(request: Request, path: str) -> Response:
    """One file."""
    body: Body | None = request.app.state.files.get(path)
    if body is None:
        raise HTTPException(404, f"no file {path[:80]!r}")
    kind = _KINDS.get(Path(path).suffix) or guess_type(path)[0] or "text/plain; charset=utf-8"
    return respond(request, body, fresh=_FRESH, media=kind)
