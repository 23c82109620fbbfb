"""The registry in the database: loaded as one snapshot, changed by operators' commands and by new datastreams.

Ingest, shadow, self-test and replay load it; the commands of gateway/enrolment and gateway/demo write it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial

import psycopg
from msgspec import convert
from psycopg.rows import kwargs_row, scalar_row

from edge_agent.wire import GUEST_PREFIX, MOBILE_PREFIX, DesiredConfig, Verifier, is_guest, is_mobile
from gateway.errors import GatewayError
from gateway.model.mobile_station import MobileStation
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Area, Datastream, MaintenancePeriod, Node, ObservedProperty, Registry, Site, Station
from gateway.store.connection import QUERIES, Transaction, fetch_all, fetch_scalar

_SeverityLevels = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class _NodeRow:
    id: str
    area: str
    station: str
    key: str
    revoked: bool


@dataclass(frozen=True, kw_only=True)
class _PropertyRow:
    id: str
    unit: str
    name_nl: str
    name_en: str
    lower: float | None
    upper: float | None
    max_rise: float | None
    severity: list[float] | None


async def load_registry(
    tx: Transaction, previous: Registry | None = None, *, areas: Sequence[str] = ("*",)
) -> Registry:
    """Load the registry with the datastreams of these areas. Datastreams of `previous` keep their slots."""
    version = await load_version(tx)  # first: a change during the reads below is then seen the next time
    # tuples: class_row takes twice as long for 70,000 rows
    cursor = await tx.execute(QUERIES["select_datastreams"], {"areas": list(areas)})
    datastreams = _assign_slots(await cursor.fetchall(), previous)
    desired_configs = await _load_desired_configs(tx)
    return Registry(
        version=version,
        areas={area.id: area for area in await fetch_all(tx, Area, QUERIES["select_areas"])},
        sites=await fetch_all(tx, Site, QUERIES["select_sites"]),
        stations={station.id: station for station in await fetch_all(tx, Station, QUERIES["select_stations"])},
        nodes={
            row.id: _node_from_row(row, desired_configs.get(row.id))
            for row in await fetch_all(tx, _NodeRow, QUERIES["select_nodes"])
        },
        properties={
            row.id: _property_from_row(row) for row in await fetch_all(tx, _PropertyRow, QUERIES["select_properties"])
        },
        datastreams=datastreams,
        slots={(d.node, d.observed_property): d.slot for d in datastreams},
        maintenance=await fetch_all(tx, MaintenancePeriod, QUERIES["select_maintenance"]),
    )


async def load_registry_at(tx: Transaction, registry: Registry, at: datetime) -> Registry:
    """Return the registry without the datastreams that were created after `at`."""
    async with tx.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(QUERIES["select_datastreams_until"], {"until": at})
        existing_ids = set(await cursor.fetchall())
    existing = [d for d in registry.datastreams if d.id in existing_ids]
    datastreams = [replace(d, slot=slot) for slot, d in enumerate(existing)]
    slots = {(d.node, d.observed_property): d.slot for d in datastreams}
    return replace(registry, datastreams=datastreams, slots=slots)


async def load_version(tx: Transaction) -> int:
    """Return how often operators have changed the registry."""
    return int(await fetch_scalar(tx, QUERIES["select_registry_version"]) or 0)


async def _load_desired_configs(tx: Transaction) -> dict[str, DesiredConfig]:
    async with tx.cursor(row_factory=kwargs_row(partial(DesiredConfig, v=1))) as cursor:
        await cursor.execute(QUERIES["select_desired_configs"])
        return {desired_config.node: desired_config for desired_config in await cursor.fetchall()}


_parse_verifier = lru_cache(maxsize=100_000)(Verifier.parse)  # each reload of the registry reads mostly the same keys


def _node_from_row(row: _NodeRow, desired_config: DesiredConfig | None) -> Node:
    return Node(
        id=row.id,
        area=row.area,
        station=row.station,
        key=_parse_verifier(row.key),
        revoked=row.revoked,
        desired_config=desired_config,
    )


def _property_from_row(row: _PropertyRow) -> ObservedProperty:
    name, shipped = {"nl": row.name_nl, "en": row.name_en}, PROPERTIES.get(row.id)
    return ObservedProperty(
        id=row.id,
        unit=row.unit,
        name=name,
        names_in_text=shipped.names_in_text if shipped is not None else name,
        lower=row.lower,
        upper=row.upper,
        max_rise=row.max_rise,
        severity_levels=convert(row.severity, _SeverityLevels | None),
    )


def _assign_slots(rows: Sequence[tuple[int, str, str, str]], previous: Registry | None) -> list[Datastream]:
    """Append the datastreams that are new: rows of (id, station, node, observed property)."""
    datastreams = list(previous.datastreams) if previous else []
    existing_ids = {d.id for d in datastreams}
    for id_, station, node, observed_property in rows:
        if id_ not in existing_ids:
            slot = len(datastreams)
            datastreams.append(
                Datastream(slot=slot, id=id_, station=station, node=node, observed_property=observed_property)
            )
    return datastreams


async def create_datastreams(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Create the datastreams of these (node, property) pairs, at the station where each node is installed now."""
    await tx.execute(
        QUERIES["create_datastreams"], {"nodes": [p[0] for p in pairs], "properties": [p[1] for p in pairs]}
    )


