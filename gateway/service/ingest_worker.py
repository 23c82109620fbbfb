"""The part of the gateway that takes in, flags, detects and stores: the one that compiles."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import closing

from msgspec import structs

from gateway.decoding.process import Decoder
from gateway.detection.detector import Detector
from gateway.detection.warm_up import rehearse
from gateway.errors import StartError
from gateway.ingest.consumer import Ingest
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.settings import IngestSettings
from gateway.quality.flagger import Flagger
from gateway.settings import Settings
from gateway.sharding.pool import Pool
from gateway.store.connection import Store
from gateway.system.gc_tuning import settle


async def run(settings: Settings) -> None:
    """Take in for the areas of [ingest], or for those that are shared out to us, until cancelled."""
    ingest = settings.ingest
    if ingest is None:
        raise StartError("the gateway needs [ingest] with key_file in its configuration")
    await asyncio.to_thread(rehearse, Flagger(), Detector(settings.detection))
    _favour_throughput()
    with closing(Decoder()) as decoder:
        if not ingest.share:
            return await _take_in(settings, ingest, decoder)

        begun = False

        def part(area: str, name: str) -> Coroutine[None, None, None]:
            nonlocal begun
            met, begun = begun, True
            return _take_in(settings, structs.replace(ingest, areas=[area]), decoder, name=name, met=met)

        return await Pool(settings.database.dsn, ingest.areas, ingest.lease, part).run()


async def _take_in(
    settings: Settings, ingest: IngestSettings, decoder: Decoder, *, name: str = "piekwacht gateway", met: bool = False
) -> None:
    """`name` is what the database sees; `met`: the broker has answered before, and is waited for."""
    store = Store(settings.database.dsn, areas=ingest.areas or ["*"], name=name)
    pipeline = Pipeline(store, Flagger(), Detector(settings.detection), decoder)
    broker = settings.broker.of_area(ingest.areas[0]) if ingest.share else settings.broker
    try:
        await Ingest(ingest, broker, pipeline, met=met).run()
    finally:
        await store.close()


def _favour_throughput() -> None:
    """Who feeds the database must not wait 5 ms, Python's own interval, for a thread that reckons."""
    settle(seldom=True)
    sys.setswitchinterval(0.0005)
