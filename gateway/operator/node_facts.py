"""The contents of the newest status and health message of a node, as figures for a page. Pure.

The messages have no signature, and a node may send anything: a field of another form is unknown, never an error.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
_MAX_TEXT = 200


class NodeFacts(Struct, frozen=True, kw_only=True):
    """Facts of one node; None: not reported.

    clock                state of its clock, such as `synced`
    spool_batches        batches that wait on the node
    spool_oldest         stamp of the oldest reading that waits
    spool_problem        why the spool does not work
    battery_percent      0 to 100; nodes on mains report none
    battery_volts        V
    disk_free_mb         free space for the spool, in 2^20 bytes
    certificate_until    end of the certificate
    agent_version        version of the agent
    configuration        hash of the configuration in force
    accepted_version     remote configuration in force
    trial_version        remote configuration on trial
    refused_version      remote configuration that the node rejected, because of `refusal`
    sensors              state of each sensor, `ok` or a sentence
    """

    clock: str | None = None
    spool_batches: int | None = None
    spool_oldest: datetime | None = None
    spool_problem: str | None = None
    battery_percent: float | None = None
    battery_volts: float | None = None
    disk_free_mb: int | None = None
    certificate_until: datetime | None = None
    agent_version: str | None = None
    configuration: str | None = None
    accepted_version: int | None = None
    trial_version: int | None = None
    refused_version: int | None = None
    refusal: str | None = None
    sensors: Mapping[str, str] = {}

    def certificate_days(self, now: datetime) -> int | None:
        """Return the whole days until the certificate ends; negative after that."""
        return None if self.certificate_until is None else (self.certificate_until - now).days


def read_facts(status: Mapping[str, object] | None, health: Mapping[str, object] | None) -> NodeFacts:
    """Return what both messages state."""
    status, health = status or {}, health or {}
    remote = _read(status.get("remote"), dict[str, object]) or {}
    spool = _read(health.get("spool"), dict[str, object]) or {}
    battery = _read(health.get("battery"), dict[str, object]) or {}
    sensors = _read(health.get("sensors"), dict[str, object]) or {}
    return NodeFacts(
        clock=_text(health.get("clock")),
        spool_batches=_read(spool.get("batches"), int),
        spool_oldest=_moment(_read(spool.get("oldest"), int)),
        spool_problem=_text(health.get("spool_trouble")),
        battery_percent=_read(battery.get("percent"), float),
        battery_volts=_read(battery.get("volts"), float),
        disk_free_mb=_read(health.get("disk_free_mb"), int),
        certificate_until=_aware(_read(health.get("certificate_until"), datetime)),
        agent_version=_text(status.get("version")),
        configuration=_text(status.get("configuration")),
        accepted_version=_read(remote.get("version"), int),
        trial_version=_read(remote.get("on_trial"), int),
        refused_version=_read(remote.get("refused"), int),
        refusal=_text(remote.get("error")),
        sensors={name[:_MAX_TEXT]: state for name, value in sensors.items() if (state := _text(value)) is not None},
    )


def _read(value: object, kind: type[T]) -> T | None:
    try:
        return None if value is None else msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _text(value: object) -> str | None:
    text = _read(value, str)
    return None if text is None else "".join(c if c.isprintable() else " " for c in text)[:_MAX_TEXT]


def _moment(ms: int | None) -> datetime | None:
    try:
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
