"""Types of fields that several forms of operators have, and the reading of a local time."""

from datetime import datetime
from typing import Annotated

from fastapi import Form, HTTPException

from alerting.vocabulary import LOCAL_TIMEZONE

FormText = Annotated[str, Form(max_length=500)]
Revision = Annotated[int, Form(ge=0)]
LocalTime = Annotated[str, Form(max_length=40)]


def parse_local(name: str, text: str) -> datetime:
    """A time of a form, in the clock that people read. Raises HTTPException 400."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise HTTPException(400, f"{name}: {text[:40]!r} is no date and time") from None
    return at if at.tzinfo else at.replace(tzinfo=LOCAL_TIMEZONE)
