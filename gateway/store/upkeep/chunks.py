"""Compress and drop chunks by our own hand, each in a separate transaction.

Only what is overdue is touched. After TimescaleDB's scheduler nothing is left to compress. Chunks are dropped here
alone, each with a record of what was in it.
"""

from pathlib import Path

import psycopg
from psycopg.rows import scalar_row

from alerting.sql import load_queries
from gateway.store.upkeep.outcome import MayContinue, Progress

_QUERIES = load_queries(Path(__file__).with_name("upkeep.sql"))


def compress_chunks(connection: psycopg.Connection, may_continue: MayContinue) -> Progress:
    """Compress chunks that are old enough, and again those that late readings have changed, oldest first."""
    chunks = connection.cursor(row_factory=scalar_row).execute(_QUERIES["select_uncompressed_chunks"]).fetchall()
    for count, chunk in enumerate(chunks):
        if not may_continue():
            return Progress(is_finished=False, detail=f"{count} of {len(chunks)} chunks compressed")
        connection.execute(_QUERIES["compress_chunk"], {"chunk": chunk})
    return Progress(is_finished=True, detail=f"{len(chunks)} chunks compressed")


def drop_old_chunks(connection: psycopg.Connection, may_continue: MayContinue) -> Progress:
    """Drop the chunks that [retention] no longer stores, of readings and of each of the means; record each of them."""
    chunks = connection.execute(_QUERIES["select_old_chunks"]).fetchall()
    for count, (relation, chunk) in enumerate(chunks):
        if not may_continue():
            return Progress(is_finished=False, detail=f"{count} of {len(chunks)} chunks dropped")
        connection.execute(_QUERIES["remove_chunk"], {"relation": relation, "chunk": chunk})
    return Progress(is_finished=True, detail=f"{len(chunks)} chunks dropped")
