"""Archives of map tiles in one file (PMTiles, version 3): their headers, and the archives of a folder.

The operator makes an extract and adds it with `piekwacht basemap add`; the API serves it in ranges, and the visitor's
browser draws the vector tiles. Source of the layout: https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md
"""

import gzip
import json
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError

SUFFIX = ".pmtiles"
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# Magic and version. Offset and length of root directory, metadata, leaves and tiles; three counts. Clustered, two
# compressions, kind of tile, lowest and highest zoom. Bounds. Zoom and place of the centre.
_HEADER = struct.Struct("<7sB11Q6B4iB2i")
HEADER_BYTES = _HEADER.size
_COMPRESSIONS = {1: "none", 2: "gzip", 3: "brotli", 4: "zstd"}
_TILE_KINDS = {1: "vector", 2: "png", 3: "jpeg", 4: "webp", 5: "avif"}
_MAX_METADATA_BYTES = 4_000_000
# Layers of the Protomaps base map, the schema that the pages can draw.
_KNOWN_LAYERS = frozenset({"earth", "water", "roads", "places"})


class ArchiveError(GatewayError):
    """The file cannot be used as a map; the message names the reason and the remedy."""


Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class ArchiveHeader:
    """Contents of the first 127 bytes. `bounds`: west, south, east, north in degrees. Offsets and lengths in bytes."""

    sections: tuple[tuple[int, int], ...]
    directory_compression: str
    tile_compression: str
    tile_kind: str
    min_zoom: int
    max_zoom: int
    bounds: Bounds


@dataclass(frozen=True, kw_only=True)
class MapArchive:
    """One archive of the folder: its name, without the suffix, its size in bytes, and its header."""

    name: str
    path: Path
    size: int
    header: ArchiveHeader


def parse_header(content: bytes) -> ArchiveHeader:
    """Read the header from the first bytes of a file. Raises ArchiveError."""
    if not content.startswith(b"PMTiles"):
        raise ArchiveError("this is no PMTiles archive: it does not begin with `PMTiles`")
    if len(content) < HEADER_BYTES:
        raise ArchiveError(f"the file is cut: a header has {HEADER_BYTES} bytes, this file has {len(content)}")
    values = _HEADER.unpack(content[:HEADER_BYTES])
    version = values[1]
    if version != 3:
        raise ArchiveError(f"the archive has version {version} of PMTiles; make it again with version 3")
    directories, tiles, kind, min_zoom, max_zoom = values[14:19]
    west, south, east, north = (value / 1e7 for value in values[19:23])
    return ArchiveHeader(
        sections=tuple(zip(values[2:10:2], values[3:10:2], strict=True)),
        directory_compression=_COMPRESSIONS.get(directories, "unknown"),
        tile_compression=_COMPRESSIONS.get(tiles, "unknown"),
        tile_kind=_TILE_KINDS.get(kind, "unknown"),
        min_zoom=min_zoom,
        max_zoom=max_zoom,
        bounds=(west, south, east, north),
    )


def read_archive(path: Path) -> MapArchive:
    """The archive at a path, with its header checked against its length. Raises ArchiveError."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = parse_header(file.read(HEADER_BYTES))
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from None
    except ArchiveError as error:
        raise ArchiveError(f"{path}: {error}") from None
    longest = max(offset + length for offset, length in header.sections)
    if longest > size:
        raise ArchiveError(
            f"{path} is cut: its header tells of {longest} bytes, the file has {size}; copy or download it again"
        )
    return MapArchive(name=path.name.removesuffix(SUFFIX), path=path, size=size, header=header)


def check_archive(archive: MapArchive, *, megabytes: int) -> None:
    """Raise ArchiveError unless the pages can draw the archive and it is not larger than `megabytes` (10^6 bytes)."""
    path, header = archive.path, archive.header
    if archive.size > megabytes * 1_000_000:
        raise ArchiveError(
            f"{path} has {archive.size / 1e6:.0f} MB; the limit is {megabytes} MB: "
            "extract a smaller area or fewer zoom levels, or raise [api.base_map] archive_megabytes"
        )
    if header.tile_kind != "vector":
        raise ArchiveError(f"{path} has {header.tile_kind} tiles; the pages draw vector tiles")
    for compression in (header.directory_compression, header.tile_compression):
        if compression not in {"none", "gzip"}:
            raise ArchiveError(f"{path} is compressed with {compression}; browsers read gzip or none")
    west, south, east, north = header.bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90 and header.min_zoom <= header.max_zoom):
        raise ArchiveError(f"{path} has impossible bounds or zoom levels in its header; make the archive again")
    layers = _read_layers(archive)
    if not layers & _KNOWN_LAYERS:
        raise ArchiveError(
            f"{path} has the layers {', '.join(sorted(layers)) or '(none)'}; "
            "the pages draw archives of the Protomaps base map (earth, water, roads, places)"
        )


def _read_layers(archive: MapArchive) -> set[str]:
    """Names of the vector layers in the metadata. Raises ArchiveError if the metadata cannot be read."""
    offset, length = archive.header.sections[1]
    try:
        with archive.path.open("rb") as file:
            file.seek(offset)
            content = file.read(min(length, _MAX_METADATA_BYTES))
        if archive.header.directory_compression == "gzip":
            content = _decompress(content)
        layers = json.loads(content)["vector_layers"]
        return {str(layer["id"]) for layer in layers}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{archive.path} is damaged: its metadata cannot be read ({error!r})") from None


def _decompress(content: bytes) -> bytes:
    """Gunzip, but never to more than the metadata may have: a small file can unpack to gigabytes."""
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(content, _MAX_METADATA_BYTES)
    if unpacker.unconsumed_tail:
        raise gzip.BadGzipFile("the metadata are too long")
    return unpacked


def overlaps(first: Bounds, second: Bounds) -> bool:
    """Whether two boxes in degrees have a part in common."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def list_archives(folder: Path | None) -> Iterator[MapArchive]:
    """The readable archives of a folder by name; others are left out. Nothing without a folder."""
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if NAME_PATTERN.fullmatch(path.name.removesuffix(SUFFIX)):
            try:
                yield read_archive(path)
            except ArchiveError:
                continue


def choose_archives(archives: Sequence[MapArchive], boxes: Sequence[Bounds]) -> list[MapArchive]:
    """The archives that show a part of one of the boxes."""
    return [archive for archive in archives if any(overlaps(archive.header.bounds, box) for box in boxes)]
