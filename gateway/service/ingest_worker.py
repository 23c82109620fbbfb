"""Runs ingest: receive, flag, detect and store. It compiles kernels, which other services are not allowed to."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing

from msgspec import structs
from numba.core import entrypoints

from gateway.decoding.process import Decoder
from gateway.detection.detector import Detector
from gateway.detection.warm_up import warm_up_kernels
from gateway.errors import StartError
from gateway.guests.inbox import GuestInbox
from gateway.guests.notary import GuestNotary
from gateway.guests.publications import GuestPublications
from gateway.guests.receiver import GuestReceiver
from gateway.ingest.consumer import IngestConsumer
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.quarantine_budget import QuarantineBudget
from gateway.ingest.settings import IngestSettings
from gateway.quality.flagger import Flagger
from gateway.service.log_task import run_logs
from gateway.settings import Settings
from gateway.sharding.pool import AreaPool
from gateway.store.connection import Store
from gateway.system.gc_tuning import freeze_gc, pause_gc
from gateway.system.lean_imports import hide_modules
from gateway.system.memory import share_arena
from gateway.tracks.follower import follow_tracks


async def run(settings: Settings) -> None:
    """Ingest the areas of [ingest], or our share of them, until cancelled. StartError if [ingest] is missing."""
    ingest = settings.ingest
    if ingest is None:
        raise StartError("the gateway needs [ingest] with key_file in its configuration")
    share_arena()
    entrypoints._already_initialized = True  # noqa: SLF001 - a search of all packages for extensions of numba: 0.04 s
    with pause_gc(), hide_modules("scipy", "cffi"):  # numba tries them; no kernel needs them
        await asyncio.to_thread(warm_up_kernels, Flagger(), Detector(settings.detection))
    _favour_throughput()
    with closing(Decoder()) as decoder:
        if not ingest.share_areas:
            return await _ingest_areas(settings, ingest, decoder)

        started = False

        def ingest_area(area: str, name: str) -> Coroutine[None, None, None]:
            nonlocal started
            wait_for_broker, started = started, True
            return _ingest_areas(
                settings,
                structs.replace(ingest, areas=[area]),
                decoder,
                connection_name=name,
                wait_for_broker=wait_for_broker,
            )

        return await AreaPool(settings.database.dsn, ingest.areas, ingest.lease_seconds, ingest_area).run()


async def _ingest_areas(
    settings: Settings,
    ingest: IngestSettings,
    decoder: Decoder,
    *,
    connection_name: str = "piekwacht gateway",
    wait_for_broker: bool = False,
) -> None:
    """`connection_name` is shown by the database; `wait_for_broker`: it has answered before, so wait for it."""
    store = Store(settings.database.dsn, areas=ingest.areas or ["*"], name=connection_name)
    pipeline = Pipeline(store, Flagger(), Detector(settings.detection), decoder)
    broker = settings.broker.for_area(ingest.areas[0]) if ingest.share_areas else settings.broker
    try:
        async with (
            run_logs(settings.public_log, settings.database.dsn, ingest.areas, connection_name),
            _receive_guests(settings, ingest, store) as (notary, publications),
            _follow_tracks(settings, store),
        ):
            consumer = IngestConsumer(
                ingest, broker, pipeline, notary=notary, publications=publications, wait_for_broker=wait_for_broker
            )
            await consumer.run()
    finally:
        await store.close()


@asynccontextmanager
async def _receive_guests(
    settings: Settings, ingest: IngestSettings, store: Store
) -> AsyncIterator[tuple[GuestNotary | None, GuestPublications | None]]:
    """Poll the guests of these areas while the block runs, and give it their notary and their publications."""
    key = ingest.notary()
    if key is None:
        yield None, None
        return
    from gateway.guests.poller import poll_guests  # noqa: PLC0415 - it loads httpx, which delays other gateways

    notary = GuestNotary(store, key, QuarantineBudget().select)
    async with GuestInbox(settings.database.dsn).open() as inbox:
        receiver = GuestReceiver(inbox, settings.guests)
        publications = GuestPublications(receiver, store.areas, retry_seconds=ingest.retry_seconds)
        polling = asyncio.create_task(
            poll_guests(receiver, store.areas, settings.guests.poll_seconds), name="poll guests"
        )
        try:
            yield notary, publications if settings.guests.receive_mqtt else None
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


@asynccontextmanager
async def _follow_tracks(settings: Settings, store: Store) -> AsyncIterator[None]:
    """Follow the mobile stations of these areas while the block runs."""
    following = asyncio.create_task(follow_tracks(settings.database.dsn, store.areas), name="follow tracks")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _favour_throughput() -> None:
    """Let the thread that feeds the database interrupt a computing thread sooner than after the default 5 ms."""
    freeze_gc(raise_thresholds=True, collect=False)  # nodes wait meanwhile
    sys.setswitchinterval(0.0005)
