"""Scripts, style sheet and icons of the pages, held in memory, plain and gzipped."""

from collections.abc import Mapping
from functools import cache
from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from gateway.api.http.cache import Body
from gateway.api.http.responses import respond

router = APIRouter(prefix="/static", include_in_schema=False)
_FOLDER = Path(__file__).parents[1] / "static"
GUIDE_PICTURES = "guide"  # folder of the pictures of the guide for residents; a checkout has them in docs
_CHECKOUT_PICTURES = Path(__file__).parents[3] / "docs" / "images" / "resident"
_MAX_AGE = 300.0
_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def load_files() -> Mapping[str, Body]:
    """Every file of the folder by its path, and the pictures of the guide; read once per process."""
    files = {path.relative_to(_FOLDER).as_posix(): path for path in _FOLDER.rglob("*") if path.suffix != ".json"}
    pictures = {f"{GUIDE_PICTURES}/{path.name}": path for path in _CHECKOUT_PICTURES.glob("*.png")}
    return {
        name: Body(path.read_bytes()).compress_fully() for name, path in (files | pictures).items() if path.is_file()
    }


@router.get("/{path:path}")
async def get_file(request: Request, path: str) -> Response:
    """One file."""
    body: Body | None = request.app.state.static_files.get(path)
    if body is None:
        raise HTTPException(404, f"no file {path[:80]!r}")
    media = _MEDIA_TYPES.get(Path(path).suffix) or guess_type(path)[0] or "text/plain; charset=utf-8"
    return respond(request, body, max_age=_MAX_AGE, media=media)
