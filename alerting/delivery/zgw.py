"""What VNG's APIs for case-oriented working (ZGW) have in common: a short-lived token, and problem documents."""

from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
from msgspec import DecodeError, json


def headers(client_id: str, secret_file: Path, at: datetime) -> dict[str, str]:
    """Bearer token as the standard describes it (HS256; iss, iat, client_id, user_id, user_representation)."""
    said = {
        "iss": client_id,
        "iat": int(at.timestamp()),
        "client_id": client_id,
        "user_id": "piekwacht",
        "user_representation": "Piekwacht, automatische melding",
    }
    token = jwt.encode(said, secret_file.read_text().strip(), algorithm="HS256")
    return {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}


def decoded(body: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        found = json.decode(body)
    except DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def complaint(status: int, body: bytes) -> str:
    """What the other side says is wrong, in one line."""
    found = decoded(body)
    wrong = [f"{one.get('name')}: {one.get('code')}" for one in found.get("invalidParams", []) if isinstance(one, dict)]
    return f"HTTP {status} {found.get('title') or ''} {'; '.join(wrong)}".strip()


def codes(body: bytes) -> set[str]:
    """The codes of all that is wrong."""
    return {str(one.get("code")) for one in decoded(body).get("invalidParams", []) if isinstance(one, dict)}
