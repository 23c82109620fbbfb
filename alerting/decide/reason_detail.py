"""Details of a decision or a delivery: stored as a code with figures, rendered as a sentence when read. Pure.

A stored detail is one JSON object, `{"code":"on_duty","receiver":"piket"}`. Any other text (an answer of a mail server,
a text of an earlier version) is shown unchanged.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from alerting.vocabulary import Language, format_short_number, format_time, severity_text, texts_of


class DetailCode(StrEnum):
    """Kinds of detail in addition to the reason or the outcome."""

    ON_DUTY = "on_duty"  # receiver: the roster that led there
    FELL = "fell"  # was, now: severities
    HEARD = "heard"  # at: when the station last spoke
    SOURCE = "source"  # name, basis, owner, level, day
    UNANSWERED = "unanswered"  # receiver, at: who was notified and when
    SILENCE = "silence"  # id, author, until, reason
    MAINTENANCE = "maintenance"  # the same
    UNCONFIGURED = "unconfigured"
    NO_ANSWER = "no_answer"  # host, error
    TOO_SLOW = "too_slow"  # seconds
    NO_CONNECTION = "no_connection"  # host, error
    PRIVATE = "private"  # host
    GONE = "gone"  # at: when it answered 410
    FALSE_ALARM = "false_alarm"  # author, at, cause, note
    WITHDRAWN = "withdrawn"  # author, at: of a false alarm


_TIME_FIELDS = frozenset({"at", "until"})
_SEVERITY_FIELDS = frozenset({"was", "now"})


def encode_detail(code: DetailCode, **fields: str | float | datetime) -> str:
    """The text that is stored: the code and its figures, moments in UTC."""
    values = {name: _to_json_value(value) for name, value in fields.items()}
    return json.dumps({"code": code.value, **values}, ensure_ascii=False, separators=(",", ":"))


def describe_detail(text: str, language: Language) -> str:
    """Return a stored detail as a sentence; any other text unchanged."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, str | float | int])
        template = texts_of("detail", language)[DetailCode(str(fields.pop("code"))).value]
        return template.format(**{name: _format_value(name, value, language) for name, value in fields.items()})
    except (msgspec.DecodeError, KeyError, ValueError):
        return text


def _to_json_value(value: str | float | datetime) -> str | float:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _format_value(name: str, value: str | float, language: Language) -> str:
    if name in _TIME_FIELDS:
        return format_time(datetime.fromisoformat(str(value)), language)
    if name == "cause":
        return texts_of("false_alarm", language).describe(str(value))
    if name in _SEVERITY_FIELDS:
        return severity_text(str(value), language)
    return value if isinstance(value, str) else format_short_number(value, language)
