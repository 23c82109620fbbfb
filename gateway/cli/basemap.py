"""`piekwacht basemap`: add, list and remove archives of map tiles (PMTiles) that the pages draw below the stations."""

import argparse
import asyncio
import shutil
from pathlib import Path

import msgspec
import psycopg

from alerting.vocabulary import count_things
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.api.data.map_archive import (
    NAME_PATTERN,
    SUFFIX,
    ArchiveError,
    MapArchive,
    check_archive,
    list_archives,
    overlaps,
    read_archive,
)
from gateway.api.data.outlines import box_of
from gateway.errors import database_unavailable
from gateway.model.registry import Area
from gateway.store.stations import load_registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="check an archive and copy it to where the API serves it")
    add.add_argument("file", type=Path, metavar="FILE.pmtiles", help="the archive, such as an extract of one area")
    add.add_argument("--name", metavar="NAME", help="its name in the list (the file's name without .pmtiles)")
    add.set_defaults(action=_add)
    list_ = actions.add_parser("list", help="print the archives with their areas, zoom levels and sizes")
    list_.add_argument("--json", action="store_true", help="print the archives as a JSON list")
    list_.set_defaults(action=_list)
    remove = actions.add_parser("remove", help="delete an archive; the drawn base map remains")
    remove.add_argument("name", metavar="NAME", help="the name that `list` prints")
    remove.set_defaults(action=_remove)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action. Raises ConfigurationError or ArchiveError with one sentence."""
    configuration = settings.read(args.config)
    folder = configuration.api.base_map.archive_folder
    if folder is None:
        raise ConfigurationError(
            f"{args.config}: [api.base_map] archive_folder is not set; give the folder where the API finds the archives"
        )
    args.action(args, configuration, folder)


def _add(args: argparse.Namespace, configuration: settings.Settings, folder: Path) -> None:
    name = args.name or args.file.name.removesuffix(SUFFIX).lower()
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigurationError(f"--name {name}: give a name of small letters, digits and hyphens")
    archive = read_archive(args.file)
    check_archive(archive, megabytes=configuration.api.base_map.archive_megabytes)
    names = _name_areas(archive, _load_areas(configuration.database.dsn))
    if not names:
        raise ArchiveError(
            f"{args.file} shows {_describe_bounds(archive)}, where no area of the registry lies; "
            "extract the area, or put it into the registry first (`piekwacht site apply`)"
        )
    target = folder / f"{name}{SUFFIX}"
    temporary = target.with_name(f"{target.name}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(args.file, temporary)
        check_archive(read_archive(temporary), megabytes=configuration.api.base_map.archive_megabytes)
        temporary.replace(target)
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{name}: {_describe(archive)}; it is on the map of {', '.join(names)} within 10 seconds")


def _list(args: argparse.Namespace, configuration: settings.Settings, folder: Path) -> None:
    archives = list(list_archives(folder))
    if args.json:
        areas = _load_areas(configuration.database.dsn) if archives else []
        print(msgspec.json.encode([_to_entry(archive, areas) for archive in archives]).decode())
        return
    if not archives:
        print("no archives; the pages show the drawn base map. `piekwacht basemap add` adds an archive")
        return
    areas = _load_areas(configuration.database.dsn)
    for archive in archives:
        print(f"{archive.name:20} {_describe(archive)}; {', '.join(_name_areas(archive, areas)) or 'no area'}")


def _to_entry(archive: MapArchive, areas: list[Area]) -> dict[str, object]:
    header = archive.header
    return {
        "name": archive.name,
        "bytes": archive.size,
        "min_zoom": header.min_zoom,
        "max_zoom": header.max_zoom,
        "bounds": list(header.bounds),
        "areas": _name_areas(archive, areas),
    }


def _remove(args: argparse.Namespace, configuration: settings.Settings, folder: Path) -> None:
    del configuration
    path = folder / f"{args.name}{SUFFIX}"
    if not NAME_PATTERN.fullmatch(args.name) or not path.is_file():
        names = ", ".join(archive.name for archive in list_archives(folder))
        raise ArchiveError(f"there is no archive {args.name}; there are: {names or 'none'}")
    path.unlink()
    print(f"{args.name} is removed")


def _load_areas(dsn: str) -> list[Area]:
    async def load() -> list[Area]:
        async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=10) as connection:
            return list((await load_registry(connection)).areas.values())

    try:
        return asyncio.run(load())
    except psycopg.OperationalError as error:
        raise database_unavailable(error) from None


def _name_areas(archive: MapArchive, areas: list[Area]) -> list[str]:
    """Names of the areas of which the archive shows a part."""
    boxes = [(area.name, box_of(area.outline)) for area in areas]
    return [name for name, box in boxes if box is not None and overlaps(archive.header.bounds, box)]


def _describe(archive: MapArchive) -> str:
    header = archive.header
    levels = header.max_zoom - header.min_zoom + 1
    return (
        f"{archive.size / 1e6:.1f} MB, {count_things(levels, 'zoom level')} ({header.min_zoom} to {header.max_zoom}), "
        f"{_describe_bounds(archive)}"
    )


def _describe_bounds(archive: MapArchive) -> str:
    west, south, east, north = archive.header.bounds
    return f"{west:.2f} to {east:.2f} east, {south:.2f} to {north:.2f} north"
