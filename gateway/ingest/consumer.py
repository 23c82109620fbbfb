"""Keeps ingest running: locks the areas, connects to the broker, runs one session, and starts again if either fails.

The ingest worker runs one consumer per process or, with shared areas, one per area.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import Signer
from gateway import telemetry
from gateway.errors import StartError
from gateway.guests.notary import GuestNotary
from gateway.guests.publications import GuestPublications
from gateway.ingest.commit import DatabaseUnavailableError, report_database_failure
from gateway.ingest.micro_batch import SUBSCRIBED_KINDS
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.session import IngestSession
from gateway.ingest.settings import IngestSettings
from gateway.mqtt.connection import BrokerUnavailableError, open_connection
from gateway.mqtt.settings import BrokerSettings
from gateway.store.connection import LockHeldError

_LOG = get_logger("gateway.ingest")
_MAX_WAITING_BATCHES = 4  # micro-batches that may wait in this process, if the broker's own window is wider


def derive_session_name(signer: Signer, areas: Sequence[str]) -> str:
    """Name of our session on the broker: the same after a restart, and a secret, so that nobody can take it over."""
    key_hash = hashlib.sha256(signer.export().encode()).hexdigest()[:16]
    return "-".join(["piekwacht-gateway", *areas, key_hash])


class IngestConsumer:
    """One session on the broker and one pipeline; recovers by itself if broker or database fail."""

    def __init__(
        self,
        settings: IngestSettings,
        broker: BrokerSettings,
        pipeline: Pipeline,
        *,
        notary: GuestNotary | None = None,
        publications: GuestPublications | None = None,
        wait_for_broker: bool = False,
    ) -> None:
        """`wait_for_broker`: the broker has answered before, so its absence is no error in the configuration.

        `notary`: stores the messages of guests; None: nobody does. `publications`: what guests publish to the broker.
        """
        self._settings, self._broker, self._pipeline = settings, broker, pipeline
        self._notary, self._publications = notary, publications
        self._signer = settings.signer()
        self._wait_for_broker = wait_for_broker

    async def run(self) -> None:
        """Until cancelled. StartError if the broker is unavailable at the start; later, wait for it.

        Areas first, then the broker: a second gateway for the same areas stands by without touching the session of
        the first. It continues that session when the first gateway dies or no longer reaches its broker.
        """
        while True:
            try:
                await self._wait_for_areas()
                await self._run_session()
            except DatabaseUnavailableError:
                await self._wait_for_database()
            except BrokerUnavailableError as error:
                await self._pipeline.release_areas()
                if not self._wait_for_broker:
                    raise StartError(f"no broker at {self._broker}: {error}; check [broker] host and port") from None
                telemetry.FAILURES.labels("broker").inc()
                _LOG.warning("broker unavailable", broker=str(self._broker), error=one_line(error))
            await asyncio.sleep(self._settings.retry_seconds)

    async def _run_session(self) -> None:
        max_waiting = _MAX_WAITING_BATCHES * self._settings.max_batches
        name = derive_session_name(self._signer, self._settings.areas)
        async with open_connection(self._broker, name, max_waiting=max_waiting) as connection:
            self._wait_for_broker = True
            areas = self._settings.areas or ["+"]
            await connection.subscribe([f"pw/v1/{area}/+/{kind}" for area in areas for kind in SUBSCRIBED_KINDS])
            _LOG.info("ingest started", broker=str(self._broker))
            session = IngestSession(
                connection,
                self._pipeline,
                self._settings,
                self._signer,
                notary=self._notary,
                publications=self._publications,
            )
            await session.run()

    async def _wait_for_areas(self) -> None:
        """Wait while another gateway writes for our areas, without connecting to the broker."""
        while True:
            try:
                return await self._pipeline.acquire_areas()
            except LockHeldError as error:
                if not self._wait_for_broker:
                    _LOG.info("standing by: another gateway holds the areas", error=one_line(error))
                self._wait_for_broker = True  # this process has run for a while: from now on, wait for the broker too
            except (psycopg.OperationalError, psycopg.InterfaceError):
                return None  # the session will log it and hold what it receives
            await asyncio.sleep(self._settings.retry_seconds)

    async def _wait_for_database(self) -> None:
        """Wait, disconnected from the broker, so that messages stay there and no queue grows here."""
        while True:
            try:
                return await self._pipeline.acquire_areas()
            except LockHeldError:
                return None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                report_database_failure(error)
                await asyncio.sleep(self._settings.retry_seconds)
