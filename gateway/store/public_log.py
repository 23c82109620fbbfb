"""The public log in the database: leaves and their indices, and the last signed head. Called by the sequencer.

`LogStore` has a separate connection, which holds the advisory lock of the area, so that one sequencer works for it.
Raises psycopg.Error if the database fails, LockHeldError if another sequencer has the area.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from alerting.sql import load_queries
from gateway.store.connection import LockHeldError

QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
T = TypeVar("T")


class LogState(Struct, frozen=True, kw_only=True):
    """Row of `log_state`; see the migration."""

    size: int
    batches_until: int
    last_batch: int
    signed_size: int
    signed_root: bytes | None
    delivery_count: int
    delivery_head: str


class AddedBatches(Struct, frozen=True, kw_only=True):
    """Number of batches that got a leaf, and the highest id among them; 0 without any."""

    count: int
    last: int


class LogStore:
    """Connection of the sequencer of one area, opened when needed."""

    def __init__(self, dsn: str, area: str, *, name: str = "piekwacht log") -> None:
        """`name` is the connection's application_name."""
        self.area, self._dsn, self._name = area, dsn, name
        self._connection: psycopg.Connection | None = None

    def connect(self) -> psycopg.Connection:
        """Return the live connection with the lock of the area; reconnect if it broke."""
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=self._name,
                options="-c jit=off -c timezone=UTC -c synchronous_commit=on",
            )  # fmt: skip
            if not _fetch_scalar(connection, QUERIES["lock_log"], {"area": self.area}):
                connection.close()
                raise LockHeldError(f"another process sequences the log of {self.area}")
            connection.execute(QUERIES["create_state"], {"area": self.area})
            # one snapshot per transaction: a batch never gets an index without the key of its node
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Close the connection and give up the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a transaction; a lost connection is closed."""
        try:
            with self.connect().transaction():
                yield
        except psycopg.OperationalError:
            self.close()
            raise

    def load_state(self, *, lock: bool = False) -> LogState:
        """State of the log; `lock`: nobody changes it until the transaction ends."""
        query = QUERIES["lock_state" if lock else "select_state"]
        (state,) = self.fetch(LogState, query)
        return state

    def read_open_numbers(self) -> tuple[int, frozenset[str]]:
        """Last batch id that was drawn; then the transactions that drew one and have not ended."""
        last_id = _fetch_scalar(self.connect(), QUERIES["select_last_batch_id"])
        rows = self.connect().cursor(row_factory=scalar_row).execute(QUERIES["select_numbering_transactions"])
        return last_id, frozenset(rows)

    def add_batches(self, state: LogState, limit: int, *, before: int | None = None) -> AddedBatches:
        """Give at most `limit` batches without a leaf the next indices. `before`: only those with a lower id."""
        values = {"batches_until": state.batches_until, "size": state.size, "limit": limit, "before": before}
        (added,) = self.fetch(AddedBatches, QUERIES["insert_batch_leaves"], values)
        return added

    def find_logged(self, sources: Sequence[str]) -> set[str]:
        """Return those of the sources that have a leaf."""
        values = {"area": self.area, "sources": list(sources)}
        return set(self.connect().cursor(row_factory=scalar_row).execute(QUERIES["select_logged_sources"], values))

    def add_leaf(self, number: int, source: str, entry: str, document: str | None) -> None:
        """Store a leaf that is not of a batch."""
        self.execute("insert_leaf", number=number, source=source, entry=entry, document=document)

    def read_entries(self, first: int, end: int) -> list[tuple[int, bytes | None]]:
        """(index, entry) of the leaves from `first` up to `end`; None: the batch of the leaf is not stored any more."""
        values = {"area": self.area, "first": first, "end": end}
        return self.connect().execute(QUERIES["select_entries"], values, binary=True).fetchall()

    def fetch_scalar(self, query: str, **values: object) -> Any:  # noqa: ANN401 - the column's type
        """The only value of a named query for the area."""
        return _fetch_scalar(self.connect(), QUERIES[query], {"area": self.area, **values})

    def execute(self, query: str, **values: object) -> None:
        """Run a named query for the area."""
        self.connect().execute(QUERIES[query], {"area": self.area, **values})

    def fetch(self, kind: type[T], query: str, values: Mapping[str, object] | None = None) -> list[T]:
        """Rows of a query for the area, each as a `kind`."""
        cursor = self.connect().cursor(row_factory=class_row(kind))
        return cursor.execute(query, {"area": self.area, **(values or {})}).fetchall()


def list_areas(dsn: str) -> list[str]:
    """Ids of all areas."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        return connection.cursor(row_factory=scalar_row).execute(QUERIES["select_log_areas"]).fetchall()


def _fetch_scalar(connection: psycopg.Connection, query: str, values: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - the column's type
    return connection.cursor(row_factory=scalar_row).execute(query, values).fetchone()
