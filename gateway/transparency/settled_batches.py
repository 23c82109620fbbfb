"""Up to which id every committed batch can be seen. Pure.

A transaction draws the ids of its batches before it commits, so a batch with a lower id may appear after one with a
higher id. A transaction that has drawn an id holds a lock on the sequence until it ends. An id is settled once every
transaction that held the lock when the id had been drawn has ended. See docs/adr/0115-settled-ids.md.
"""

from collections.abc import Set as AbstractSet


class SettledBatches:
    """Follows the sequence of batch ids in one process; it begins anew after a restart."""

    def __init__(self) -> None:
        self._settled = 0
        self._candidate = 0
        self._open_transactions: AbstractSet[str] | None = None

    def observe(self, last_id: int, open_transactions: AbstractSet[str]) -> int:
        """Return the highest id that is settled.

        `last_id`: last id that was drawn, read before the `open_transactions`, which hold the lock.
        """
        if self._open_transactions is not None:
            self._open_transactions &= open_transactions
            if not self._open_transactions:
                self._settled, self._open_transactions = self._candidate, None
        if not open_transactions:
            self._settled, self._open_transactions = last_id, None
        elif self._open_transactions is None:
            self._candidate, self._open_transactions = last_id, open_transactions
        return self._settled
