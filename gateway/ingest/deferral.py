"""Results of committed transactions that are published later, while a backlog drains. Called by the pipeline. Pure.

A node may delete its batches some seconds later, and a viewer sees a value of the backlog once a second. To answer both
after each of many transactions per second would take a fifth of the gateway's time (docs/adr/0192). Only a transaction
that another one follows may defer, so nothing waits once the backlog is drained. If the process dies, nodes send again
what was not answered, and the database has every value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.model.observation import ObservationBatch
from gateway.store.ledger import BatchKey

_LIVE_SECONDS = 1.0  # between two messages for viewers
_ANSWER_SECONDS = 10.0  # between two answers to nodes, which send again after 30 s
_GRACE_SECONDS = 1.0  # until the transaction that was to follow counts as missing


@dataclass(frozen=True, kw_only=True)
class ResultPlan:
    """Results that one transaction publishes. `rows` and `owners` include what earlier ones deferred.

    rows    for viewers; None: these are deferred
    owners  keys to answer, with the hash that holds each; None: these are deferred
    """

    new_rows: ObservationBatch
    new_owners: Mapping[BatchKey, bytes]
    rows: Sequence[ObservationBatch] | None
    owners: Mapping[BatchKey, bytes] | None
    now: float


class DeferredResults:
    """Rows without a message for viewers, and keys without an answer to their node; all of them are committed.

    Times are of the monotonic clock, s.
    """

    def __init__(self) -> None:
        self._rows: list[ObservationBatch] = []
        self._owners: dict[BatchKey, bytes] = {}
        self._rows_at = self._owners_at = float("-inf")  # last published
        self._load_number = 0

    def plan(
        self, rows: ObservationBatch, owners: Mapping[BatchKey, bytes], *, is_followed: bool, now: float
    ) -> ResultPlan:
        """Decide what a transaction with these rows and keys publishes; `commit` the plan after its COMMIT."""
        defers_rows = is_followed and now < self._rows_at + _LIVE_SECONDS
        defers_owners = is_followed and now < self._owners_at + _ANSWER_SECONDS
        return ResultPlan(
            new_rows=rows,
            new_owners=owners,
            rows=None if defers_rows else (*self._rows, rows),
            owners=None if defers_owners else {**self._owners, **owners},
            now=now,
        )

    def commit(self, plan: ResultPlan) -> None:
        """Remember what the transaction deferred, or that nothing waits any more."""
        if plan.rows is not None:
            self._rows, self._rows_at = [], plan.now
        elif len(plan.new_rows):
            self._rows.append(plan.new_rows)
        if plan.owners is not None:
            self._owners, self._owners_at = {}, plan.now
        else:
            self._owners |= plan.new_owners

    def is_overdue(self, now: float) -> bool:
        """Whether something waits for a transaction that did not come."""
        return (bool(self._rows) and now > self._rows_at + _LIVE_SECONDS + _GRACE_SECONDS) or (
            bool(self._owners) and now > self._owners_at + _ANSWER_SECONDS + _GRACE_SECONDS
        )

    def adopt_load(self, load_number: int) -> None:
        """Forget rows of an earlier load of the registry: its slots were others. The next readings replace them."""
        if load_number != self._load_number:
            self._rows, self._load_number = [], load_number
