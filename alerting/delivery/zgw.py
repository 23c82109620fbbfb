"""The common parts of VNG's APIs for case-oriented working (ZGW): a short-lived token, and problem documents."""

from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
from msgspec import DecodeError, json


def build_headers(client_id: str, secret_file: Path, at: datetime) -> dict[str, str]:
    """Return headers with the standard's bearer token (HS256; iss, iat, client_id, user_id, user_representation)."""
    payload = {
        "iss": client_id,
        "iat": int(at.timestamp()),
        "client_id": client_id,
        "user_id": "piekwacht",
        "user_representation": "Piekwacht, automatische melding",
    }
    token = jwt.encode(payload, secret_file.read_text().strip(), algorithm="HS256")
    return {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}


def decode_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object; empty if the body is none."""
    try:
        document = json.decode(body)
    except DecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def describe_problem(status: int, body: bytes) -> str:
    """Return the response's status, title and invalid parameters in one line."""
    problem = decode_object(body)
    field_errors = [
        f"{field.get('name')}: {field.get('code')}"
        for field in problem.get("invalidParams", [])
        if isinstance(field, dict)
    ]
    return f"HTTP {status} {problem.get('title') or ''} {'; '.join(field_errors)}".strip()


def error_codes(body: bytes) -> set[str]:
    """Return the codes of the invalid parameters."""
    return {str(field.get("code")) for field in decode_object(body).get("invalidParams", []) if isinstance(field, dict)}
