"""Follow mobile stations: read positions from newly stored batches, and keep their tracks up to date.

The gateway runs it beside ingest, which is not changed by it. A turn has one transaction per node: it reads batches
that the ledger has and that nobody has read yet, stores their positions, and cuts the tracks around them again. A
process that dies during it loses nothing. Positions of late batches join the tracks that they belong to.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

import psycopg
from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.model.timestamps import from_ms
from gateway.store.connection import Transaction, fetch_all, fetch_one
from gateway.tracks.loading import QUERIES, load_positions, load_readings
from gateway.tracks.plan import Carrier, PlannedTrack, plan_tracks
from gateway.tracks.positions import read_positions

_LOG = get_logger("gateway.tracks")
_INTERVAL = 10.0  # s between turns
_RECONNECT_SECONDS = 5.0


class _NewBatches(Struct, frozen=True, kw_only=True):
    node: str
    incarnation: str
    station: str
    numbers: str
    has_more: bool


class _Payload(Struct, frozen=True, kw_only=True):
    id: int
    payload: bytes


class _Span(Struct, frozen=True, kw_only=True):
    start: datetime
    end: datetime


async def follow_tracks(dsn: str, areas: Sequence[str]) -> NoReturn:
    """Follow the mobile stations of these areas ("*": all) until cancelled; reconnect to the database."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="piekwacht tracks"
            ) as connection:
                while True:
                    if not await run_turn(connection, areas):
                        await asyncio.sleep(_INTERVAL)  # each turn cuts a ride again that goes on
        except psycopg.Error as error:
            _LOG.warning("tracks not followed", error=one_line(error))
            await asyncio.sleep(_RECONNECT_SECONDS)
        except Exception:  # noqa: BLE001 - ingest goes on without tracks, and the operator can see why
            _LOG.exception("track failed")
            await asyncio.sleep(_RECONNECT_SECONDS)


async def run_turn(connection: psycopg.AsyncConnection, areas: Sequence[str]) -> bool:
    """Read the batches that wait, at most a thousand numbers of each node; return whether more wait.

    Raises psycopg.Error; the next turn continues.
    """
    waiting = await fetch_all(connection, _NewBatches, QUERIES["select_new_batches"], {"areas": list(areas)})
    for batches in waiting:
        async with connection.transaction():
            span = await _store_positions(connection, batches)
            if span is not None:
                await _cut_tracks(connection, batches.station, span)
            key = {"node": batches.node, "incarnation": batches.incarnation, "numbers": batches.numbers}
            await connection.execute(QUERIES["record_followed"], key)
    return any(batches.has_more for batches in waiting)


async def _store_positions(tx: Transaction, batches: _NewBatches) -> _Span | None:
    """Store the positions of these batches and return their span; None if there are none."""
    key = {"node": batches.node, "incarnation": batches.incarnation, "numbers": batches.numbers}
    payloads = await fetch_all(tx, _Payload, QUERIES["select_payloads"], key)
    rows = [(*position, row.id) for row in payloads for position in read_positions(bytes(row.payload))]
    if not rows:
        return None
    times, latitudes, longitudes, altitudes, ids = (list(column) for column in zip(*rows, strict=True))
    values = {
        "station": batches.station,
        "times": [from_ms(int(at)) for at in times],
        "latitudes": latitudes,
        "longitudes": longitudes,
        "altitudes": altitudes,
        "batches": ids,
    }
    await tx.execute(QUERIES["insert_positions"], values)
    return _Span(start=from_ms(int(min(times))), end=from_ms(int(max(times))))


async def _cut_tracks(tx: Transaction, station: str, span: _Span) -> None:
    """Replace the tracks that touch a span by those of the positions as they are now."""
    carrier = await fetch_one(tx, Carrier, QUERIES["select_station"], {"station": station})
    values = {"station": station, "start": span.start, "end": span.end}
    whole = await fetch_one(tx, _Span, QUERIES["select_span"], values)
    if carrier is None or whole is None:
        return
    values |= {"start": whole.start, "end": whole.end}
    positions = await load_positions(tx, values)
    readings = await load_readings(tx, values)
    planned = await asyncio.to_thread(plan_tracks, station, carrier, positions, readings)
    await tx.execute(QUERIES["delete_tracks"], values)
    for track in planned:
        await _insert_track(tx, station, track)


async def _insert_track(tx: Transaction, station: str, track: PlannedTrack) -> None:
    shown = track.shown
    values = {
        "id": track.id,
        "station": station,
        "began_at": from_ms(int(track.whole.times[0])),
        "ended_at": from_ms(int(track.whole.times[-1])),
        "shown_from": from_ms(int(shown.times[0])) if len(shown) else None,
        "shown_until": from_ms(int(shown.times[-1])) if len(shown) else None,
        "metres": float(shown.steps.sum()),
        "positions": len(shown),
    }
    await tx.execute(QUERIES["insert_track"], values)
    passes = [cell_pass for _, cell_pass in track.passes]
    columns = {
        "track": track.id,
        "properties": [name for name, _ in track.passes],
        "norths": [item.north for item in passes],
        "easts": [item.east for item in passes],
        "times": [from_ms(item.began_ms) for item in passes],
        "readings": [item.readings for item in passes],
        "means": [item.mean for item in passes],
        "backgrounds": [item.background for item in passes],
    }
    await tx.execute(QUERIES["insert_passes"], columns)
