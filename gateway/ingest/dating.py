"""Dates batches of wrong clocks once an anchor is known; the pipeline calls it after COMMIT and while it is idle.

Each group has its transaction: its rows move, and the time span that they fill becomes a gap for the late
detection. The tables show the pending batches, so a new process continues where the last one ended.
"""

from collections.abc import Sequence

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway import telemetry
from gateway.ingest.late_data import Gap, upsert_gaps
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Store, Transaction
from gateway.store.dating import DatedGroup, DatedSpan, date_group

_LOG = get_logger("gateway.ingest")


class BatchDating:
    """Dates the pending batches of one store's areas, one group per call, so that live batches never wait for long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_requested = True  # the process before this one may have left some

    def request(self) -> None:
        """Check for pending batches at the next call."""
        self._is_requested = True

    async def run_if_requested(self, registry: Registry) -> bool:
        """Date one group; return whether detection has new readings by it. A database failure postpones it.

        Batches of an unset clock whose stamps are believed come with every transaction, and give it none.
        """
        if not self._is_requested:
            return False
        try:
            async with self._store.transaction() as tx:
                group = await self._date_group(tx, registry)
            if group is not None and group.has_moved:
                await self._announce()
        except psycopg.Error as error:
            _LOG.warning("dating of batches postponed: database unavailable", error=one_line(error))
            return False
        self._is_requested = group is not None
        if group is not None:
            _report(group)
        return group is not None and bool(group.spans)

    async def _announce(self) -> None:
        """Take a number of the live feed: replicas that miss its message load the newest values again."""
        async with self._store.transaction() as tx:
            await tx.execute(QUERIES["take_live_ids"], {"count": 1})

    async def _date_group(self, tx: Transaction, registry: Registry) -> DatedGroup | None:
        group = await date_group(tx, registry, self._store.areas)
        if group is not None and group.spans:
            await upsert_gaps(tx, _join_spans(group.spans))
        return group


def _join_spans(spans: Sequence[DatedSpan]) -> list[Gap]:
    """Return one gap per datastream."""
    gaps: dict[int, Gap] = {}
    for span in spans:
        gap = gaps.get(span.datastream_id)
        gaps[span.datastream_id] = Gap(
            datastream=span.datastream_id,
            since=min(span.since, gap.since) if gap else span.since,
            until=max(span.until, gap.until) if gap else span.until,
        )
    return list(gaps.values())


def _report(group: DatedGroup) -> None:
    doubted = [batch for batch in group.batches if batch.doubt is not None and batch.shift_ms is not None]
    if not doubted:
        return
    newest = doubted[-1]
    telemetry.DATED_BATCHES.labels(newest.node).inc(len(doubted))
    _LOG.info(
        "batches dated again",
        node=newest.node,
        boot=newest.boot,
        batches=len(doubted),
        first_batch_id=doubted[0].batch_id,
        last_batch_id=newest.batch_id,
        shift_seconds=(newest.shift_ms or 0) / 1000,
    )
