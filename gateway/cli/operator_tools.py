"""Means of this installation for operators, from its whole configuration. Called when the API starts."""

from gateway.doctor import machine
from gateway.doctor.checks import DISKS, run_checks
from gateway.enrolment.card import CardSources
from gateway.enrolment.card_maker import FolderCardMaker
from gateway.enrolment.node_issuer import FolderIssuer, check_configuration
from gateway.operator.tools import CheckResult, OperatorTools, StorageFolder
from gateway.settings import Settings

_RETENTION_DAYS = ("raw_days", "evidence_days", "minute_days", "hour_days", "day_days", "shadow_days", "selftest_days")


def build_operator_tools(settings: Settings) -> OperatorTools:
    """Return the doctor, the authority, the disks and the retention of these settings."""
    ca = settings.operator.ca_folder
    return OperatorTools(
        settings=settings.operator,
        examine=lambda: _examine(settings),
        cards=_build_card_maker(settings),
        certificates=None if ca is None else FolderIssuer(ca),
        check_configuration=check_configuration,
        read_disks=_read_disks,
        retention_days=[(name, getattr(settings.retention, name)) for name in _RETENTION_DAYS],
    )


def _build_card_maker(settings: Settings) -> FolderCardMaker | None:
    """None unless the authority and the firmware configurations are on this machine, beside the gateway's key."""
    operator = settings.operator
    if operator.ca_folder is None or operator.firmware_configs is None or settings.ingest is None:
        return None
    sources = CardSources(
        ca=operator.ca_folder,
        firmware_configs=operator.firmware_configs,
        gateway_key=settings.ingest.signer().verifier,
        package=operator.agent_package,
    )
    return FolderCardMaker(sources)


def _examine(settings: Settings) -> list[CheckResult]:
    return [
        CheckResult(check=finding.check, level=finding.level.value, message=finding.message, remedy=finding.remedy)
        for finding in run_checks(settings)
    ]


def _read_disks() -> list[StorageFolder]:
    disks = machine.read_disks(DISKS)
    return [StorageFolder(path=str(disk.path), total=disk.total, free=disk.free) for disk in disks]
