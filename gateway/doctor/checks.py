"""All the checks of an installation, in the order in which one rests on another."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.doctor import certificates, database, files, machine, mail, services
from gateway.doctor.finding import Finding, Level
from gateway.settings import Settings

_DISKS = ("/", "/var/lib/postgresql", "/var/lib/postgresql/data", "/var/lib/mosquitto", "/var/backups/piekwacht")

Check = Callable[[Settings], Iterable[Finding]]


def checks(hosts: services.Hosts = MappingProxyType({})) -> Mapping[str, Check]:
    """Every check by its name on the command line; `hosts` says which parts run elsewhere."""
    return {
        "settings": files.examine,
        "clock": _clock,
        "disk": _disk,
        "database": lambda settings: database.examine(settings.database.dsn),
        "certificates": lambda settings: certificates.examine(settings.broker, certificates.today()),
        "broker": lambda settings: certificates.examine_broker(settings.broker, certificates.today()),
        "gateway": lambda settings: services.gateway(settings, hosts),
        "api": lambda settings: services.api(settings, hosts),
        "alerting": lambda settings: services.alerting(settings, hosts),
        "mail": lambda settings: mail.examine(settings.alerting),
        "beside": lambda settings: services.beside(settings, hosts, time.time()),
        "heartbeat": lambda settings: services.heartbeat(settings, hosts, time.time()),
    }


def examine(
    settings: Settings, only: Collection[str] = (), hosts: services.Hosts = MappingProxyType({})
) -> Iterator[Finding]:
    """Findings as they are made; a check that fails for a reason nobody thought of is a fault, not a traceback."""
    for name, check in checks(hosts).items():
        if not only or name in only:
            try:
                yield from check(settings)
            except Exception as error:  # noqa: BLE001 - the doctor must say something of every patient
                words = " ".join(str(error).split()) or type(error).__name__
                yield Finding(check=name, level=Level.FAULT, what=f"{name} could not be looked at", remedy=words)


def _clock(settings: Settings) -> Iterable[Finding]:
    tls = settings.broker.tls
    made = None if tls is None else certificates.latest_start(tls.ca)
    return machine.judge_clock(machine.look_at_clocks(settings.database.dsn, made))


def _disk(settings: Settings) -> Iterable[Finding]:
    del settings
    return map(machine.judge_disk, machine.look_at_disks([Path(path) for path in _DISKS]))
