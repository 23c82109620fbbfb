"""Writes small PMTiles archives of version 3 with vector tiles, for the tests of archives.

Sources: https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md and
https://github.com/mapbox/vector-tile-spec/tree/master/2.1
"""

import gzip
import json
import math
import struct

EXTENT = 4_096
IJMOND = (4.45, 52.38, 4.80, 52.56)


def varint(number: int) -> bytes:
    """An unsigned number in groups of seven bits."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def field(number: int, content: bytes) -> bytes:
    """A field of a message with its length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def zigzag(number: int) -> bytes:
    return varint(number << 1 ^ number >> 63)


def tile_id(z: int, x: int, y: int) -> int:
    """The place of a tile on the Hilbert curves of all zoom levels."""
    position, side = 0, 2 ** (z - 1) if z else 0
    while side:
        rx, ry = int(x & side > 0), int(y & side > 0)
        position += side * side * (3 * rx ^ ry)
        if not ry:
            if rx:
                x, y = 2**z - 1 - x, 2**z - 1 - y
            x, y = y, x
        side //= 2
    return (4**z - 1) // 3 + position


def square_layer(name: str, kind: str, low: int, high: int) -> bytes:
    """A layer with one square polygon, from `low` to `high` of the tile's 4,096 units."""
    size = high - low
    steps = [(low, low), (size, 0), (0, size), (-size, 0)]
    geometry = varint(1 << 3 | 1) + zigzag(steps[0][0]) + zigzag(steps[0][1])
    geometry += varint(3 << 3 | 2) + b"".join(zigzag(dx) + zigzag(dy) for dx, dy in steps[1:]) + varint(1 << 3 | 7)
    feature = field(2, varint(0) + varint(0)) + varint(3 << 3) + varint(3) + field(4, geometry)
    value = field(1, kind.encode())
    layer = field(1, name.encode()) + field(2, feature) + field(3, b"kind") + field(4, value)
    return field(3, layer + varint(5 << 3) + varint(EXTENT) + varint(15 << 3) + varint(2))


def tiles_over(bounds, zooms):
    """(z, x, y) of every tile that covers a part of the bounds."""
    west, south, east, north = bounds
    for z in zooms:

        def column(longitude, z=z):
            return int((longitude + 180) / 360 * 2**z)

        def row(latitude, z=z):
            return int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * 2**z)

        for x in range(column(west), column(east) + 1):
            for y in range(row(north), row(south) + 1):
                yield z, x, y


def write_archive(
    path, *, bounds=IJMOND, zooms=range(9, 13), layers=("earth", "water", "roads", "places"), tile_kind=1, compression=2
):
    """An archive whose tiles are land with a square of water. Returns its path."""
    tile = gzip.compress(square_layer("earth", "earth", 0, EXTENT) + square_layer("water", "ocean", 0, EXTENT // 2))
    ids = sorted(tile_id(*tile) for tile in tiles_over(bounds, zooms))
    first = varint(len(ids))
    first += b"".join(varint(id_ - before) for before, id_ in zip([0, *ids], ids, strict=False))
    first += b"".join(varint(1) for _ in ids) + b"".join(varint(len(tile)) for _ in ids)
    directory = gzip.compress(first + varint(1) * len(ids))  # every tile has the same bytes, at offset 0
    metadata = gzip.compress(json.dumps({"vector_layers": [{"id": name, "fields": {}} for name in layers]}).encode())
    starts = [127, 127 + len(directory)]
    end = starts[1] + len(metadata)
    west, south, east, north = (round(value * 1e7) for value in bounds)
    centre = [(west + east) // 2, (south + north) // 2]
    header = struct.pack(
        "<7sB11Q6B4iB2i", b"PMTiles", 3, starts[0], len(directory), starts[1], len(metadata), end, 0, end, len(tile),
        len(ids), len(ids), 1, 1, compression, compression, tile_kind, min(zooms), max(zooms),
        west, south, east, north, min(zooms), *centre,
    )  # fmt: skip
    path.write_bytes(header + directory + metadata + tile)
    return path
