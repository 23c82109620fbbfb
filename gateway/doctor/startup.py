"""What a service says of its machine when it starts: the doctor's own sentences, where something is at fault.

It goes on all the same: a clock may be set and a disk emptied while it runs.
"""

import logging
from collections.abc import Iterator, Sequence

from gateway.doctor import certificates
from gateway.doctor.checks import examine
from gateway.doctor.finding import Finding, Level
from gateway.settings import Settings

_LOG = logging.getLogger(__name__)


def look(settings: Settings, parts: Sequence[str]) -> None:
    """Log every fault of clock, disk and of the certificates that these parts show."""
    for finding in _found(settings, parts):
        if finding.level is Level.FAULT:
            _LOG.error("%s", finding)


def _found(settings: Settings, parts: Sequence[str]) -> Iterator[Finding]:
    yield from examine(settings, ["clock", "disk"])
    if "gateway" in parts:
        yield from certificates.examine(settings.broker, certificates.today())
    if "api" in parts:
        yield from certificates.examine(settings.broker.of_api(), certificates.today())
