"""Types of the operator API: nodes, quarantine, storage, checks and the audit log."""

from typing import Annotated, Any

from msgspec import Meta, field

from gateway.api.schemas.schema import Id, Instant, Schema

NodeId = Annotated[str, Meta(examples=["ijm-001"])]
Text = Annotated[str, Meta(max_length=1_000)]


class NodeRemark(Schema, frozen=True, kw_only=True):
    """A problem of a node: a code, and a sentence."""

    code: Annotated[str, Meta(examples=["silent"])]
    sentence: Annotated[str, Meta(examples=["Silent since 21-11-2026 03:40."])]


class NodeDoubt(Schema, frozen=True, kw_only=True):
    """A quality flag that readings of a property had in so many of the last 24 hours."""

    flag: Annotated[str, Meta(examples=["stuck"])]
    hours: Annotated[int, Meta(examples=[7])]
    last_at: Instant


class NodeProperty(Schema, frozen=True, kw_only=True):
    """Data capture of a property in the last seven days. `expectedCount` is null if the interval is unknown."""

    observed_property: Annotated[str, Meta(examples=["pm2_5"])]
    hours: Annotated[int, Meta(examples=[167])]
    expected_hours: Annotated[int, Meta(examples=[168])]
    count: Annotated[int, Meta(examples=[604_000])]
    valid_count: Annotated[int, Meta(examples=[603_000])]
    expected_count: Annotated[int, Meta(examples=[604_800])] | None
    doubts: list[NodeDoubt]


class OperatorNode(Schema, frozen=True, kw_only=True):
    """A node with what it reports; null: not reported. `revision` counts the changes that operators made."""

    id: NodeId
    area: Id
    station: Id | None
    revision: Annotated[int, Meta(examples=[3])]
    enrolled_at: Instant
    revoked_at: Instant | None
    last_seen: Instant | None
    clock: Annotated[str, Meta(examples=["synced"])] | None
    undated_since: Instant | None
    spool_batches: int | None
    spool_oldest: Instant | None
    battery_percent: float | None
    certificate_until: Instant | None
    agent_version: Annotated[str, Meta(examples=["0.1.0"])] | None
    wanted_configuration: int | None
    accepted_configuration: int | None
    refused_configuration: int | None
    capture: Annotated[float, Meta(ge=0, le=1, examples=[0.98])] | None
    remarks: list[NodeRemark]
    properties: list[NodeProperty]


class OperatorNodes(Schema, frozen=True, kw_only=True):
    """Every node of the operator's areas, by area and id."""

    items: list[OperatorNode]


class QuarantinedMessage(Schema, frozen=True, kw_only=True):
    """A rejected payload. `outcome`: of its newest retry, null if there was none or it waits."""

    id: Annotated[int, Meta(examples=[7])]
    received_at: Instant
    topic: Annotated[str, Meta(description="of MQTT, under which it came")]
    reason: Annotated[str, Meta(examples=["unknown_node"])]
    detail: Text
    size: Annotated[int, Meta(examples=[412])]
    retry_asked_at: Instant | None
    outcome: Annotated[str, Meta(examples=["stored"])] | None
    content: str | None = None


class QuarantinedMessages(Schema, frozen=True, kw_only=True):
    """The newest rejected payloads of the operator's areas."""

    items: list[QuarantinedMessage]


