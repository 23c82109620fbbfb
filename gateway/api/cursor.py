"""Page cursors: where the last page ended, opaque to the client."""

import base64
import binascii
from datetime import datetime

from fastapi import HTTPException


def write(at: datetime, key: object) -> str:
    """The cursor after a row with this time and key."""
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode().rstrip("=")


def read(text: str | None) -> tuple[datetime | None, str | None]:
    """Time and key of a cursor; 400 where it is none of ours."""
    if text is None:
        return None, None
    try:
        at, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
        return datetime.fromisoformat(at), key
    except (ValueError, binascii.Error):
        raise HTTPException(400, "cursor: not one that this API gave out; start again without it") from None
