"""Leaves of the log that are not of batches: rows of the database -> leaves with their documents. Pure.

A document is canonical JSON; the leaf has its hash. It is stored beside the leaf, so that it can be shown later as it
was. `source` names what the leaf is about and occurs once in a log.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from alerting.alert import peak_averaging
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import FORMULA
from gateway.quality.humidity_correction import CORRECTION_RULES, DENSITY, MAX_WATER_ACTIVITY, CorrectionRule
from gateway.transparency.leaf import Leaf, LeafKind, encode_canonically, hash_content

_SHORT_HASH = 16  # characters of a hash in a name


class SourceRow(Struct, frozen=True, kw_only=True):
    """A row of `log_source`; `body` is JSON."""

    id: int
    kind: str
    body: str


class DetectorRow(Struct, frozen=True, kw_only=True):
    """A detector that ran here; `parameters` is JSON."""

    name: str
    parameters: str


class RangeRow(Struct, frozen=True, kw_only=True):
    """A property: bounds of values that count, and its levels of severity."""

    id: str
    unit: str
    lower: float | None
    upper: float | None
    max_rise: float | None
    severity: Sequence[float] | None


class NewLeaf(Struct, frozen=True, kw_only=True):
    """A leaf without an index. `document` None: the leaf itself has all."""

    source: str
    leaf: Leaf
    document: str | None = None


class DeliveryRecord(Struct, frozen=True, kw_only=True):
    """The record of deliveries so far: their number, and the hash of its newest part (base64), empty at first."""

    count: int = 0
    head: str = ""


def plan_leaves(rows: Sequence[SourceRow], deliveries: DeliveryRecord) -> tuple[list[NewLeaf], DeliveryRecord]:
    """Turn queued rows into leaves, in their order. Adjacent deliveries become one leaf, removals of one kind too."""
    leaves: list[NewLeaf] = []
    for _, group in groupby(rows, _group_key):
        members = list(group)
        bodies = [msgspec.json.decode(row.body) for row in members]
        match members[0].kind:
            case "node-key":
                leaves += map(_describe_node_key, bodies)
            case "event":
                leaves += map(describe_event, bodies)
            case "calibration":
                leaves += map(describe_calibration, bodies)
            case "delivery":
                leaf, deliveries = _describe_deliveries(bodies, deliveries)
                leaves.append(leaf)
            case _:
                leaves.append(_describe_removal(members[0].id, bodies))
    return leaves, deliveries


def _group_key(row: SourceRow) -> object:
    if row.kind == "removed":
        body = msgspec.json.decode(row.body)
        return row.kind, body["what"], body["reason"]
    return row.kind


def _describe_node_key(body: Mapping[str, Any]) -> NewLeaf:
    until = "-" if body["until"] is None else _format_instant(body["until"])
    fields = body["node_id"], body["station_id"], _format_instant(body["since"]), until
    leaf = Leaf(kind=LeafKind.NODE_KEY, fields=fields, content=body["verifier_key"])
    return NewLeaf(source=f"node-key {body['node_id']} {body['id']}", leaf=leaf)


def describe_event(body: Mapping[str, Any]) -> NewLeaf:
    """Leaf of one revision of an event. `body`: the detector's record, with area, station name, unit and severity."""
    document = encode_canonically(publish_event(body))
    fields = body["id"], str(body["revision"])
    leaf = Leaf(kind=LeafKind.EVENT, fields=fields, content=hash_content(document))
    return NewLeaf(source=f"event {fields[0]} {fields[1]}", leaf=leaf, document=document.decode())


