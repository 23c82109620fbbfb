"""Publishes new Observations over MQTT, as the SensorThings API 1.1 describes it: receive updates via MQTT.

    v1.1/Datastreams(<id>)/Observations     each new Observation of a Datastream
    v1.1/Observations                       each new Observation

The message is the entity as `/sta/v1.1` has it. Our broker knows no queries: a topic with `$select`, of an entity or of
a property gets nothing.

The hub of the live feed hands over its connection and every live message. The readings are read from the database after
their commit. Of several replicas of the API one publishes: the one with the lock. QoS 0: who missed a message reads the
set. Readings that came late, or over a minute before the newest one of their commit, are not published.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

import aiomqtt
import psycopg
from fastapi import HTTPException
from msgspec import json
from psycopg.rows import class_row, dict_row

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.api.data.latest_values import LatestValues
from gateway.api.sensorthings.model import MODEL_1_1
from gateway.api.sensorthings.relations import QUERIES
from gateway.api.sensorthings.renderer import VERSION_1_1, BatchOrigin, EntityRenderer, Row
from gateway.api.telemetry import DROPPED
from gateway.live.message import LiveMessage
from gateway.model.timestamps import from_ms
from gateway.store.connection import LockHeldError, open_exclusive

_LOG = get_logger("gateway.api")
_MAX_WAITING = 500  # live messages; if the database is slower than the feed, the oldest are left out
_RETRY_SECONDS = 5.0
_VERSION = "v1.1"


class ObservationPublisher:
    """Owned by one process. `run` is its task; the hub calls `attach` and `offer`."""

    def __init__(self, dsn: str, root: str, latest_values: LatestValues) -> None:
        """`root`: address of `/sta/v1.1`, for the links of the entities."""
        self._dsn, self._latest_values = dsn, latest_values
        self._client: aiomqtt.Client | None = None
        self._waiting: asyncio.Queue[LiveMessage] = asyncio.Queue(_MAX_WAITING)
        entity = MODEL_1_1.sets["Observations"]
        self._renderer = EntityRenderer(VERSION_1_1, root, entity, ())

    def attach(self, client: aiomqtt.Client | None) -> None:
        """Take the connection of the live feed; None: it is lost."""
        self._client = client

    def offer(self, message: LiveMessage) -> None:
        """Take a live message. If too many wait, the oldest one is dropped and counted."""
        if self._waiting.full():
            self._waiting.get_nowait()
            DROPPED.labels("observations").inc()
        self._waiting.put_nowait(message)

    async def run(self) -> None:
        """Publish until cancelled, while this process has the lock."""
        while True:
            try:
                connection = await open_exclusive(self._dsn, "piekwacht observations", QUERIES["lock_publisher"])
            except LockHeldError:
                await self._wait_without_lock()
                continue
            except psycopg.Error as error:
                _LOG.warning("observations not published", error=one_line(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                async with connection:
                    while True:
                        await self._publish(connection, await self._waiting.get())
            except (psycopg.Error, HTTPException) as error:
                _LOG.warning("observations not published", error=one_line(error))

    async def _wait_without_lock(self) -> None:
        """Another replica publishes: what waits here is its work."""
        await asyncio.sleep(_RETRY_SECONDS)
        while not self._waiting.empty():
            self._waiting.get_nowait()

    async def _publish(self, connection: psycopg.AsyncConnection, message: LiveMessage) -> None:
        await self._latest_values.refresh_if_stale()
        readings = list(self._list_readings(message))
        client = self._client
        if not readings or client is None:
            return
        values = {"ids": [id_ for id_, _ in readings], "times": [at for _, at in readings]}
        cursor = connection.cursor(binary=True, row_factory=dict_row)
        rows = await (await cursor.execute(QUERIES["select_new_observations"], values)).fetchall()
        batches = await _fetch_batches(connection, rows)
        try:
            for row in rows:
                payload = json.encode(self._renderer.render(row, batches))
                await client.publish(f"{_VERSION}/Datastreams({row['datastream_id']})/Observations", payload)
                await client.publish(f"{_VERSION}/Observations", payload)
        except aiomqtt.MqttError as error:
            _LOG.warning("observations not published", error=one_line(error))

    def _list_readings(self, message: LiveMessage) -> Iterator[tuple[int, datetime]]:
        """Yield datastream and time of each valid reading of a live message."""
        registry = self._latest_values.registry
        for observation in message.observations:
            ids = registry.datastreams_of(observation.station, observation.observed_property)
            for id_ in ids:
                if registry.datastreams[id_].node == observation.node:
                    yield from ((id_, from_ms(at)) for at, value, _ in observation.readings() if value is not None)


async def _fetch_batches(connection: psycopg.AsyncConnection, rows: Sequence[Row]) -> dict[int, BatchOrigin]:
    cursor = connection.cursor(binary=True, row_factory=class_row(BatchOrigin))
    await cursor.execute(QUERIES["select_batches"], {"ids": sorted({row["batch_id"] for row in rows})})
    return {batch.id: batch async for batch in cursor}
