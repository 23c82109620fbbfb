"""`piekwacht site`: put the areas, sites, stations and nodes of a site file into the registry; print the registry."""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg

from alerting.vocabulary import count_things
from gateway import settings
from gateway.enrolment import site_file
from gateway.errors import database_unavailable
from gateway.model.registry import Area, Registry
from gateway.store.stations import load_registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="create or change the entries of the file")
    apply.add_argument("file", type=Path, metavar="SITE.toml", help="the site file, all of it or nothing")
    apply.set_defaults(action=_apply)
    show = actions.add_parser("show", help="print every area with its sites, stations and nodes")
    show.add_argument("--json", action="store_true", help="print the registry as a JSON object")
    show.set_defaults(action=_show)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _apply(args: argparse.Namespace) -> None:
    contents = site_file.read_site_file(args.file)
    site_file.apply_site_file(contents, settings.read(args.config).database.dsn, folder=args.file.parent)
    counts = f"{count_things(len(contents.station), 'station')} and {count_things(len(contents.node), 'node')}"
    print(f"in the registry of {contents.area.id}: {counts} of the file")


def _show(args: argparse.Namespace) -> None:
    registry = asyncio.run(_load(settings.read(args.config).database.dsn))
    if args.json:
        print(msgspec.json.encode(_to_document(registry)).decode())
        return
    if not registry.areas:
        print("the registry is empty; `piekwacht site apply` puts a site file into it")
    for area in registry.areas.values():
        print("\n".join(_describe_area(area, registry)))


def _to_document(registry: Registry) -> dict[str, object]:
    nodes = [
        {"id": node.id, "area": node.area, "station": node.station, "revoked": node.revoked}
        for node in registry.nodes.values()
    ]
    return {
        "areas": list(registry.areas.values()),
        "sites": registry.sites,
        "stations": list(registry.stations.values()),
        "nodes": nodes,
    }


async def _load(dsn: str) -> Registry:
    try:
        async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=10) as connection:
            return await load_registry(connection)
    except psycopg.OperationalError as error:
        raise database_unavailable(error) from None


def _describe_area(area: Area, registry: Registry) -> Iterator[str]:
    yield f"{area.id}: {area.name}, {area.authority}, {area.time_zone}"
    for site in registry.sites:
        if site.area == area.id:
            yield f"  site     {site.id:20} {site.name} ({site.operator}), {site.latitude:.4f} {site.longitude:.4f}"
    for station in registry.stations.values():
        if station.area == area.id:
            yield f"  station  {station.id:20} {station.name}, {station.latitude:.4f} {station.longitude:.4f}"
            for node in registry.nodes.values():
                if node.station == station.id:
                    yield f"    node   {node.id:20} {'revoked' if node.revoked else 'enrolled'}"
