"""Commits one micro-batch, whatever the database does: retries, and isolates a message that it refuses.

The session calls it and acknowledges the messages afterwards. The ledger makes every repetition safe.
"""

import asyncio
import time
from collections.abc import Sequence

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway import telemetry
from gateway.decoding.decode import Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.ingest.micro_batch import MicroBatch
from gateway.ingest.pipeline import CommitResult, Pipeline
from gateway.store.nodes import NodeMessage

_LOG = get_logger("gateway.ingest")


class DatabaseUnavailableError(Exception):
    """The database stayed away longer than `[ingest] hold_seconds`."""


def report_database_failure(error: psycopg.Error) -> None:
    """Count and log a failure that will be retried."""
    telemetry.FAILURES.labels("database").inc()
    _LOG.warning("database unavailable", error=one_line(error))


async def commit_with_retry(pipeline: Pipeline, micro_batch: MicroBatch, *, retry: float, hold: float) -> CommitResult:
    """Try every `retry` seconds for `hold` seconds at most, then raise DatabaseUnavailableError."""
    deadline = time.monotonic() + hold
    while True:
        try:
            return await _store_micro_batch(pipeline, micro_batch)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            report_database_failure(error)
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError from None
            await asyncio.sleep(retry)


async def store_payloads(pipeline: Pipeline, payloads: Sequence[Payload]) -> CommitResult:
    """Store payloads that no broker holds. Raises psycopg.OperationalError if the database is unavailable."""
    return await _store_micro_batch(pipeline, MicroBatch(messages=(), payloads=payloads, node_messages=()))


async def _store_micro_batch(pipeline: Pipeline, micro_batch: MicroBatch) -> CommitResult:
    """Store all in one transaction; if the database rejects it, store each message alone and quarantine the culprit."""
    try:
        return await pipeline.process(micro_batch.payloads, micro_batch.node_messages, micro_batch.speculation)
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except psycopg.Error:
        _LOG.exception(
            "database rejected a micro-batch; storing payload by payload", payloads=len(micro_batch.payloads)
        )
    total = CommitResult()
    for payload in micro_batch.payloads:
        result = await _store_payload(pipeline, payload)
        total = CommitResult(
            stored_ranges=total.stored_ranges + result.stored_ranges,
            live_messages=total.live_messages + result.live_messages,
        )
    for node_message in micro_batch.node_messages:
        await _store_node_message(pipeline, node_message)
    return total


async def _store_node_message(pipeline: Pipeline, node_message: NodeMessage) -> None:
    """Store a status or health message alone; the database may refuse it."""
    try:
        await pipeline.process([], [node_message])
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except psycopg.Error as error:
        _LOG.warning("status of a node not stored", node=node_message.topic.node, error=one_line(error))


async def _store_payload(pipeline: Pipeline, payload: Payload) -> CommitResult:
    try:
        return await pipeline.process([payload])
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except psycopg.Error as error:
        detail = one_line(error)
        await pipeline.quarantine_payload(
            RejectedPayload(payload=payload, reason=RejectionReason.UNSTORABLE, detail=detail)
        )
        return CommitResult()