class NewRetry(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payloads to decode again: by `ids`, or all of one `reason`."""

    ids: Annotated[list[int], Meta(max_length=1_000, examples=[[7]])] = field(default_factory=list)
    reason: str | None = None


class Retry(Schema, frozen=True, kw_only=True):
    """How many payloads the running gateway will decode again."""

    count: Annotated[int, Meta(examples=[1])]


class TableSize(Schema, frozen=True, kw_only=True):
    """A table with its indexes."""

    name: Annotated[str, Meta(examples=["observation"])]
    bytes: int


class DiskSpace(Schema, frozen=True, kw_only=True):
    """A file system of the server."""

    path: Annotated[str, Meta(examples=["/var/lib/postgresql"])]
    free: int
    total: int


class NewNode(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node to enrol. `board` and `kit` name firmware configurations; `replace`: also if it is enrolled already."""

    site: Annotated[str, Meta(max_length=100, examples=["ijmond"])]
    node: Annotated[str, Meta(max_length=100, examples=["ijm-003"])]
    station: Annotated[str, Meta(max_length=100, examples=["wijk-aan-zee"])]
    board: Annotated[str, Meta(max_length=100, examples=["pi4"])]
    kit: Annotated[str, Meta(max_length=100, examples=["sps30-bme280"])]
    replace: bool = False


class StorageReport(Schema, frozen=True, kw_only=True):
    """Size of the database in bytes, and its growth in bytes a day; null: not known yet."""

    database_bytes: int
    growth: float | None
    days_left: float | None
    tables: list[TableSize]
    disks: list[DiskSpace]


class CheckFinding(Schema, frozen=True, kw_only=True):
    """A finding of `piekwacht doctor`."""

    check: Annotated[str, Meta(examples=["disk"])]
    level: Annotated[str, Meta(examples=["ok"])]
    message: str
    remedy: str


class CheckFindings(Schema, frozen=True, kw_only=True):
    """Every finding; the whole installation is checked, at most every 30 seconds."""

    items: list[CheckFinding]


class AuditRecord(Schema, frozen=True, kw_only=True):
    """An entry of the audit log. `before` and `after` have the fields that changed."""

    id: int
    at: Instant
    who: Annotated[str, Meta(examples=["carla@od.example"])]
    action: Annotated[str, Meta(examples=["retry-payloads"])]
    object: Annotated[str, Meta(examples=["node ijm-001"])]
    area: Id | None
    address: str
    outcome: Annotated[str, Meta(examples=["done"])]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditRecords(Schema, frozen=True, kw_only=True):
    """The newest entries about things in the operator's areas."""

    items: list[AuditRecord]


class OperatorGuest(Schema, frozen=True, kw_only=True):
    """A sensor of somebody else. `waiting`: its messages that are no readings yet; `refused`: those in quarantine."""

    id: Annotated[str, Meta(examples=["guest-duinweg"])]
    area: Id
    name: str
    format: Annotated[str, Meta(examples=["airrohr"])]
    sender: Annotated[str, Meta(examples=["esp8266-12345"])]
    topic: str | None
    poll_url: str | None
    owner: str
    consent_on: Annotated[str, Meta(examples=["2026-11-29"])]
    consent_text: Annotated[str, Meta(examples=["2026-1"])]
    enrolled_at: Instant
    revoked_at: Instant | None
    last_seen: Instant | None
    waiting: int
    refused: int


class OperatorGuests(Schema, frozen=True, kw_only=True):
    """The guests of the operator's areas, by id."""

    items: list[OperatorGuest]


Revision = Annotated[
    int | None, Meta(description="`revision` of the node as you saw it; null: not checked", examples=[3])
]


class NewMaintenance(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window in which readings of the node are flagged `maintenance`, from the next minute or `startsAt` on.

    `properties`: sets only these aside, such as those of a doubtful sensor; empty: all of the node.
    """

    starts_at: Instant | None = None
    ends_at: Instant
    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["inlet cleaned"])]
    properties: Annotated[list[str], Meta(max_length=100, examples=[["pm2_5"]])] = field(default_factory=list)
    revision: Revision = None


class AnnouncedMaintenance(Schema, frozen=True, kw_only=True):
    """A window of maintenance."""

    id: Annotated[int, Meta(examples=[4])]
    node: NodeId
    starts_at: Instant
    ends_at: Instant
    reason: str
    properties: list[str] = field(default_factory=list)


class NewSensorChange(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another instrument for these properties of the node, from `changedAt` on."""

    properties: Annotated[list[str], Meta(min_length=1, max_length=100, examples=[["pm2_5", "pm10"]])]
    changed_at: Instant
    model: Annotated[str, Meta(max_length=500, examples=["Sensirion SPS30"])]
    serial: Annotated[str, Meta(max_length=500, examples=["8F3A"])] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["fan worn out"])]
    revision: Revision = None


class SensorChangeResult(Schema, frozen=True, kw_only=True):
    """The calibrations that end with the former instrument, as `name@version`."""

    ended: Annotated[list[str], Meta(examples=[["calibration/ijm-001/pm2_5@3"]])]


class NewFit(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A period in which the node stood beside a reference: a `station` here, or hourly `values` as CSV text."""

    observed_property: Annotated[str, Meta(max_length=100, examples=["pm2_5"])]
    start: Instant
    end: Instant
    station: Annotated[str, Meta(max_length=100, examples=["wijk-aan-zee"])] | None = None
    values: Annotated[str, Meta(max_length=60_000)] | None = None
    title: Annotated[str, Meta(max_length=200, examples=["NL49570"])] = ""


class Fit(Schema, frozen=True, kw_only=True):
    """A line `reference = offset + slope * raw`, with standard errors; `shift`: median relative change of a value.

    `confirmation`: what a calibration must repeat, because the line moves values by half; else empty.
    """

    hours: Annotated[int, Meta(examples=[720])]
    offset: float
    slope: float
    offset_error: float
    slope_error: float
    r2: float
    spread: float
    shift: float
    uncertainty: float
    reference: str
    confirmation: str


class NewCalibration(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fit to apply from a whole hour on. `author` is public."""

    fit: NewFit
    valid_from: Instant
    sensor_model: Annotated[str, Meta(max_length=500, examples=["Sensirion SPS30"])]
    serial: Annotated[str, Meta(max_length=500, examples=["8F3A"])] | None = None
    author: Annotated[str, Meta(max_length=500, examples=["GGD Amsterdam"])]
    confirmation: Annotated[str, Meta(max_length=200)] = ""
    revision: Revision = None


class AppliedFit(Schema, frozen=True, kw_only=True):
    """The new version of a calibration; `/corrections` has it too."""

    name: Annotated[str, Meta(examples=["calibration/ijm-001/pm2_5"])]
    version: int
    source: str
    offset: float
    slope: float
    uncertainty: float | None


SCHEMA_TYPES = (
    OperatorNodes, OperatorNode, QuarantinedMessages, QuarantinedMessage, NewRetry, Retry, NewNode, StorageReport,
    OperatorGuests,
    CheckFindings, AuditRecords, NewMaintenance, AnnouncedMaintenance, NewSensorChange, SensorChangeResult, NewFit, Fit,
    NewCalibration, AppliedFit,
)  # fmt: skip
