"""Decides whether the time stamps of a batch are believed, and whether they can date other batches of the boot. Pure.

Decoding flags the values of a doubted batch `time_suspect`; they count nowhere until an anchor dates them. The decision
depends on the batch and its time of arrival alone, so that a stored batch is judged the same again.
"""

from datetime import timedelta
from enum import StrEnum

from edge_agent.wire import ClockState, ReadingBatch

TOLERANCE_MS = 120_000  # a larger difference from the gateway's clock is no delay of a live batch
_EARLIEST_PLAUSIBLE_MS = 1_420_070_400_000  # 2015-01-01; an earlier stamp is of a clock that was never set


class ClockDoubt(StrEnum):
    """Why the stamps of a batch are not believed; also a label of metrics and stored."""

    NEVER_SET = "never_set"  # stamps before 2015
    AHEAD = "ahead"  # stamps later than its arrival
    BEHIND = "behind"  # a live batch of an unset clock, with stamps long before its arrival
    UNCONFIRMED = "unconfirmed"  # from the backlog of a clock that was not set: nothing to compare with


def find_clock_doubt(batch: ReadingBatch, first_ms: int, last_ms: int, received_ms: int) -> ClockDoubt | None:
    """Return why the stamps `first_ms` to `last_ms` are not believed, or None. Times in ms UTC.

    A set clock is believed however late its batch arrives: a broker may have held it.
    """
    if first_ms < _EARLIEST_PLAUSIBLE_MS:
        return ClockDoubt.NEVER_SET
    if last_ms > received_ms + TOLERANCE_MS:
        return ClockDoubt.AHEAD
    if batch.clock is ClockState.SYNCED:
        return None
    if batch.hist:
        return ClockDoubt.UNCONFIRMED
    return ClockDoubt.BEHIND if last_ms < received_ms - TOLERANCE_MS else None


def describe_clock_error(error_ms: int) -> str:
    """Return a phrase for the error of a clock: `error_ms` is its stamp minus the gateway's clock."""
    size = timedelta(milliseconds=abs(error_ms))
    return f"its clock is {timedelta(seconds=round(size.total_seconds()))} {'ahead' if error_ms > 0 else 'behind'}"
