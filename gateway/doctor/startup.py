"""What a service says of its machine when it starts: the doctor's own sentences, where something is at fault.

It goes on all the same: a clock may be set and a disk emptied while it runs.
"""

from collections.abc import Iterator, Sequence

from alerting.log import get_logger
from gateway.doctor import certificates
from gateway.doctor.checks import run_checks
from gateway.doctor.finding import Finding, FindingLevel
from gateway.settings import Settings

_LOG = get_logger("gateway.doctor")


def log_faults(settings: Settings, parts: Sequence[str]) -> None:
    """Log every fault of clock, disk and of the certificates that these parts show."""
    for finding in _check_startup(settings, parts):
        if finding.level is FindingLevel.FAULT:
            _LOG.error(str(finding))


def _check_startup(settings: Settings, parts: Sequence[str]) -> Iterator[Finding]:
    yield from run_checks(settings, ["clock", "disk"])
    if "gateway" in parts:
        yield from certificates.check_certificates(settings.broker, certificates.current_time())
    if "api" in parts:
        yield from certificates.check_certificates(settings.broker.for_api(), certificates.current_time())
