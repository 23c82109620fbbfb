"""`/log/<area>/`: the public log of an area as static files, for monitors, witnesses and verifiers.

Tiles of the log never change and are cached for a year; the checkpoint is cached for seconds. Only addresses that
https://c2sp.org/tlog-tiles knows lead to a file. Without `[public_log]` everything here is 404.
"""

import asyncio
import re
from collections.abc import Callable

from fastapi import APIRouter, HTTPException, Request, Response

from edge_agent.wire import NAME
from gateway.transparency.errors import ProofError
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.settings import PublicLogSettings
from gateway.transparency.tiles import Tile

router = APIRouter(prefix="/log/{area}", include_in_schema=False)
_IMMUTABLE = "public, max-age=31536000, immutable"
_CHECKPOINT = "public, max-age=5"
_POLICY = "public, max-age=60"
_TEXT = "text/plain; charset=utf-8"
_TIME_STAMP = re.compile(r"(0|[1-9][0-9]{0,18})\.(tsr|checkpoint)")
_AREA = re.compile(NAME)


def find_folder(settings: PublicLogSettings | None, area: str) -> LogFolder:
    """Files of the log of an area. HTTPException 404 if there cannot be one."""
    if settings is None:
        raise HTTPException(404, "this installation has no public log")
    if not _AREA.fullmatch(area):
        raise HTTPException(404, f"no log {area[:80]!r}")
    return LogFolder.of(settings, area)


@router.get("/checkpoint")
async def get_checkpoint(request: Request, area: str) -> Response:
    """The newest published head."""
    folder = find_folder(request.app.state.public_log, area)
    return await _respond(folder.read_checkpoint, _TEXT, _CHECKPOINT)


@router.get("/policy")
async def get_policy(request: Request, area: str) -> Response:
    """The policy: keys of the log and of its witnesses, and how many must have signed."""
    folder = find_folder(request.app.state.public_log, area)

    def read() -> bytes | None:
        text = folder.read_policy()
        return None if text is None else text.encode()

    return await _respond(read, _TEXT, _POLICY)


@router.get("/timestamps/{name}")
async def get_time_stamp(request: Request, area: str, name: str) -> Response:
    """`<size>.tsr`: RFC 3161 time stamp of the head of that size. `<size>.checkpoint`: the stamped head."""
    folder = find_folder(request.app.state.public_log, area)
    match = _TIME_STAMP.fullmatch(name)
    if match is None:
        raise HTTPException(404, f"no time stamp {name[:80]!r}")
    size = int(match[1])
    if match[2] == "tsr":
        return await _respond(lambda: folder.read_time_stamp(size), "application/timestamp-reply", _IMMUTABLE)
    return await _respond(lambda: folder.read_stamped_head(size), _TEXT, _IMMUTABLE)


@router.get("/tile/{path:path}")
async def get_tile(request: Request, area: str, path: str) -> Response:
    """A tile of hashes, or a bundle of entries."""
    folder = find_folder(request.app.state.public_log, area)
    try:
        tile = Tile.parse(f"tile/{path}")
    except ProofError as error:
        raise HTTPException(404, str(error)) from None

    def read() -> bytes | None:
        try:
            return folder.read_tile(tile)
        except ProofError:
            return None

    return await _respond(read, "application/octet-stream", _IMMUTABLE)


async def _respond(read: Callable[[], bytes | None], media: str, cache_control: str) -> Response:
    content = await asyncio.to_thread(read)
    if content is None:
        raise HTTPException(404, "the log has no such file")
    headers = {"Cache-Control": cache_control, "Access-Control-Allow-Origin": "*"}
    return Response(content, media_type=media, headers=headers)
