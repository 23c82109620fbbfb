"""The registry in the database: read as one snapshot, written by operators and by new datastreams."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg

from edge_agent.wire import DesiredConfig, Verifier
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Area, Datastream, Node, ObservedProperty, Registry, Site, Station
from gateway.store.connection import QUERIES, Transaction


async def load_registry(
    connection: Transaction, previous: Registry | None = None, *, areas: Sequence[str] = ("*",)
) -> Registry:
    """The registry as it is now, with the datastreams of these areas; they keep the slots they have in `before`."""

    async def fetch_rows(query: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        return await (await connection.execute(QUERIES[query], values)).fetchall()

    registry_version = await load_version(connection)  # first: a change that comes while we read is then seen next time
    datastreams = _assign_slots(await fetch_rows("select_datastreams", {"areas": list(areas)}), previous)
    desired_configs = {
        r[0]: DesiredConfig(v=1, node=r[0], version=r[1], toml=r[2], certificate=r[3])
        for r in await fetch_rows("select_desired_configs")
    }
    return Registry(
        version=registry_version,
        areas={r[0]: Area(id=r[0], name=r[1], authority=r[2], outline=r[3]) for r in await fetch_rows("select_areas")},
        sites=[
            Site(id=r[0], area=r[1], name=r[2], operator=r[3], latitude=r[4], longitude=r[5])
            for r in await fetch_rows("select_sites")
        ],
        stations={
            r[0]: Station(id=r[0], area=r[1], name=r[2], latitude=r[3], longitude=r[4])
            for r in await fetch_rows("select_stations")
        },
        nodes={
            r[0]: Node(
                id=r[0],
                area=r[1],
                station=r[2],
                key=_parse_verifier(r[3]),
                revoked=r[4],
                desired_config=desired_configs.get(r[0]),
            )
            for r in await fetch_rows("select_nodes")
        },
        properties={r[0]: _property_from_row(r) for r in await fetch_rows("select_properties")},
        datastreams=datastreams,
        slots={(d.node, d.observed_property): d.slot for d in datastreams},
    )


_parse_verifier = lru_cache(maxsize=100_000)(Verifier.parse)  # read again with every change, and the same nearly always


async def load_version(connection: Transaction) -> int:
    """How often an operator has changed the registry."""
    row = await (await connection.execute(QUERIES["select_registry_version"])).fetchone()
    return int(row[0]) if row else 0


def _property_from_row(row: Sequence[Any]) -> ObservedProperty:
    name, shipped = {"nl": row[2], "en": row[3]}, PROPERTIES.get(row[0])
    return ObservedProperty(
        id=row[0],
        unit=row[1],
        name=name,
        names_in_text=shipped.names_in_text if shipped is not None else name,
        lower=row[4],
        upper=row[5],
        max_rise=row[6],
        severity_levels=tuple(row[7]) if row[7] else None,
    )


def _assign_slots(rows: Sequence[Sequence[Any]], previous: Registry | None) -> list[Datastream]:
    existing = list(previous.datastreams) if previous else []
    existing_ids = {d.id for d in existing}
    new_rows = [row for row in rows if row[0] not in existing_ids]
    return existing + [
        Datastream(slot=len(existing) + i, id=row[0], station=row[1], node=row[2], observed_property=row[3])
        for i, row in enumerate(new_rows)
    ]


async def create_datastreams(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Make the datastreams of (node, property), where the node stands now."""
    await tx.execute(
        QUERIES["create_datastreams"], {"nodes": [p[0] for p in pairs], "properties": [p[1] for p in pairs]}
    )


def put_area(connection: psycopg.Connection, area: Area) -> None:
    """Create or change an area."""
    values = {"id": area.id, "name": area.name, "authority": area.authority, "outline": json.dumps(area.outline)}
    connection.execute(QUERIES["put_area"], values)


def put_site(connection: psycopg.Connection, site: Site) -> None:
    """Create or change a watched facility."""
    connection.execute(QUERIES["put_site"], _field_values(site))


def put_station(connection: psycopg.Connection, station: Station) -> None:
    """Create or change a station."""
    connection.execute(QUERIES["put_station"], _field_values(station))


def put_node(connection: psycopg.Connection, node: Node) -> None:
    """Enrol a node, or give it a new key or station; an earlier installation ends now."""
    with connection.transaction():
        connection.execute(QUERIES["put_node"], {"id": node.id, "area": node.area, "key": str(node.key)})
        installation = {"node": node.id, "station": node.station}
        connection.execute(QUERIES["end_installation"], installation)
        connection.execute(QUERIES["begin_installation"], installation)


def revoke_node(connection: psycopg.Connection, node: str) -> bool:
    """From the next transaction on nothing of this node is believed; False where it was so already, or unknown."""
    return connection.execute(QUERIES["revoke_node"], {"id": node}).rowcount > 0


def set_desired_config(
    connection: psycopg.Connection, node: str, *, author: str, toml: str | None = None, certificate: str | None = None
) -> int:
    """A new version of what a node should be, sent by the gateway that writes for its area; returns its number."""
    values = {"node": node, "by": author, "toml": toml, "certificate": certificate}
    row = connection.execute(QUERIES["insert_desired_config"], values).fetchone()
    return int(row[0]) if row else 0


def _field_values(record: Site | Station) -> Mapping[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
