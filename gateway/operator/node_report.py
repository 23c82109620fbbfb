"""Remarks of `piekwacht node list` about the status and health message of a node. Pure.

Status and health messages have no signature, and a node may send anything. A message of another form is one remark
about that node, and the list of all nodes is printed. The caller escapes unprintable characters.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")
_MAX_REMARKS = 20  # of one message


class _Renewal(Struct, frozen=True):
    renewed_at: Annotated[int, Meta(ge=0, le=7_258_118_400_000)]  # ms UTC, up to the year 2200
    reason: str


class _Health(Struct, frozen=True):
    sensors: dict[str, str] = {}
    refused_values: dict[str, dict[str, int]] = {}  # sensor -> reason -> number since its start
    renewal: _Renewal | None = None
    certificate_until: str | None = None


class _Remote(Struct, frozen=True):
    version: int | None = None
    on_trial: int | None = None
    refused: int | None = None
    error: str | None = None


class _Status(Struct, frozen=True):
    remote: _Remote | None = None


def describe_report(status: Mapping[str, object] | None, health: Mapping[str, object] | None) -> list[str]:
    """Return what is worth a remark in the newest status and health message of a node."""
    return [
        *_describe("health", health, _Health, _describe_health),
        *_describe("status", status, _Status, _describe_status),
    ]


def _describe(
    name: str,
    content: Mapping[str, object] | None,
    message_type: type[T],
    describe: Callable[[T], Iterator[str]],
) -> list[str]:
    try:
        remarks = list(describe(msgspec.convert(content or {}, message_type)))
    except msgspec.ValidationError:
        return [f"its {name} message cannot be read"]
    hidden = len(remarks) - _MAX_REMARKS
    return [*remarks[:_MAX_REMARKS], *([f"and {hidden} more remarks"] if hidden > 0 else [])]


def _describe_health(health: _Health) -> Iterator[str]:
    yield from (f"{name}: {state}" for name, state in health.sensors.items() if state not in {"ok", "done"})
    for sensor, reasons in health.refused_values.items():
        yield from (f"{sensor}: refused {count} values, {reason}" for reason, count in reasons.items())
    if health.renewal is not None:
        renewed_at = datetime.fromtimestamp(health.renewal.renewed_at / 1000, UTC)
        yield f"new incarnation at {renewed_at:%Y-%m-%d %H:%M}Z"
        yield f"because of {health.renewal.reason.replace('_', ' ')}"
    if health.certificate_until:
        yield f"certificate until {health.certificate_until[:10]}"


def _describe_status(status: _Status) -> Iterator[str]:
    remote = status.remote or _Remote()
    if remote.version:
        yield f"configuration {remote.version} in force"
    if remote.on_trial:
        yield f"configuration {remote.on_trial} on trial"
    if remote.refused:
        yield f"configuration {remote.refused} refused: {remote.error}"
