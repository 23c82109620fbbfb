"""Documents of the operator API, from what the services return. Pure."""

from collections.abc import Iterable

from msgspec import structs

from alerting.vocabulary import Language
from gateway.api.schemas import operator as schemas
from gateway.api.schemas.schema import format_instants, format_optional_instant
from gateway.model.timestamps import format_instant
from gateway.operator.audit import AuditedAct
from gateway.operator.fleet import FleetNode, NodeCapture
from gateway.operator.guests import GuestListing
from gateway.operator.quarantine import QuarantinedPayload, QuarantineEntry
from gateway.operator.sentences import describe_remark
from gateway.operator.storage import Storage


def build_node(node: FleetNode, language: Language) -> schemas.OperatorNode:
    """The document of one node."""
    row, facts = node.row, node.facts
    return schemas.OperatorNode(
        id=row.node,
        area=row.area,
        station=row.station,
        revision=row.revision,
        enrolled_at=format_instant(row.enrolled_at),
        revoked_at=format_optional_instant(row.revoked_at),
        last_seen=format_optional_instant(row.last_seen),
        clock=facts.clock,
        undated_since=format_optional_instant(row.undated_since),
        spool_batches=facts.spool_batches,
        spool_oldest=format_optional_instant(facts.spool_oldest),
        battery_percent=facts.battery_percent,
        certificate_until=format_optional_instant(facts.certificate_until),
        agent_version=facts.agent_version,
        wanted_configuration=row.wanted_version,
        accepted_configuration=facts.accepted_version,
        refused_configuration=facts.refused_version,
        capture=node.capture,
        remarks=[
            schemas.NodeRemark(code=remark.problem.value, sentence=describe_remark(remark, language))
            for remark in node.remarks
        ],
        properties=[_build_property(node, capture) for capture in node.captures],
    )


def _build_property(node: FleetNode, capture: NodeCapture) -> schemas.NodeProperty:
    return schemas.NodeProperty(
        observed_property=capture.observed_property,
        hours=capture.hours,
        expected_hours=capture.expected_hours,
        count=capture.count,
        valid_count=capture.valid_count,
        expected_count=capture.expected_count,
        doubts=[
            schemas.NodeDoubt(flag=doubt.flag, hours=doubt.hours, last_at=format_instant(doubt.last_at))
            for doubt in node.doubts
            if doubt.observed_property == capture.observed_property
        ],
    )


def build_message(entry: QuarantineEntry) -> schemas.QuarantinedMessage:
    """The document of a rejected payload without its content."""
    return schemas.QuarantinedMessage(
        id=entry.id,
        received_at=format_instant(entry.received_at),
        topic=entry.topic,
        reason=entry.reason,
        detail=entry.detail,
        size=entry.size,
        retry_asked_at=format_optional_instant(entry.replay_asked_at),
        outcome=entry.outcome,
    )


def build_full_message(payload: QuarantinedPayload) -> schemas.QuarantinedMessage:
    """The same with the first bytes of its content."""
    return schemas.QuarantinedMessage(
        id=payload.id,
        received_at=format_instant(payload.received_at),
        topic=payload.topic,
        reason=payload.reason,
        detail=payload.detail,
        size=len(payload.payload),
        retry_asked_at=format_optional_instant(payload.replay_asked_at),
        outcome=payload.outcome,
        content=payload.shown_text,
    )


def build_storage(storage: Storage) -> schemas.StorageReport:
    """The document of sizes and growth."""
    return schemas.StorageReport(
        database_bytes=storage.database_bytes,
        growth=storage.growth,
        days_left=storage.days_left,
        tables=[schemas.TableSize(name=row.name, bytes=row.bytes) for row in storage.relations],
        disks=[schemas.DiskSpace(path=disk.path, free=disk.free, total=disk.total) for disk in storage.disks],
    )


def build_guests(rows: Iterable[GuestListing]) -> schemas.OperatorGuests:
    """The document of the guests."""
    return schemas.OperatorGuests(
        items=[
            schemas.OperatorGuest(
                id=row.node,
                area=row.area,
                name=row.name,
                format=row.format,
                sender=row.sender,
                topic=row.topic,
                poll_url=row.poll_url,
                owner=row.owner,
                consent_on=row.consent_on.isoformat(),
                consent_text=row.consent_text,
                enrolled_at=format_instant(row.enrolled_at),
                revoked_at=format_optional_instant(row.revoked_at),
                last_seen=format_optional_instant(row.last_seen),
                waiting=row.waiting,
                refused=row.quarantined,
            )
            for row in rows
        ]
    )


def build_audit(entries: Iterable[AuditedAct]) -> schemas.AuditRecords:
    """The document of the audit log."""
    return schemas.AuditRecords(
        items=[schemas.AuditRecord(**format_instants(structs.asdict(entry))) for entry in entries]
    )
