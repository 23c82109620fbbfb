"""`piekwacht site apply FILE`: store areas, sites, stations and nodes of a TOML file in the registry.

Applying the same file again changes nothing. Entries that the file does not name stay as they are.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError, load_toml
from edge_agent.wire import MOBILE_PREFIX, Name, NoteError, Verifier
from gateway.model.legal_day import LEGAL_TIME_ZONE, TimeZoneError, check_time_zone
from gateway.model.mobile_station import MobileStation, Vehicle
from gateway.model.registry import Area, Node, Site, Station
from gateway.store import stations
from gateway.store.connection import connect

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class AreaTable(Struct, frozen=True, kw_only=True):
    """`[area]`: the area that the file describes.

    id            short name, used in topics and addresses
    name          name on pages
    authority     authority that supervises the area
    outline       GeoJSON geometry (CRS84)
    outline_file  file with the geometry, instead of `outline`
    time_zone     IANA name of the time zone whose legal days the area has
    """

    id: Name
    name: str
    authority: str
    outline: dict[str, object] | None = None
    outline_file: Path | None = None
    time_zone: str = LEGAL_TIME_ZONE


class SiteTable(Struct, frozen=True, kw_only=True):
    """`[[site]]`: a watched facility.

    id         short name
    name       name on pages
    operator   company that runs the facility
    latitude   WGS 84, in degrees
    longitude  WGS 84, in degrees
    """

    id: Name
    name: str
    operator: str
    latitude: Latitude
    longitude: Longitude


class StationTable(Struct, frozen=True, kw_only=True):
    """`[[station]]`: the public identity of a place.

    id         short name, used in addresses
    name       name on pages
    latitude   WGS 84, in degrees
    longitude  WGS 84, in degrees
    """

    id: Name
    name: str
    latitude: Latitude
    longitude: Longitude


class MobileTable(Struct, frozen=True, kw_only=True):
    """`[[mobile]]`: a station that moves; its readings have their own places.

    id       short name, used in addresses; begins with `mobile-`
    name     name on pages
    vehicle  car, bicycle, boat or drone
    exhaust  whether its own engine can be measured: readings at a standstill then count in no cell
    private  whether it is of a resident: where its rides begin and end is shown to inspectors alone
    """

    id: Annotated[str, Meta(pattern=f"^{MOBILE_PREFIX}[a-z0-9-]{{1,55}}$")]
    name: str
    vehicle: Vehicle
    exhaust: bool = False
    private: bool = False


class NodeTable(Struct, frozen=True, kw_only=True):
    """`[[node]]`: a node at a station.

    id       short name, as in its agent.toml
    station  id of a station in this file, fixed or mobile
    key      verifier key of the node: `<name>+<key id>+<base64>`
    since    when a new node began to measure at the station, with a time zone; default: when it is enrolled
    """

    id: Name
    station: Name
    key: str
    since: Annotated[datetime, Meta(tz=True)] | None = None


class SiteFile(Struct, frozen=True, kw_only=True):
    """The whole file."""

    area: AreaTable
    site: list[SiteTable] = []
    station: list[StationTable] = []
    mobile: list[MobileTable] = []
    node: list[NodeTable] = []


def read_site_file(path: Path) -> SiteFile:
    """Read and check the file. Raises ConfigurationError."""
    contents = load_toml(path, SiteFile)
    station_ids = {station.id for station in contents.station} | {mobile.id for mobile in contents.mobile}
    for node in contents.node:
        if node.station not in station_ids:
            raise ConfigurationError(
                f"{path}: node `{node.id}` is at the station `{node.station}`, which the file does not have"
            )
        if node.since is not None and node.since > datetime.now(UTC):
            raise ConfigurationError(f"{path}: node `{node.id}` measures since {node.since.isoformat()}, in the future")
    return contents


def apply_site_file(contents: SiteFile, dsn: str, *, folder: Path) -> None:
    """Store the file in the registry in one transaction. Running gateways reload the registry by themselves."""
    area = _build_area(contents.area, folder)
    nodes = [(Node(id=n.id, area=area.id, station=n.station, key=_parse_key(n)), n.since) for n in contents.node]
    with connect(dsn) as connection, connection.transaction():
        stations.put_area(connection, area)
        for site in contents.site:
            stations.put_site(
                connection,
                Site(
                    id=site.id,
                    area=area.id,
                    name=site.name,
                    operator=site.operator,
                    latitude=site.latitude,
                    longitude=site.longitude,
                ),
            )
        for station in contents.station:
            registry_station = Station(
                id=station.id, area=area.id, name=station.name, latitude=station.latitude, longitude=station.longitude
            )
            stations.put_station(connection, registry_station)
        for mobile in contents.mobile:
            mobile_station = MobileStation(
                id=mobile.id,
                area=area.id,
                name=mobile.name,
                vehicle=mobile.vehicle,
                has_exhaust=mobile.exhaust,
                is_private=mobile.private,
            )
            stations.put_mobile_station(connection, mobile_station)
        for node, since in nodes:
            stations.put_node(connection, node, since=since)


def _build_area(table: AreaTable, folder: Path) -> Area:
    outline = table.outline
    if table.outline_file is not None:
        path = folder / table.outline_file
        try:
            outline = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"area.outline_file: {path} cannot be read as GeoJSON: {error}") from None
    if outline is None or "type" not in outline:
        raise ConfigurationError("area: give `outline` or `outline_file`, a GeoJSON geometry")
    try:
        zone = check_time_zone(table.time_zone)
    except TimeZoneError as error:
        raise ConfigurationError(f"area.time_zone: {error}") from None
    return Area(id=table.id, name=table.name, authority=table.authority, outline=outline, time_zone=zone)


def _parse_key(node: NodeTable) -> Verifier:
    try:
        return Verifier.parse(node.key)
    except NoteError as error:
        raise ConfigurationError(f"node `{node.id}`: key: {error}") from None
