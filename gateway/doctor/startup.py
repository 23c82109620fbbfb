"""Checks at the start of a service: faults of the machine are logged, in the sentences of `piekwacht doctor`.

The service starts all the same: an operator can set the clock or free disk space while it runs.
"""

from collections.abc import Iterator, Sequence

from alerting.log import get_logger
from gateway.doctor import certificates
from gateway.doctor.checks import run_checks
from gateway.doctor.finding import Finding, FindingLevel
from gateway.settings import Settings

_LOG = get_logger("gateway.doctor")


def log_faults(settings: Settings, parts: Sequence[str]) -> None:
    """Log every fault of the clock, the disks and the certificates of these services."""
    for finding in _check_startup(settings, parts):
        if finding.level is FindingLevel.FAULT:
            _LOG.error(str(finding))


def _check_startup(settings: Settings, parts: Sequence[str]) -> Iterator[Finding]:
    yield from run_checks(settings, ["clock", "disk"])
    if "gateway" in parts:
        yield from certificates.check_certificates(settings.broker, certificates.current_time())
    if "api" in parts:
        yield from certificates.check_certificates(settings.broker.for_api(), certificates.current_time())
