"""`piekwacht site apply FILE`: one TOML file that says what stands where, put into the registry.

Applying the same file again changes nothing; what the file does not name is left alone.
"""

import json
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError, load
from edge_agent.wire import Name, NoteError, Verifier
from gateway.model.registry import Area, Node, Site, Station
from gateway.store import stations
from gateway.store.migrate import connect

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class AreaTable(Struct, frozen=True, kw_only=True):
    """`[area]`: outline is a GeoJSON geometry (CRS84), in the file itself or beside it."""

    id: Name
    name: str
    authority: str
    outline: dict[str, object] | None = None
    outline_file: Path | None = None


class SiteTable(Struct, frozen=True, kw_only=True):
    """`[[site]]`: a watched facility."""

    id: Name
    name: str
    operator: str
    latitude: Latitude
    longitude: Longitude


class StationTable(Struct, frozen=True, kw_only=True):
    """`[[station]]`: a place's public identity."""

    id: Name
    name: str
    latitude: Latitude
    longitude: Longitude


class NodeTable(Struct, frozen=True, kw_only=True):
    """`[[node]]`: key is the node's verifier key, `<name>+<key id>+<base64>`."""

    id: Name
    station: Name
    key: str


class SiteFile(Struct, frozen=True, kw_only=True):
    """The whole file."""

    area: AreaTable
    site: list[SiteTable] = []
    station: list[StationTable] = []
    node: list[NodeTable] = []


def read(path: Path) -> SiteFile:
    """Read and check the file, or raise ConfigurationError."""
    described = load(path, SiteFile)
    known = {station.id for station in described.station}
    for node in described.node:
        if node.station not in known:
            raise ConfigurationError(f"{path}: node `{node.id}` stands at `{node.station}`, which is no station here")
    return described


def apply(described: SiteFile, dsn: str, *, beside: Path) -> None:
    """Put it into the registry, all or nothing. Running gateways notice by themselves."""
    area = _area(described.area, beside)
    nodes = [Node(id=n.id, area=area.id, station=n.station, key=_key(n)) for n in described.node]
    with connect(dsn) as connection, connection.transaction():
        stations.put_area(connection, area)
        for s in described.site:
            stations.put_site(
                connection,
                Site(
                    id=s.id,
                    area=area.id,
                    name=s.name,
                    operator=s.operator,
                    latitude=s.latitude,
                    longitude=s.longitude,
                ),
            )
        for p in described.station:
            place = Station(id=p.id, area=area.id, name=p.name, latitude=p.latitude, longitude=p.longitude)
            stations.put_station(connection, place)
        for node in nodes:
            stations.put_node(connection, node)


def _area(table: AreaTable, beside: Path) -> Area:
    outline = table.outline
    if table.outline_file is not None:
        path = beside / table.outline_file
        try:
            outline = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"area.outline_file: {path} cannot be read as GeoJSON: {error}") from None
    if outline is None or "type" not in outline:
        raise ConfigurationError("area: give `outline` or `outline_file`, a GeoJSON geometry")
    return Area(id=table.id, name=table.name, authority=table.authority, outline=outline)


def _key(node: NodeTable) -> Verifier:
    try:
        return Verifier.parse(node.key)
    except NoteError as error:
        raise ConfigurationError(f"node `{node.id}`: key: {error}") from None
