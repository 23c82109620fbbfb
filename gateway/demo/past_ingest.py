"""`python -m gateway.demo.past_ingest FOLDER`: put the demo's past into its database, by the pipeline of the gateway.

The demo starts this process beside broker and database. It signs the batches, waits until the registry is complete, and
stores them before the gateway takes over the area. Verification, quality flags, detection, checkpoints and events are
those of every reading. The events are marked `detected_late`, because they were detected long after they happened.
Alerting notifies nobody of such an event as if it happened now; it belongs to the daily digest (docs/alerting.md).
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from edge_agent.wire import Signer
from gateway import settings
from gateway.decoding.decode import Payload
from gateway.demo.past_plan import PastFiles, PastPlan
from gateway.demo.past_readings import PastNode, Stage, create_stages
from gateway.demo.past_world import plan_past_world
from gateway.demo.stations import read_site
from gateway.detection.detector import Detector, DetectorState
from gateway.detection.settings import DetectionSettings
from gateway.detection.warm_up import warm_up_kernels
from gateway.ingest.pipeline import Pipeline
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.system.gc_tuning import pause_gc

_PAYLOADS_PER_TRANSACTION = 300


class LateDetector(Detector):
    """The gateway's detector; its events are marked as detected late."""

    def detect(
        self, states: DetectorState, batch: ObservationBatch, registry: Registry
    ) -> tuple[DetectorState, list[Event]]:
        """Return events that these rows open, change or end."""
        after, events = super().detect(states, batch, registry)
        return after, [structs.replace(event, detected_late=True) for event in events]


def main(folder: Path) -> None:
    """Make and store the past of the demo in this folder."""
    files = PastFiles(folder=folder)
    plan = files.read_plan()
    if plan is None:
        sys.exit(f"{files.plan} does not exist")
    with pause_gc():
        stages = _make_stages(files, plan)
    detector = LateDetector(DetectionSettings())
    warm_up_kernels(Flagger(), detector)
    while not files.ready.exists():
        time.sleep(0.02)
    configuration = settings.read(folder / "piekwacht.toml")
    asyncio.run(_ingest(configuration.database.dsn, LateDetector(configuration.detection), stages, files))
    files.done.touch()


def _make_stages(files: PastFiles, plan: PastPlan) -> list[Stage]:
    """Each reading is in the node's log before it is stored, as with a real node."""
    nodes = []
    for name, _ in plan.nodes:
        log = files.readings_log(name)
        log.unlink(missing_ok=True)  # of an attempt that was interrupted: the same readings follow
        key = Signer.parse((log.parent / "node.key").read_text())
        nodes.append(PastNode(area=plan.area, key=key, log=log))
    stations = [station for _, station in plan.nodes]
    world = plan_past_world(stations, read_site(), seed=plan.seed, start=plan.start, end=plan.end)
    return list(create_stages(nodes, world, plan.end, plan.seed))


async def _ingest(dsn: str, detector: Detector, stages: Sequence[Stage], files: PastFiles) -> None:
    """Each stage has a separate pipeline, which begins with a checkpoint, as a gateway does after a restart."""
    store = Store(dsn, name="piekwacht demo: past")
    try:
        await store.ensure_connection()
        files.storing.touch()
        for stage in stages:
            pipeline = Pipeline(store, Flagger(), detector)
            for begin in range(0, len(stage.payloads), _PAYLOADS_PER_TRANSACTION):
                now = datetime.now(UTC)
                signed = stage.payloads[begin : begin + _PAYLOADS_PER_TRANSACTION]
                await pipeline.process([Payload(topic=p.topic, body=p.body, received_at=now) for p in signed])
    finally:
        await store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
