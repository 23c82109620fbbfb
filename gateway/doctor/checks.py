"""All checks of an installation, in the order of their dependencies. Called by `piekwacht doctor` and `startup`."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from alerting.errors import one_line
from gateway.doctor import certificates, database, files, machine, mail, public_log, services, subscriptions, upkeep
from gateway.doctor.finding import Finding, FindingLevel
from gateway.settings import Settings

DISKS = tuple(
    map(
        Path,
        ("/", "/var/lib/postgresql", "/var/lib/postgresql/data", "/var/lib/mosquitto", "/var/backups/piekwacht"),
    )
)  # folders of ours that may lie on separate disks

Check = Callable[[Settings], Iterable[Finding]]


def build_checks(hosts: services.Hosts = MappingProxyType({})) -> Mapping[str, Check]:
    """Return every check by its name on the command line; `hosts` names the hosts of services that run elsewhere."""
    return {
        "settings": files.check_files,
        "clock": _check_clock,
        "disk": _check_disk,
        "database": lambda settings: database.check_database(settings.database.dsn),
        "upkeep": lambda settings: upkeep.check_upkeep(settings.database.dsn),
        "certificates": lambda settings: certificates.check_certificates(settings.broker, certificates.current_time()),
        "broker": lambda settings: certificates.check_broker(settings.broker, certificates.current_time()),
        "gateway": lambda settings: services.check_gateway(settings, hosts),
        "api": lambda settings: services.check_api(settings, hosts),
        "alerting": lambda settings: services.check_alerting(settings, hosts),
        "mail": lambda settings: mail.check_mail(
            settings.alerting, has_subscriptions=settings.subscriptions is not None
        ),
        "subscriptions": lambda settings: subscriptions.check_subscriptions(settings, hosts),
        "evaluation": lambda settings: services.check_evaluation(settings, hosts, time.time()),
        "security contact": lambda settings: certificates.check_contact(
            settings.api.security_txt, certificates.current_time()
        ),
        "silence": lambda settings: services.check_silence(settings, hosts, time.time()),
        "log": public_log.check_log,
        "heartbeat": lambda settings: services.check_heartbeat(settings, hosts, time.time()),
    }


def run_checks(
    settings: Settings, only: Collection[str] = (), hosts: services.Hosts = MappingProxyType({})
) -> Iterator[Finding]:
    """Yield findings as checks run; an unexpected exception becomes a fault, not a traceback."""
    for name, check in build_checks(hosts).items():
        if not only or name in only:
            try:
                yield from check(settings)
            except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
                reason = one_line(error)
                yield Finding(
                    check=name, level=FindingLevel.FAULT, message=f"the check {name} failed unexpectedly", remedy=reason
                )


def _check_clock(settings: Settings) -> Iterable[Finding]:
    tls = settings.broker.tls
    authority_made = None if tls is None else certificates.read_not_before(tls.ca)
    return machine.check_clock(machine.read_clocks(settings.database.dsn, authority_made))


def _check_disk(settings: Settings) -> Iterable[Finding]:
    del settings
    return map(machine.check_disk, machine.read_disks(DISKS))
