"""`piekwacht-agent check`: faults of this node, in sentences for the person in front of it."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from edge_agent import clock
from edge_agent.broker import ConnectionLostError, MqttMessage, PahoConnection
from edge_agent.configuration import ConfigurationError
from edge_agent.errors import AgentError, SensorError
from edge_agent.sensor_factory import SensorSettings, sensor_name
from edge_agent.sensors.esp32 import Esp32Settings
from edge_agent.sensors.replay import ReplaySettings
from edge_agent.sensors.sgp4x import Sgp4xSettings
from edge_agent.sensors.simulated import SimulatedSettings
from edge_agent.settings import Settings
from edge_agent.spool import Spool
from edge_agent.spool_writer import is_intact
from edge_agent.wire import Topic, TopicKind

_LOW_DISK_MB = 200
_EXPIRY_WARNING_DAYS = 30


class NodeFindingLevel(StrEnum):
    """How it is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class NodeFinding(Struct, frozen=True, kw_only=True):
    """Result of one check."""

    subject: str
    level: NodeFindingLevel
    sentence: str


def report_good(subject: str, sentence: str) -> NodeFinding:
    """Nothing to do."""
    return NodeFinding(subject=subject, level=NodeFindingLevel.GOOD, sentence=sentence)


def report_warning(subject: str, sentence: str) -> NodeFinding:
    """Works now and needs attention."""
    return NodeFinding(subject=subject, level=NodeFindingLevel.WARNING, sentence=sentence)


def report_bad(subject: str, sentence: str) -> NodeFinding:
    """Does not work."""
    return NodeFinding(subject=subject, level=NodeFindingLevel.BAD, sentence=sentence)


def check_node(settings: Settings) -> Iterator[NodeFinding]:
    """Everything, from the sensors to the broker, in the order in which a reading travels."""
    for sensor in settings.sensor:
        yield _check_sensor(sensor)
    yield _check_clock()
    yield _check_disk(settings.spool.path.parent)
    yield _check_spool(settings.spool.path, settings.node.id)
    yield _check_keys(settings)
    if settings.broker.tls is not None:
        yield _check_certificate(settings.broker.tls.certificate, datetime.now(UTC))
    yield _check_broker(settings)


def _check_sensor(settings: SensorSettings) -> NodeFinding:
    if isinstance(settings, SimulatedSettings | ReplaySettings):
        return report_warning("sensor", f"{settings.__struct_config__.tag}: no real sensor; never at a station")
    name = sensor_name(settings)
    if isinstance(settings, Esp32Settings):
        return report_good(name, f"is awaited at {settings.endpoint}; `piekwacht-agent tail` shows whether it posts")
    driver = (
        settings.create_driver(lambda: (None, None))
        if isinstance(settings, Sgp4xSettings)
        else settings.create_driver()
    )
    try:
        driver.start()
        try:
            values = driver.read().values
        finally:
            with contextlib.suppress(SensorError):
                driver.stop()
    except SensorError as fault:
        return report_bad(name, str(fault))
    return report_good(name, "answers: " + ", ".join(f"{k} {v:g}" for k, v in values.items() if v is not None))


def _check_clock() -> NodeFinding:
    now = clock.now()
    time_text = datetime.fromtimestamp(now.wall / 1000, UTC).isoformat(timespec="seconds")
    if clock.is_synchronised():
        return report_good("clock", f"{time_text}, synchronised")
    return report_warning(
        "clock", f"{time_text}, not synchronised: readings are flagged until it is; check NTP, or fit a DS3231"
    )


def _check_disk(folder: Path) -> NodeFinding:
    try:
        free = shutil.disk_usage(folder).free // 2**20
        probe = folder / ".piekwacht-check"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return report_bad(
            "disk", f"{folder} cannot be written ({error.strerror}): check rights; a card that fails goes read-only"
        )
    if free < _LOW_DISK_MB:
        return report_warning("disk", f"only {free} MB free at {folder}: clear it before the spool cannot grow")
    return report_good("disk", f"{free} MB free at {folder}")


def _check_spool(path: Path, node: str) -> NodeFinding:
    if not path.exists():
        return report_good("spool", f"{path} is not there yet; the agent makes it")
    if not is_intact(path):
        return report_bad(
            "spool", f"{path} is damaged: restart the agent, which saves what it can; think of a new card"
        )
    try:
        with Spool(path, node=node) as spool:
            depth = spool.measure_depth()
    except (AgentError, sqlite3.Error) as error:
        return report_bad("spool", str(error))
    if depth.oldest is None:
        return report_good("spool", "empty: the gateway holds everything")
    since = datetime.fromtimestamp(depth.oldest / 1000, UTC).isoformat(timespec="seconds")
    return report_good("spool", f"{depth.readings} readings wait, the oldest from {since}")


def _check_keys(settings: Settings) -> NodeFinding:
    try:
        settings.node.load_signer()
        names = [key.name for key in settings.gateway.load_verifiers()]
    except ConfigurationError as error:
        return report_bad("keys", str(error))
    mode = settings.node.key_file.stat().st_mode & 0o777
    if mode & 0o077:
        return report_warning("keys", f"{settings.node.key_file} can be read by others (mode {mode:o}): chmod 600 it")
    return report_good("keys", f"ours is there; we believe {', '.join(names)}")


def _check_certificate(path: Path, now: datetime) -> NodeFinding:
    from cryptography import x509  # noqa: PLC0415 - only with a certificate

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return report_bad("certificate", f"{path} cannot be read ({error}): copy it again from the node's bundle")
    start, expiry = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return report_bad("certificate", f"not valid before {start}: the clock of this node is wrong")
    if now > expiry:
        return report_bad("certificate", f"expired on {expiry:%Y-%m-%d}: renew it at the gateway and copy the new one")
    if (expiry - now).days < _EXPIRY_WARNING_DAYS:
        return report_warning("certificate", f"expires on {expiry:%Y-%m-%d}, in {(expiry - now).days} days: renew it")
    return report_good("certificate", f"valid until {expiry:%Y-%m-%d}")


def _check_broker(settings: Settings) -> NodeFinding:
    topic = Topic(area=settings.node.area, node=settings.node.id, kind=TopicKind.HEALTH)
    try:
        tls = settings.broker.tls.load_context() if settings.broker.tls else None
        # with another client id: the same id would disconnect the running agent
        client_id, will = f"{settings.node.id}-check", MqttMessage(topic=str(topic), body=b"")
        PahoConnection(settings.broker, tls, client_id=client_id, will=will).close()
    except (ConnectionLostError, ConfigurationError) as error:
        return report_bad("broker", f"{error}; check host, port, firewall and certificate")
    return report_good("broker", f"{settings.broker} takes us")