def put_area(connection: psycopg.Connection, area: Area) -> None:
    """Create or change an area."""
    values = {"id": area.id, "name": area.name, "authority": area.authority, "outline": json.dumps(area.outline)}
    values["time_zone"] = area.time_zone
    connection.execute(QUERIES["put_area"], values)


def put_site(connection: psycopg.Connection, site: Site) -> None:
    """Create or change a watched facility."""
    connection.execute(QUERIES["put_site"], _field_values(site))


def put_station(connection: psycopg.Connection, station: Station) -> None:
    """Create or change a station. Raises GatewayError for the id of a guest, or of a station that moves."""
    if is_guest(station.id):
        raise GatewayError(f"{station.id}: ids with {GUEST_PREFIX} are of guests; see `piekwacht guest`")
    if is_mobile(station.id):
        raise GatewayError(f"{station.id}: ids with {MOBILE_PREFIX} are of stations that move: use [[mobile]]")
    connection.execute(QUERIES["put_station"], _field_values(station))


def put_mobile_station(connection: psycopg.Connection, station: MobileStation) -> None:
    """Create or change a station that moves; it has no place. Raises GatewayError for an id of another kind."""
    if not is_mobile(station.id):
        raise GatewayError(f"{station.id}: the id of a station that moves begins with {MOBILE_PREFIX}")
    place = Station(id=station.id, area=station.area, name=station.name, latitude=0, longitude=0)
    with connection.transaction():
        connection.execute(QUERIES["put_station"], _field_values(place))
        connection.execute(QUERIES["put_mobile_station"], _field_values(station))


def put_node(connection: psycopg.Connection, node: Node, *, since: datetime | None = None) -> None:
    """Enrol a node, or change its key or station; an installation elsewhere ends now.

    `since`: when a new node began to measure at its station; None: now. Raises GatewayError for the id of a guest.
    """
    if is_guest(node.id) or is_guest(node.station):
        raise GatewayError(f"{node.id} at {node.station}: ids with {GUEST_PREFIX} are of guests; see `piekwacht guest`")
    _write_node(connection, node, since=since)


def put_guest_node(connection: psycopg.Connection, node: Node, station: Station) -> None:
    """Enrol a guest node at a separate station with the same id: no station has nodes of both classes."""
    if not is_guest(node.id) or not node.id == node.station == station.id:
        raise GatewayError(f"{node.id}: the id of a guest begins with {GUEST_PREFIX}, and its station has the same id")
    connection.execute(QUERIES["put_station"], _field_values(station))
    _write_node(connection, node)


def _write_node(connection: psycopg.Connection, node: Node, *, since: datetime | None = None) -> None:
    """Write a node whose id was checked."""
    with connection.transaction():
        connection.execute(QUERIES["put_node"], {"id": node.id, "area": node.area, "key": str(node.key)})
        installation: dict[str, object] = {"node": node.id, "station": node.station}
        connection.execute(QUERIES["end_installation"], installation)
        connection.execute(QUERIES["begin_installation"], installation | {"since": since})


def revoke_node(connection: psycopg.Connection, node: str) -> bool:
    """Revoke a node: later transactions reject its batches. False if it is unknown or revoked already."""
    return connection.execute(QUERIES["revoke_node"], {"id": node}).rowcount > 0


def set_desired_config(
    connection: psycopg.Connection, node: str, *, author: str, toml: str | None = None, certificate: str | None = None
) -> int:
    """Store a new version of the desired configuration; the gateway of the node's area sends it. Return its number."""
    values = {"node": node, "by": author, "toml": toml, "certificate": certificate}
    version = connection.cursor(row_factory=scalar_row).execute(QUERIES["insert_desired_config"], values).fetchone()
    return int(version or 0)


def _field_values(record: Site | Station | MobileStation) -> Mapping[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
