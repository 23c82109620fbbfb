"""How much the database takes, how fast it grows, and what is deleted when. Growth: `growth_per_day`, pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from gateway.operator.database import QUERIES
from gateway.operator.tools import StorageFolder
from gateway.store.upkeep.status import WorkStatus, fetch_status

_SHORTEST_SPAN = timedelta(hours=20)


class RelationSize(Struct, frozen=True, kw_only=True):
    """A table with its indexes, in bytes."""

    name: str
    bytes: int


class SizeSample(Struct, frozen=True, kw_only=True):
    """The size of the database at a moment, in bytes."""

    sampled_at: datetime
    bytes: int


class Storage(Struct, frozen=True, kw_only=True):
    """The database and its disks. `growth`: bytes a day; None: not known yet. `days_left`: of the fullest disk."""

    database_bytes: int
    growth: float | None
    relations: Sequence[RelationSize]
    disks: Sequence[StorageFolder]
    works: Sequence[WorkStatus]
    retention: Sequence[tuple[str, int | None]]

    @property
    def days_left(self) -> float | None:
        """Days until the disk with the least free space is full, if the database grows on it as it does now."""
        free = min((disk.free for disk in self.disks), default=None)
        return None if free is None or self.growth is None or self.growth <= 0 else free / self.growth


def growth_per_day(size: int, sample: SizeSample | None, now: datetime) -> float | None:
    """Return the growth in bytes a day since a sample; None without one that is old enough. Pure."""
    if sample is None or now - sample.sampled_at < _SHORTEST_SPAN:
        return None
    return (size - sample.bytes) / ((now - sample.sampled_at) / timedelta(days=1))


def load_storage(
    connection: psycopg.Connection,
    disks: Sequence[StorageFolder],
    retention: Sequence[tuple[str, int | None]],
    now: datetime,
) -> Storage:
    """Return sizes, growth and upkeep of the database."""
    size: int = connection.cursor(row_factory=scalar_row).execute(QUERIES["select_database_size"]).fetchone() or 0
    sample = connection.cursor(row_factory=class_row(SizeSample)).execute(QUERIES["select_size_before"]).fetchone()
    relations = connection.cursor(row_factory=class_row(RelationSize)).execute(QUERIES["select_relation_sizes"])
    return Storage(
        database_bytes=size,
        growth=growth_per_day(size, sample, now),
        relations=relations.fetchall(),
        disks=disks,
        works=fetch_status(connection) or [],
        retention=retention,
    )
