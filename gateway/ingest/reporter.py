"""Reports committed transactions to the log and to Prometheus, in the background."""

import asyncio
import time

from gateway.ingest.clock_log import ClockLog
from gateway.ingest.metrics import count_transaction
from gateway.ingest.rejection_log import RejectionLog
from gateway.ingest.transaction_log import log_transaction
from gateway.ingest.transaction_report import TransactionReport

# Seconds after a COMMIT. By then the next transaction has sent its rows to the database, and a thread that wants the
# interpreter lock delays nothing (docs/adr/0008).
REPORT_DELAY = 0.02


class TransactionReporter:
    """At most one report is pending: `submit` waits for the one before."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._clock_log, self._rejection_log = ClockLog(), RejectionLog()

    async def submit(self, report: TransactionReport) -> None:
        """Report in a while, in a thread; also if the process stops meanwhile. Raises what the report before raised."""
        if self._task is not None:
            await self._task
        self._task = asyncio.create_task(self._report_later(report))

    async def _report_later(self, report: TransactionReport) -> None:
        try:
            await asyncio.sleep(REPORT_DELAY)
        finally:
            await asyncio.to_thread(self._report, report)

    def _report(self, report: TransactionReport) -> None:
        log_transaction(report)
        self._rejection_log.log(report.rejected, report.omitted, time.monotonic())
        count_transaction(report)
        self._clock_log.log_changes(report.accepted.new)