def publish_event(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event as the API publishes it, without licence and attribution."""
    return {
        **{name: body[name] for name in ("id", "revision", "change", "kind", "area", "station", "unit", "severity")},
        "stationName": body["station_name"],
        "observedProperty": body["observed_property"],
        "onset": _format_instant(body["onset"]),
        "peakAt": _format_instant(body["peak_at"]),
        "detectedAt": _format_instant(body["detected_at"]),
        "end": None if body.get("end") is None else _format_instant(body["end"]),
        "peakAveraging": peak_averaging(body["kind"]),
        **{name: float(body[name]) for name in ("peak", "background", "excess", "confidence")},
        "reasons": body.get("reasons", []),
        "detector": body["detector"],
        "detectedLate": body.get("detected_late", False),
        "changedAt": _format_instant(body["changed_at"]),
        "mergedInto": body.get("merged_into"),
        "around": _publish_surroundings(body),
    }


def _publish_surroundings(body: Mapping[str, Any]) -> dict[str, Any]:
    neighbours, wind = body.get("neighbours"), body.get("wind")
    if neighbours is not None:
        neighbours = {"window": 0, "stations": [], **neighbours}
    if wind is not None:
        wind = {**{name: float(wind[name]) for name in ("direction", "spread", "speed")}, "readings": wind["readings"]}
    upwind = [
        {**site, "bearing": float(site["bearing"]), "distance": float(site["distance"])}
        for site in body.get("upwind", [])
    ]
    return {"neighbours": neighbours, "wind": wind, "upwind": upwind, "words": body.get("words", {})}


def _describe_deliveries(bodies: Sequence[Any], record: DeliveryRecord) -> tuple[NewLeaf, DeliveryRecord]:
    """Each part of the record has the hash of the part before it, so the newest hash is of the whole record."""
    document = encode_canonically({"previous": record.head, "deliveries": bodies})
    count, head = record.count + len(bodies), hash_content(document)
    leaf = Leaf(kind=LeafKind.DELIVERY, fields=(str(count),), content=head)
    new = NewLeaf(source=f"delivery {count}", leaf=leaf, document=document.decode())
    return new, DeliveryRecord(count=count, head=head)


def _describe_removal(id_: int, bodies: Sequence[Mapping[str, Any]]) -> NewLeaf:
    count = sum(body["count"] for body in bodies)
    starts, ends = ([datetime.fromisoformat(body[name]) for body in bodies if body[name]] for name in ("from", "until"))
    document = encode_canonically({
        "what": bodies[0]["what"],
        "reason": bodies[0]["reason"],
        "from": _format_optional(min(starts, default=None)),
        "until": _format_optional(max(ends, default=None)),
        "count": count,
    })  # fmt: skip
    fields = bodies[0]["what"], bodies[0]["reason"], str(count)
    leaf = Leaf(kind=LeafKind.REMOVED, fields=fields, content=hash_content(document))
    return NewLeaf(source=f"removed {id_}", leaf=leaf, document=document.decode())


def describe_detector(row: DetectorRow) -> NewLeaf:
    """Leaf of a detector: its name has its version; the document has its parameters."""
    document = encode_canonically(msgspec.json.decode(row.parameters))
    leaf = Leaf(kind=LeafKind.DETECTOR, fields=(row.name,), content=hash_content(document))
    return NewLeaf(source=f"detector {row.name}", leaf=leaf, document=document.decode())


def describe_rules(ranges: Sequence[RangeRow]) -> Iterator[NewLeaf]:
    """Yield the leaves of every correction rule of this version, and of the ranges of all properties.

    A rule that changes without a new version gets a leaf too: its source has the hash.
    """
    for rule in CORRECTION_RULES:
        yield _describe_rule(rule.name, str(rule.version), _rule_document(rule))
    document = encode_canonically({"properties": [msgspec.to_builtins(row) for row in ranges]})
    yield _describe_rule("ranges-of-properties", _short_hash(document), document)


def _rule_document(rule: CorrectionRule) -> bytes:
    return encode_canonically({
        "name": rule.name,
        "version": rule.version,
        "properties": list(rule.properties),
        "parameters": dict(rule.parameters),
        "formula": rule.formula,
        "source": rule.source,
    })  # fmt: skip


def _describe_rule(name: str, version: str, document: bytes) -> NewLeaf:
    leaf = Leaf(kind=LeafKind.CORRECTION_RULE, fields=(name, version), content=hash_content(document))
    source = f"correction-rule {name} {version} {_short_hash(document)}"
    return NewLeaf(source=source, leaf=leaf, document=document.decode())


def describe_calibration(body: Mapping[str, Any]) -> NewLeaf:
    """Leaf of one version of a calibration. `body`: its row, with the unit of the property."""
    document = encode_canonically({
        "name": f"calibration/{body['node_id']}/{body['property_id']}",
        "version": body["version"],
        "node": body["node_id"],
        "properties": [body["property_id"]],
        "unit": body["unit"],
        "from": _format_instant(body["valid_from"]),
        "until": None if body["valid_until"] is None else _format_instant(body["valid_until"]),
        "sensorModel": body["sensor_model"],
        "serial": body["serial"],
        "parameters": {
            "offset": float(body["offset"]),
            "slope": float(body["slope"]),
            "humiditySlope": float(body["humidity_slope"]),
            "kappa": float(body["kappa"]),
            "density": DENSITY,
            "highestWaterActivity": MAX_WATER_ACTIVITY,
        },
        "formula": FORMULA,
        "uncertainty": None if body["uncertainty"] is None else float(body["uncertainty"]),
        "source": body["source"],
        "author": body["author"],
    })  # fmt: skip
    fields = body["node_id"], body["property_id"], str(body["version"]), _format_instant(body["valid_from"])
    leaf = Leaf(kind=LeafKind.CALIBRATION, fields=fields, content=hash_content(document))
    return NewLeaf(source=f"calibration {' '.join(fields[:3])} ", leaf=leaf, document=document.decode())


def rule_prefix(name_and_version: str) -> str:
    """Begin of the source of the leaf of a rule or calibration, such as `kappa-koehler 2`."""
    name, _, version = name_and_version.rpartition(" ")
    kind, _, key = name.partition("/")
    return f"calibration {key.replace('/', ' ')} {version} " if key else f"correction-rule {kind} {version} "


def _short_hash(document: bytes) -> str:
    return hash_content(document)[:_SHORT_HASH]


def _format_instant(text: str) -> str:
    return format_instant(datetime.fromisoformat(text))


def _format_optional(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)
