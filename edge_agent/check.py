"""`piekwacht-agent check`: what is wrong with this node, in words for the person who stands in front of it."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from edge_agent import clock
from edge_agent.broker import Connection, ConnectionLost, Said
from edge_agent.configuration import ConfigurationError
from edge_agent.errors import AgentError, SensorFault
from edge_agent.sensor_factory import SensorSettings, title
from edge_agent.sensors.esp32 import Esp32Settings
from edge_agent.sensors.replay import ReplaySettings
from edge_agent.sensors.sgp4x import Sgp4xSettings
from edge_agent.sensors.simulated import SimulatedSettings
from edge_agent.settings import Settings
from edge_agent.spool import Spool
from edge_agent.spool_writer import intact
from edge_agent.wire import Kind, Topic

_FEW_MB = 200
_SOON_DAYS = 30


class Verdict(StrEnum):
    """How it is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    thing: str
    verdict: Verdict
    sentence: str


def good(thing: str, sentence: str) -> Finding:
    """Nothing to do."""
    return Finding(thing=thing, verdict=Verdict.GOOD, sentence=sentence)


def warning(thing: str, sentence: str) -> Finding:
    """Works, and will not for ever."""
    return Finding(thing=thing, verdict=Verdict.WARNING, sentence=sentence)


def bad(thing: str, sentence: str) -> Finding:
    """Does not work."""
    return Finding(thing=thing, verdict=Verdict.BAD, sentence=sentence)


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything, from the sensors to the broker, in the order in which a reading travels."""
    for sensor in settings.sensor:
        yield _sensor(sensor)
    yield _clock()
    yield _disk(settings.spool.path.parent)
    yield _spool(settings.spool.path, settings.node.id)
    yield _keys(settings)
    if settings.broker.tls is not None:
        yield _certificate(settings.broker.tls.certificate, datetime.now(UTC))
    yield _broker(settings)


def _sensor(settings: SensorSettings) -> Finding:
    if isinstance(settings, SimulatedSettings | ReplaySettings):
        return warning("sensor", f"{settings.__struct_config__.tag}: no real sensor; never at a station")
    name = title(settings)
    if isinstance(settings, Esp32Settings):
        return good(name, f"is awaited at {settings.place}; `piekwacht-agent tail` shows whether it posts")
    device = settings.device(lambda: (None, None)) if isinstance(settings, Sgp4xSettings) else settings.device()
    try:
        device.start()
        try:
            values = device.read().values
        finally:
            with contextlib.suppress(SensorFault):
                device.stop()
    except SensorFault as fault:
        return bad(name, str(fault))
    return good(name, "answers: " + ", ".join(f"{k} {v:g}" for k, v in values.items() if v is not None))


def _clock() -> Finding:
    now = clock.now()
    at = datetime.fromtimestamp(now.wall / 1000, UTC).isoformat(timespec="seconds")
    if clock.synchronised():
        return good("clock", f"{at}, synchronised")
    return warning("clock", f"{at}, not synchronised: readings are flagged until it is; check NTP, or fit a DS3231")


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free // 2**20
        probe = folder / ".piekwacht-check"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return bad(
            "disk", f"{folder} cannot be written ({error.strerror}): check rights; a card that fails goes read-only"
        )
    if free < _FEW_MB:
        return warning("disk", f"only {free} MB free at {folder}: clear it before the spool cannot grow")
    return good("disk", f"{free} MB free at {folder}")


def _spool(path: Path, node: str) -> Finding:
    if not path.exists():
        return good("spool", f"{path} is not there yet; the agent makes it")
    if not intact(path):
        return bad("spool", f"{path} is damaged: restart the agent, which saves what it can; think of a new card")
    try:
        with Spool(path, node=node) as spool:
            depth = spool.depth()
    except (AgentError, sqlite3.Error) as error:
        return bad("spool", str(error))
    if depth.oldest is None:
        return good("spool", "empty: the gateway holds everything")
    since = datetime.fromtimestamp(depth.oldest / 1000, UTC).isoformat(timespec="seconds")
    return good("spool", f"{depth.readings} readings wait, the oldest from {since}")


def _keys(settings: Settings) -> Finding:
    try:
        settings.node.signer()
        names = [key.name for key in settings.gateway.verifiers()]
    except ConfigurationError as error:
        return bad("keys", str(error))
    mode = settings.node.key_file.stat().st_mode & 0o777
    if mode & 0o077:
        return warning("keys", f"{settings.node.key_file} can be read by others (mode {mode:o}): chmod 600 it")
    return good("keys", f"ours is there; we believe {', '.join(names)}")


def _certificate(path: Path, now: datetime) -> Finding:
    from cryptography import x509  # noqa: PLC0415 - only where there is a certificate

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return bad("certificate", f"{path} cannot be read ({error}): copy it again from the node's bundle")
    ends = certificate.not_valid_after_utc
    if now < certificate.not_valid_before_utc:
        return bad(
            "certificate", f"not valid before {certificate.not_valid_before_utc}: the clock of this node is wrong"
        )
    if now > ends:
        return bad("certificate", f"expired on {ends:%Y-%m-%d}: renew it at the gateway and copy the new one")
    if (ends - now).days < _SOON_DAYS:
        return warning("certificate", f"expires on {ends:%Y-%m-%d}, in {(ends - now).days} days: renew it")
    return good("certificate", f"valid until {ends:%Y-%m-%d}")


def _broker(settings: Settings) -> Finding:
    topic = Topic(area=settings.node.area, node=settings.node.id, kind=Kind.HEALTH)
    try:
        tls = settings.broker.tls.context() if settings.broker.tls else None
        # under a name of its own: the same one would throw the running agent out
        name, will = f"{settings.node.id}-check", Said(topic=str(topic), body=b"")
        Connection(settings.broker, tls, client_id=name, will=will).close()
    except (ConnectionLost, ConfigurationError) as error:
        return bad("broker", f"{error}; check host, port, firewall and certificate")
    return good("broker", f"{settings.broker} takes us")
